"""The pipeline to a Jetson bundle: what it holds, what it says of it, what it refuses; and old interpreters run it."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from python_environments import environment_python

import edgepose
from edgepose.calibration import CalibrationCrop, write_calibration_set
from edgepose.conversion.onnx_graph import OnnxGraph
from edgepose.conversion.pipeline import ConversionRequest, ConversionResult, convert
from edgepose.conversion.progress import SilentProgress
from edgepose.conversion.run_onnx import run_onnx
from edgepose.evaluation.gate import Limits
from edgepose.figures import demo_set
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.errors import UsageError

# What JetPack 4.6 has wheels for.
JETPACK_4_6 = ["numpy==1.19.5", "opencv-python-headless==4.5.4.60", "onnxruntime==1.10.0"]


@pytest.fixture(scope="module")
def module_cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def figures(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("sets") / "figures.zip"
    crops = (
        CalibrationCrop(f"figure {index}", figure.image, figure.head_length, figure.keypoints, np.ones(16, bool))
        for index, figure in enumerate(demo_set(10))
    )
    write_calibration_set(path, path.stem, "rendered", {"count": 10}, crops)
    return str(path)


@pytest.fixture
def run(monkeypatch, module_cache, tmp_path, reference):
    """``run(target, precision=...)`` converts the official RT_LITE."""
    monkeypatch.setenv("EDGEPOSE_CACHE", str(module_cache))
    monkeypatch.chdir(tmp_path)
    checkpoint = str(reference / "weights" / "EfficientPoseRT_LITE.h5")

    def run(target: str, **changes) -> ConversionResult:
        request = {"variant": "RT_LITE", "target": target, "checkpoint": checkpoint} | changes
        return convert(ConversionRequest(**request), SilentProgress())

    return run


def graph_in(result: ConversionResult) -> OnnxGraph:
    return OnnxGraph.from_bytes(Bundle.open(result.path).engine_bytes())


def test_a_nano_gets_fp16_from_a_float_graph_and_the_manifest_says_how_to_build(run, figures):
    result = run("jetson-nano", calibration=figures)
    assert result.path == Path("rt-lite-jetson-nano-fp16.edgepose")
    manifest = Bundle.open(result.path).manifest
    assert (manifest.engine.format, manifest.precision) == ("tensorrt", "fp16")
    assert manifest.engine.build.boards == ("NVIDIA Jetson Nano",)
    assert not manifest.engine.build.half
    assert manifest.engine.build.memory_mb > 500
    assert (manifest.engine.input.dtype, manifest.engine.input.layout) == ("float32", "NCHW")
    assert {array.dtype.name for array in graph_in(result).constants.values()} == {"float32"}
    measured = result.manifest["measured"]
    assert (measured["held_out"]["kind"], measured["build"]["kind"]) == ("host-simulated", "estimated")
    # The rounding of 16 bits was simulated: nothing else would differ.
    assert 0 < measured["gates"]["simplified_onnx_to_engine"]["max_abs"] < 0.03
    assert measured["held_out"]["gate"]["held"]


def test_a_thor_gets_a_graph_that_is_typed_in_16_bits(run, figures):
    result = run("jetson-thor", calibration=figures)
    assert Bundle.open(result.path).manifest.engine.build.half
    assert {array.dtype.name for array in graph_in(result).constants.values()} == {"float16"}


def test_int8_is_explicit_and_symmetric_and_its_gate_is_told(run, figures):
    result = run("jetson-orin-nano", precision="int8", calibration=figures)
    graph = graph_in(result)
    steps = [node for node in graph.nodes if node.operator == "QuantizeLinear"]
    assert len(steps) > 60
    assert not any(graph.constants[node.inputs[2]].any() for node in steps)
    measured = result.manifest["measured"]
    assert measured["integer_macs"] > 0.9
    assert measured["float_layers"]
    # Weights are quantised on the board: the same integers, computed from floats.
    assert measured["gates"]["simplified_onnx_to_engine"]["max_abs"] == 0
    assert result.manifest["provenance"]["calibration_set"]["name"] == "figures"
    assert result.warnings  # 10 crops are few


def test_without_a_calibration_set_the_shipped_one_serves_and_a_warning_says_what_that_means(run, figures, monkeypatch):
    monkeypatch.setattr("edgepose.conversion.pipeline.DEMO_CALIBRATION", figures)  # a sixth of its crops
    result = run("jetson-orin-nano", precision="int8")
    assert result.manifest["provenance"]["calibration_set"]["name"] == "figures"
    assert any("rendered figures" in warning and "--calibration" in warning for warning in result.warnings)


def test_auto_takes_the_fastest_precision_that_keeps_the_bound(run, figures):
    strict = run("jetson-orin-nano", calibration=figures, limits=Limits(min_agreement=99.9))
    assert strict.manifest["precision"] == "fp16"
    assert "within 0.1 head" in strict.rejected["int8"]
    lenient = run("jetson-orin-nano", calibration=figures, limits=Limits(min_agreement=50))
    assert lenient.manifest["precision"] == "int8"
    nano = run("jetson-nano", calibration=figures, limits=Limits(min_agreement=50))
    assert nano.manifest["precision"] == "fp16"
    assert "no INT8 arithmetic" in nano.rejected["int8"]


@pytest.mark.parametrize("target", ["jetson-nano", "jetson-tx2"])
def test_int8_is_refused_before_any_work_where_the_chip_has_none(run, target):
    with pytest.raises(UsageError, match=r"no int8.*has no INT8 arithmetic"):
        run(target, precision="int8", checkpoint="there is no such file")
    with pytest.raises(UsageError, match="does not run 'tflite' engines"):
        run(target, engine="tflite")


def test_fp32_needs_no_calibration(run):
    result = run("jetson-nano", precision="fp32")
    assert "calibration_set" not in result.manifest["provenance"]
    assert not Bundle.open(result.path).manifest.engine.build.half


def test_the_bundle_runs_here_and_its_figures_are_host_simulated(run, figures):
    result = run("jetson-orin-nano", precision="int8", calibration=figures)
    figure = demo_set(3)[2]
    with edgepose.load(result.path) as estimator:
        pose = estimator(figure.image)
        assert "TensorRT" in estimator.fallback
    distances = np.linalg.norm(pose.keypoints - figure.keypoints, axis=1)
    assert (distances <= 0.5 * figure.head_length).mean() > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_onnx_runtime_1_10_under_python_3_6_runs_the_graphs_as_the_newest_does(run, figures, tmp_path, precision):
    """The interpreter and the newest ONNX Runtime of JetPack 4.6. (A Nano refuses int8; its graph is as old.)"""
    python = environment_python("3.6", JETPACK_4_6)
    target = "jetson-nano" if precision == "fp16" else "jetson-xavier-nx"
    result = run(target, precision=precision, calibration=figures)
    done = subprocess.run([python, str(result.path), "check", "--simulate"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "by the CPU: simulated, as asked for" in done.stdout

    images = np.random.default_rng(3).uniform(-1, 1, (2, 3, 224, 224)).astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    program = (
        "import numpy, onnxruntime, sys, zipfile\n"
        "assert onnxruntime.__version__ == '1.10.0' and sys.version_info[:2] == (3, 6)\n"
        "options = onnxruntime.SessionOptions()\n"
        "options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL\n"
        f"engine = zipfile.ZipFile({str(result.path)!r}).read('engine.onnx')\n"
        "session = onnxruntime.InferenceSession(engine, options)\n"
        "maps = [session.run(None, {'image': image[None]})[0] for image in numpy.load('images.npy')]\n"
        "numpy.save('maps.npy', numpy.concatenate(maps))\n"
    )
    done = subprocess.run([python, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    here = run_onnx(Bundle.open(result.path).engine_bytes(), images)
    difference = np.abs(np.load(tmp_path / "maps.npy") - here)
    # Sums in another order may round one integer the other way; a step of one moves a map by little.
    assert difference.max() <= (1e-4 if precision == "fp16" else 0.05)
    assert difference.mean() <= (1e-5 if precision == "fp16" else 1e-3)
