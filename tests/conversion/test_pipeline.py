"""The whole pipeline on a network with weights of chance, and on official weights where they are at hand."""

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import edgepose
from edgepose.checkpoints import save_safetensors
from edgepose.conversion.pipeline import ConversionRequest, ConversionResult, convert
from edgepose.conversion.progress import SilentProgress
from edgepose.figures import demo_set
from edgepose.network.efficientpose import EfficientPose
from edgepose.network.variants import get_variant
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.errors import EdgeposeError, GateError, UsageError

STAGES = ["weights", "export", "simplify", "lower", "bundle"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """RT_LITE with random weights."""
    torch.manual_seed(1)
    network = EfficientPose(get_variant("RT_LITE")).eval()
    path = tmp_path_factory.mktemp("checkpoint") / "random.safetensors"
    save_safetensors(network, path)
    return path


@pytest.fixture(scope="module")
def module_cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def cold(tmp_path_factory, module_cache, checkpoint) -> ConversionResult:
    """The random checkpoint converted with an empty cache, which this module shares afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEPOSE_CACHE", str(module_cache))
        patch.chdir(tmp_path_factory.mktemp("cold"))
        result = convert(ConversionRequest("RT_LITE", "host", checkpoint=str(checkpoint)), SilentProgress())
        return replace(result, path=result.path.resolve())


@pytest.fixture
def run(monkeypatch, cold, module_cache, checkpoint, tmp_path):
    """``run(target=...)`` converts the random checkpoint, of which all stages are cached for the host."""
    monkeypatch.setenv("EDGEPOSE_CACHE", str(module_cache))
    monkeypatch.chdir(tmp_path)

    def run(progress=None, **changes):
        request = {"variant": "RT_LITE", "target": "host", "checkpoint": str(checkpoint)} | changes
        return convert(ConversionRequest(**request), progress or SilentProgress())

    return run


def cached_stages(result) -> list[str]:
    return [stage.name for stage in result.stages if stage.cached]


def test_every_stage_runs_once_and_the_same_inputs_give_the_same_bytes(cold, run, monkeypatch, tmp_path):
    assert [stage.name for stage in cold.stages] == STAGES
    assert cached_stages(cold) == []
    assert cold.path.name == "rt-lite-host-fp32.edgepose"
    content = cold.path.read_bytes()
    assert cold.bytes == len(content)

    again = run(output=Path("again.edgepose"))
    assert cached_stages(again) == ["export", "simplify", "lower"]
    assert Path("again.edgepose").read_bytes() == content

    monkeypatch.setenv("EDGEPOSE_CACHE", str(tmp_path / "cold, too"))
    assert cached_stages(run(output=Path("cold.edgepose"))) == []
    assert Path("cold.edgepose").read_bytes() == content


def test_a_second_target_reuses_the_onnx_and_the_engine(run):
    second = run(target="raspberry-pi-4")
    assert cached_stages(second) == ["export", "simplify", "lower"]
    assert second.manifest["target"] == "raspberry-pi-4"


def test_a_cached_conversion_does_not_import_torch(cold, module_cache, checkpoint):
    code = (
        "import sys; from edgepose.conversion.pipeline import ConversionRequest, convert;"
        "from edgepose.conversion.progress import SilentProgress;"
        f"convert(ConversionRequest('RT_LITE', 'raspberry-pi-5', checkpoint={str(checkpoint)!r}), SilentProgress());"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "EDGEPOSE_CACHE": str(module_cache)})


def test_the_manifest_tells_the_whole_way(cold):
    manifest = Bundle.open(cold.path).manifest
    assert (manifest.variant, manifest.target, manifest.precision) == ("RT_LITE", "host", "fp32")
    assert manifest.engine.input.shape == (1, 224, 224, 3)
    assert manifest.engine.output.shape == (1, 28, 28, 16)
    assert manifest.decoder.upsampling == 8
    # 0.86 G FLOPs less the 134 M of the head that left, two a multiply-add.
    assert manifest.engine.macs == pytest.approx(0.36e9, rel=0.03)
    gates = manifest.measured["gates"]
    assert set(gates) == {"source_to_onnx", "source_to_simplified_onnx", "simplified_onnx_to_engine"}
    assert all(0 <= gate["max_abs"] <= gate["tolerance"] <= 1e-4 for gate in gates.values())
    text = json.dumps(manifest.document)
    assert str(Path.cwd()) not in text
    assert str(Path.home()) not in text.replace('"/"', "")


def test_fp16_weights_halve_the_engine(run, cold):
    fp32 = cold.manifest["measured"]["engine_bytes"]
    result = run(precision="fp16")
    assert result.manifest["precision"] == "fp16"
    assert result.manifest["measured"]["engine_bytes"] < 0.6 * fp32


def test_an_onnx_engine_finds_the_joints_of_the_tflite_engine(run, cold):
    onnx = run(engine="onnx", output=Path("onnx.edgepose"))
    assert onnx.manifest["name"] == "rt-lite-host-fp32-onnx"
    frame = demo_set(1)[0].image
    with edgepose.load(cold.path) as litert, edgepose.load("onnx.edgepose") as onnxruntime:
        distances = np.linalg.norm(litert(frame).keypoints - onnxruntime(frame).keypoints, axis=1)
    # Maps of random weights are nearly flat: the two engines' rounding may move a joint by a pixel of the full map.
    assert (distances < 0.01).mean() >= 0.8
    assert distances.max() < 2.1 * 320 / 224


def test_a_damaged_cache_entry_is_rebuilt(run, module_cache):
    for entry in module_cache.glob("simplify-*"):
        entry.write_bytes(entry.read_bytes()[:-1] + b"?")
    assert cached_stages(run()) == ["export", "lower"]
    assert cached_stages(run()) == ["export", "simplify", "lower"]


class InterruptAt(SilentProgress):
    """Presses Ctrl-C when a stage begins."""

    def __init__(self, stage: str):
        super().__init__()
        self.stage = stage

    def begin(self, stage: str) -> None:
        if stage == self.stage:
            raise KeyboardInterrupt


@pytest.mark.parametrize("stage", STAGES)
def test_an_interrupted_conversion_leaves_nothing(run, tmp_path, stage):
    with pytest.raises(KeyboardInterrupt):
        run(InterruptAt(stage), output=tmp_path / "rt.edgepose")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_conversion_goes_on_where_it_was(run, monkeypatch, tmp_path):
    monkeypatch.setenv("EDGEPOSE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(KeyboardInterrupt):
        run(InterruptAt("lower"))
    assert cached_stages(run()) == ["export", "simplify"]


def test_an_onnx_file_of_ones_own_becomes_the_same_engine(run, cold, tmp_path):
    whole = run(engine="onnx", output=tmp_path / "whole.edgepose")
    own = tmp_path / "own.onnx"
    own.write_bytes(Bundle.open(whole.path).engine_bytes())
    result = run(onnx=own, checkpoint=None, output=tmp_path / "own.edgepose")
    assert result.manifest["provenance"]["source"]["kind"] == "onnx-file"
    assert Bundle.open(result.path).engine_bytes() == Bundle.open(cold.path).engine_bytes()


def test_a_head_that_was_trained_stays_in_the_engine(run, tmp_path):
    torch.manual_seed(1)
    network = EfficientPose(get_variant("RT_LITE")).eval()
    with torch.no_grad():
        network.upscaling[0].weight.mul_(1.5)
    save_safetensors(network, tmp_path / "trained.safetensors")
    result = run(checkpoint=str(tmp_path / "trained.safetensors"))
    assert "stays in the engine" in result.warnings[0]
    manifest = Bundle.open(result.path).manifest
    assert manifest.engine.output.shape == (1, 224, 224, 16)
    assert manifest.decoder.upsampling == 1


def test_a_gate_that_does_not_hold_leaves_no_file(run, monkeypatch, tmp_path):
    # No rounding allowed at all: more than any engine can hold.
    from edgepose.conversion import gates

    monkeypatch.setattr(gates, "FLOAT32_TOLERANCE", 0.0)
    monkeypatch.setenv("EDGEPOSE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(GateError) as caught:
        run(output=tmp_path / "rt.edgepose")
    assert caught.value.exit_code == 3
    assert [path.name for path in tmp_path.iterdir()] in ([], ["cache"])


def test_an_existing_bundle_survives_a_failed_conversion(run, checkpoint, tmp_path):
    result = run()
    before = result.path.read_bytes()
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(EdgeposeError):
        run(checkpoint=str(broken))
    assert result.path.read_bytes() == before


def test_no_space_is_one_clear_error_and_leaves_nothing(run, checkpoint, module_cache, tmp_path):
    run(output=tmp_path / "whole.edgepose")
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000));"
        "from edgepose.cli.app import main; sys.exit(main())"
    )
    words = ["convert", "--variant", "RT_LITE", "--target", "host", "--checkpoint", str(checkpoint)]
    done = subprocess.run(
        [sys.executable, "-c", code, *words, "--output", str(tmp_path / "cut.edgepose")],
        capture_output=True,
        text=True,
        env={**os.environ, "EDGEPOSE_CACHE": str(module_cache)},
    )
    assert done.returncode == 1
    assert "cannot write" in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["whole.edgepose"]


def test_an_unwritable_folder_is_refused_before_any_work(run):
    progress = SilentProgress()
    with pytest.raises(UsageError, match="cannot write"):
        run(progress, output=Path("/proc/rt.edgepose"))
    assert progress.reports == []


def test_two_conversions_share_one_cache_at_once(checkpoint, tmp_path):
    words = ["convert", "--variant", "RT_LITE", "--target", "host", "--checkpoint", str(checkpoint)]
    environment = {**os.environ, "EDGEPOSE_CACHE": str(tmp_path / "cache")}
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "edgepose", *words, "--output", str(tmp_path / name)],
            env=environment,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        for name in ("one.edgepose", "two.edgepose")
    ]
    for process in both:
        _, stderr = process.communicate(timeout=300)
        assert process.returncode == 0, stderr.decode()
    assert (tmp_path / "one.edgepose").read_bytes() == (tmp_path / "two.edgepose").read_bytes()


def test_a_bundle_holds_the_device_half_and_nothing_of_the_host_half(cold):
    with zipfile.ZipFile(cold.path) as archive:
        sources = {name for name in archive.namelist() if name.endswith(".py")}
    assert {"__main__.py", "edgepose/__init__.py", "edgepose/runtime/decoder.py"} <= sources
    rooms = {name.split("/")[1] for name in sources if name.count("/") > 1}
    assert rooms == {"runtime", "bench"}


def test_a_python_without_numpy_is_told_what_to_install(cold):
    bundle = cold.path
    # -S: no site-packages, and so no numpy.
    done = subprocess.run([sys.executable, "-S", "-E", str(bundle), "info"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "numpy" in done.stderr.splitlines()[0]
    assert "pip install numpy opencv-python-headless" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("variant", ["RT", "RT_LITE"])
def test_official_weights_become_a_bundle_that_finds_the_figure(reference, run, variant):
    name = f"EfficientPose{variant}.h5"
    result = run(variant=variant, checkpoint=str(reference / "weights" / name), output=Path("official.edgepose"))
    assert result.warnings == ()
    close = []
    with edgepose.load(result.path) as estimator:
        for figure in demo_set(16):
            distance = np.linalg.norm(estimator(figure.image).keypoints - figure.keypoints, axis=1)
            close.append(distance <= 0.5 * figure.head_length)
    assert np.mean(close) > 0.8
