"""Calibrating and quantising: a whole network, and the collapse that it must not fall back to."""

import functools
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from calibrated_graphs import IMAGES, extremes_of, float_graph, ranges_of
from network_graphs import official_graph

from edgepose.conversion.onnx_graph import OnnxGraph
from edgepose.conversion.probe_writer import float_preprocessor
from edgepose.conversion.quantisation import calibrate, quantise
from edgepose.conversion.quantisation.insert_qdq import insert_qdq
from edgepose.conversion.quantisation.structure import quantised_values
from edgepose.conversion.run_onnx import run_onnx
from edgepose.network.variants import get_variant
from edgepose.runtime.decoder import HeatmapDecoder
from edgepose.runtime.errors import GateError

CROPS, PERSONS = 16, 40


def crops(reference: Path, folder: str, records: list[dict]) -> list[np.ndarray]:
    """The persons of ``records`` as RT takes them."""
    preprocessor = float_preprocessor(get_variant("RT"))
    images = []
    for record in records:
        x, y, side = record["crop"]
        picture = cv2.imread(str(reference / "data" / folder / record["image"]))
        crop = cv2.warpAffine(picture, np.float32([[1, 0, -x], [0, 1, -y]]), (round(side), round(side)))
        images.append(preprocessor.prepare(crop)[0].copy())
    return images


def records_of(reference: Path, folder: str) -> list[dict]:
    return json.loads((reference / "data" / folder / "annotations.json").read_text())["records"]


@functools.cache
def calibration_crops(reference: Path) -> list[np.ndarray]:
    records = records_of(reference, "lspet-calibration")
    return crops(reference, "lspet-calibration", records[:: len(records) // CROPS][:CROPS])


@functools.cache
def persons(reference: Path) -> tuple[np.ndarray, np.ndarray]:
    """Upright persons that no calibration looks at, [n, 3, 224, 224], and the sizes of their heads in pixels."""
    upright = [one for one in records_of(reference, "lspet-dev") if one["upright"] and one["source"] == "lspet"]
    chosen = upright[:: len(upright) // PERSONS][:PERSONS]
    heads = np.array([record["head"] / record["crop"][2] for record in chosen]) * get_variant("RT").resolution
    return np.concatenate(crops(reference, "lspet-dev", chosen)), heads


def joints(onnx: bytes, images: np.ndarray) -> np.ndarray:
    decoder = HeatmapDecoder(28, 28, 8, sigma=1.0)
    return np.stack([decoder.decode(each.transpose(1, 2, 0))[0] for each in run_onnx(onnx, images)])


@functools.cache
def float_joints(reference: Path) -> np.ndarray:
    return joints(official_graph(reference, "RT")[1], persons(reference)[0])


def agreement(reference: Path, onnx: bytes) -> float:
    """Percent of the joints of RT that ``onnx`` has within a tenth of a head."""
    images, heads = persons(reference)
    distances = np.linalg.norm(joints(onnx, images) - float_joints(reference), axis=2)
    return 100 * float((distances <= 0.1 * heads[:, None]).mean())


@pytest.mark.slow
def test_the_usual_ranges_collapse(reference):
    """What makes all the rest worth while: on swish, minima and maxima are no ranges."""
    graph = OnnxGraph.from_bytes(official_graph(reference, "RT")[1])
    ranges = ranges_of(graph, calibration_crops(reference))
    usual, symmetric = (agreement(reference, insert_qdq(graph, ranges, each).to_bytes()) for each in (False, True))
    assert usual < 50
    assert symmetric < usual


@pytest.mark.slow
@pytest.mark.parametrize(("symmetric", "least"), [(False, 75), (True, 85)])
def test_rt_keeps_its_joints_in_integers(reference, symmetric, least):
    calibration = calibrate(official_graph(reference, "RT")[1], calibration_crops(reference), symmetric)
    quantised = quantise(calibration)
    assert quantised.integer_macs > 0.99
    assert agreement(reference, quantised.onnx) >= least


@pytest.mark.parametrize("calibrator", ["percentile", "mse", "minmax"])  # entropy takes seconds
def test_usual_calibrators_run(calibrator):
    calibrated = calibrate(float_graph("RT_LITE").to_bytes(), IMAGES, calibrator=calibrator)
    assert calibrated.record["calibrator"] == calibrator
    assert set(calibrated.ranges) == set(quantised_values(calibrated.graph))
    assert quantise(calibrated).integer_macs == 1


def test_minmax_spans_what_was_seen():
    calibrated = calibrate(float_graph("RT").to_bytes(), IMAGES, symmetric=True, calibrator="minmax")
    extremes = extremes_of(calibrated.graph)
    for name, range_ in calibrated.ranges.items():
        low, high = extremes.range_of(name)
        assert range_.high == pytest.approx(max(-low, high), rel=1e-5) or range_ == pytest.approx((low, high), rel=1e-5)


@pytest.mark.parametrize("variant", ["RT", "RT_LITE"])
def test_joined_values_have_one_range(variant):
    calibrated = calibrate(float_graph(variant).to_bytes(), IMAGES)
    joins = [node for node in calibrated.graph.nodes if node.operator in ("Concat", "AveragePool")]
    assert joins
    for node in joins:
        assert len({calibrated.ranges[name] for name in (*node.inputs, node.output)}) == 1


def test_symmetric_integers_leave_squeeze_and_excitation_uncounted():
    calibrated = calibrate(float_graph("RT").to_bytes(), IMAGES, symmetric=True)
    assert 0.98 < quantise(calibrated).integer_macs < 1


def test_a_rewrite_that_changes_the_function_is_not_used(monkeypatch):
    # No rounding allowed at all: more than any rewrite can hold.
    module = sys.modules[calibrate.__module__]  # its package calls a function by the same name
    monkeypatch.setattr(module, "REWRITE_TOLERANCE", 0.0)
    with pytest.raises(GateError, match="differs from the float one by") as caught:
        calibrate(float_graph("RT").to_bytes(), IMAGES)
    assert caught.value.exit_code == 3
