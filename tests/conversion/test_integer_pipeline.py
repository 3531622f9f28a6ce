"""The pipeline to int8: refusals before any work, the gate on crops held out, and what the manifest tells."""

import math
from pathlib import Path

import numpy as np
import pytest
from figure_crops import write_figures
from random_networks import random_network
from small_graphs import parsed

import edgepose
from edgepose.checkpoints import save_safetensors
from edgepose.conversion.hold_out import read_samples
from edgepose.conversion.pipeline import ConversionRequest, ConversionResult, convert
from edgepose.conversion.progress import SilentProgress
from edgepose.evaluation.gate import Limits
from edgepose.figures import demo_set
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.errors import DatasetError, GateError, UsageError

CROPS = 10


@pytest.fixture(scope="module")
def figures(tmp_path_factory) -> str:
    return write_figures(tmp_path_factory.mktemp("sets") / "figures.zip", CROPS)


@pytest.fixture(scope="module")
def module_cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def run(monkeypatch, module_cache, tmp_path):
    """``run(checkpoint, precision=...)`` converts RT_LITE for the host."""
    monkeypatch.setenv("EDGEPOSE_CACHE", str(module_cache))
    monkeypatch.chdir(tmp_path)

    def run(checkpoint: Path | str, progress: SilentProgress | None = None, **changes) -> ConversionResult:
        request = {"variant": "RT_LITE", "target": "host", "precision": "int8", "checkpoint": str(checkpoint)} | changes
        return convert(ConversionRequest(**request), progress or SilentProgress())

    return run


@pytest.fixture
def official(reference) -> Path:
    return reference / "weights" / "EfficientPoseRT_LITE.h5"


@pytest.fixture(scope="module")
def of_chance(tmp_path_factory) -> Path:
    """RT_LITE with random weights, whose joints no int8 engine finds again: its maps have no peaks."""
    path = tmp_path_factory.mktemp("checkpoint") / "random.safetensors"
    save_safetensors(random_network("RT_LITE"), path)
    return path


def test_a_set_is_parted_into_crops_that_share_nothing(figures):
    samples = read_samples(figures)
    assert [crop.id for crop in samples.held_out] == [f"figure {index}" for index in (4, 9)]
    assert len(samples.calibration) == 8
    assert not {crop.id for crop in samples.held_out} & {crop.id for crop in samples.calibration}
    assert samples.dataset.labelled
    assert "has 10 crops: ranges need 64" in samples.warnings[0]


def test_crops_without_labels_are_records_without_labels(tmp_path):
    samples = read_samples(write_figures(tmp_path / "bare.zip", 5, labelled=False))
    assert not samples.dataset.labelled
    assert math.isnan(samples.dataset.records[0].head_length)


@pytest.mark.parametrize("precision", ["int8", "fp16", "auto"])
@pytest.mark.parametrize("fault", ["unknown", "too few", "unlabelled"])
def test_a_set_that_does_not_serve_is_refused_before_any_work(run, of_chance, tmp_path, precision, fault):
    limits = Limits(max_drift=1.0) if fault == "unlabelled" or precision == "auto" else Limits()
    name, error, complaint = {
        "unknown": (str(tmp_path / "none.zip"), DatasetError, "there is no calibration set"),
        "too few": (str(tmp_path / "four.zip"), UsageError, "has 4 crops, which is too few"),
        "unlabelled": (str(tmp_path / "bare.zip"), UsageError, "lacks labels"),
    }[fault]
    if fault != "unknown":
        write_figures(Path(name), 4 if fault == "too few" else 5, labelled=fault == "too few")
    progress = SilentProgress()
    with pytest.raises(error, match=complaint):
        run(of_chance, progress, precision=precision, calibration=name, limits=limits)
    assert progress.reports == []
    assert list(tmp_path.glob("*.edgepose")) == []


def test_int8_is_no_onnx_engine(run, of_chance):
    with pytest.raises(UsageError, match="fp32 alone, not int8"):
        run(of_chance, engine="onnx")


def test_a_gate_that_does_not_hold_leaves_what_was_there(run, of_chance, figures, tmp_path):
    path = tmp_path / "rt.edgepose"
    run(of_chance, precision="fp32", output=path)
    before = path.read_bytes()
    with pytest.raises(GateError, match=r"int8: the percentage of joints .*2 crops held out of 'figures'") as caught:
        run(of_chance, output=path, calibration=figures, limits=Limits(min_agreement=100))
    assert caught.value.exit_code == 3
    assert "even with" in caught.value.message  # layers went to float before it gave up
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["rt.edgepose"]


def test_auto_takes_the_fastest_that_passes(run, of_chance, figures):
    result = run(of_chance, precision="auto", calibration=figures, limits=Limits(min_agreement=100))
    assert result.manifest["precision"] in ("fp16", "fp32")
    assert list(result.rejected) == ["int8", "fp16"][: 2 if result.manifest["precision"] == "fp32" else 1]
    assert "not at least 100" in result.rejected["int8"]
    assert result.to_dict()["rejected"] == result.rejected
    assert run(of_chance, precision="auto", calibration=figures, limits=Limits(min_agreement=0)).rejected == {}


def test_what_the_device_lacks_is_no_advice_where_all_that_it_has_failed(run, of_chance, figures):
    limits = Limits(min_agreement=100)
    with pytest.raises(GateError, match="tried for coral-usb does not pass: int8: the percentage") as caught:
        run(of_chance, target="coral-usb", precision="auto", calibration=figures, limits=limits)
    assert "use int8" not in str(caught.value)


def test_a_trained_head_is_no_int8(run, figures, tmp_path):
    network = random_network("RT_LITE")
    network.upscaling[0].weight.data.mul_(1.5)
    save_safetensors(network, tmp_path / "trained.safetensors")
    with pytest.raises(GateError, match="the upsampling head was trained"):
        run(tmp_path / "trained.safetensors", calibration=figures)


def test_official_weights_become_an_int8_bundle(run, official, figures, monkeypatch, tmp_path):
    progress = SilentProgress()
    result = run(official, progress, calibration=figures)
    assert [report.name for report in progress.reports] == [
        *("samples", "weights", "export", "simplify", "calibrate", "lower", "measure", "bundle")
    ]
    assert result.path.name == "rt-lite-host-int8.edgepose"
    assert any("ranges need 64" in warning for warning in result.warnings)
    content = result.path.read_bytes()

    again = run(official, calibration=figures, output=Path("again.edgepose"))
    assert [stage.name for stage in again.stages if stage.cached] == ["export", "simplify", "calibrate", "lower"]
    assert Path("again.edgepose").read_bytes() == content
    monkeypatch.setenv("EDGEPOSE_CACHE", str(tmp_path / "cold"))
    assert not any(stage.cached for stage in run(official, calibration=figures, output=Path("cold.edgepose")).stages)
    assert Path("cold.edgepose").read_bytes() == content

    manifest = Bundle.open(result.path).manifest
    samples = read_samples(figures)
    assert manifest.document["provenance"]["calibration_set"] == samples.record
    assert samples.record["calibration_crops"] == 8
    assert manifest.document["provenance"]["quantised_onnx"]["calibrator"] == "sensitivity"
    measured = manifest.measured
    assert (measured["integer_macs"], measured["float_layers"]) == (1.0, [])
    held_out = measured["held_out"]
    assert held_out["crops"] == 2
    assert held_out["gate"]["held"]
    assert held_out["drift"]["within_0.1_head"]["total"] >= 60
    assert held_out["drift"]["pckh50_points"] is not None
    assert manifest.engine.input.dtype == "int8"
    figure = demo_set(1)[0]
    with edgepose.load(result.path) as estimator:
        distances = np.linalg.norm(estimator(figure.image).keypoints - figure.keypoints, axis=1)
    assert np.mean(distances <= 0.5 * figure.head_length) > 0.8


def test_layers_go_to_float_until_a_bound_holds(run, of_chance, figures):
    """Where int8 alone does not keep to a bound, a tenth of the multiply-adds at most is given up for it."""
    whole = run(of_chance, calibration=figures, limits=Limits(min_agreement=0))
    alone = whole.manifest["measured"]["held_out"]["drift"]["within_0.1_head"]["total"]
    result = run(of_chance, calibration=figures, limits=Limits(min_agreement=alone + 0.1))
    measured = result.manifest["measured"]
    assert 0.9 <= measured["integer_macs"] < 1
    assert measured["float_layers"]
    assert measured["held_out"]["drift"]["within_0.1_head"]["total"] > alone


def test_gates_become_rows_on_processors_and_stay_gates_on_the_edge_tpu(run, figures, tmp_path):
    save_safetensors(random_network("RT"), tmp_path / "random.safetensors")
    wanted = {"variant": "RT", "calibration": figures, "limits": Limits(min_agreement=0)}
    gates = {}
    for target in ("host", "coral-usb"):
        result = run(tmp_path / "random.safetensors", target=target, **wanted)
        with_rows = [name for name in names_of(Bundle.open(result.path).engine_bytes()) if name.endswith("_gate_row")]
        gates[target] = len(with_rows)
    assert gates == {"host": 3, "coral-usb": 0}


def names_of(tflite: bytes) -> list[str]:
    return [tensor.name.decode() for tensor in parsed(tflite).subgraphs[0].tensors]


class Stop(SilentProgress):
    """Presses Ctrl-C when the weights are to be read: by then, the warnings are told."""

    def begin(self, stage: str) -> None:
        if stage == "weights":
            raise KeyboardInterrupt


@pytest.mark.parametrize(("precision", "told"), [("int8", True), ("fp16", False), ("fp32", False)])
def test_without_a_set_the_figures_stand_in_and_int8_says_so(run, of_chance, precision, told):
    progress = Stop()
    with pytest.raises(KeyboardInterrupt):
        run(of_chance, progress, precision=precision)
    assert ["come from the rendered figures" in warning for warning in progress.warnings] == [True] * told
