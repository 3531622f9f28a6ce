"""The gates: what they measure, and what they do not let through."""

import json
import math

import numpy as np
import pytest
import torch
from random_networks import random_network
from small_graphs import conv, graph_of, noise

from edgepose.conversion.export_torch_to_onnx import export_torch_to_onnx
from edgepose.conversion.gates import (
    FLOAT16_TOLERANCE,
    FLOAT32_TOLERANCE,
    gate_onnx_to_onnx,
    gate_onnx_to_tflite,
    gate_torch_to_onnx,
)
from edgepose.conversion.lower_onnx_to_tflite import lower_onnx_to_tflite
from edgepose.runtime.errors import ConversionError, GateError


def _heatmaps(weights: np.ndarray, bias: float = 0.0) -> bytes:
    """A 1x1 convolution of an 8x8 image to sixteen maps."""
    node = conv("heatmaps", "image", "w", "b", kernel_shape=[1, 1])
    constants = {"w": weights.astype(np.float32), "b": np.full(16, bias, np.float32)}
    return graph_of([node], constants, (1, 3, 8, 8)).to_bytes()


WEIGHTS = 0.1 * noise(16, 3, 1, 1)
IMAGES = noise(3, 3, 8, 8)


def _two_peaks(red: float) -> bytes:
    """Maps that are ``red`` times the red channel plus half the green one."""
    weights = np.zeros((16, 3, 1, 1))
    weights[:, 0], weights[:, 1] = red, 0.5
    return _heatmaps(weights)


@pytest.fixture
def two_peaks() -> np.ndarray:
    """A red pixel of 2 and a green one of 1.99, far apart."""
    images = np.zeros((1, 3, 8, 8), np.float32)
    images[0, 0, 1, 1], images[0, 1, 6, 6] = 2.0, 1.99
    return images


def test_the_measured_record_is_that_of_the_difference():
    record = gate_onnx_to_onnx(_heatmaps(WEIGHTS), _heatmaps(WEIGHTS, bias=5e-5), IMAGES, "rewrite")
    assert (record.name, record.samples, record.tolerance) == ("rewrite", 3, FLOAT32_TOLERANCE)
    assert record.max_abs == pytest.approx(5e-5, rel=0.01)
    assert record.rms == pytest.approx(5e-5, rel=0.01)
    assert record.joints_agreeing is None
    assert json.loads(json.dumps(record.as_dict()))["max_abs"] == 5e-5


def test_a_difference_above_the_tolerance_is_refused_with_both_numbers():
    with pytest.raises(GateError, match=r"heatmaps differ by up to 0\.0002 over 3 images; at most 0\.0001") as refusal:
        gate_onnx_to_onnx(_heatmaps(WEIGHTS), _heatmaps(WEIGHTS, bias=2e-4), IMAGES)
    assert refusal.value.exit_code == 3


@pytest.mark.parametrize("poison", [math.nan, math.inf])
@pytest.mark.parametrize("side", ["reference", "result"])
def test_values_that_are_not_finite_are_refused(poison, side):
    sound, poisoned = _heatmaps(WEIGHTS), _heatmaps(WEIGHTS, bias=poison)
    graphs = (poisoned, sound) if side == "reference" else (sound, poisoned)
    with pytest.raises(GateError, match=f"the {side} computes values that are not finite"):
        gate_onnx_to_onnx(*graphs, IMAGES)


def test_another_output_shape_is_refused():
    pooled = graph_of([conv("y", "image", "w", kernel_shape=[1, 1], strides=[2, 2])], {"w": WEIGHTS}, (1, 3, 8, 8))
    with pytest.raises(GateError, match="shapes"):
        gate_onnx_to_onnx(_heatmaps(WEIGHTS), pooled.to_bytes(), IMAGES)


def test_torch_against_an_export_of_other_weights():
    network = random_network("RT_LITE")
    exported = export_torch_to_onnx(network, 64)
    images = noise(2, 3, 64, 64)
    assert gate_torch_to_onnx(network, exported, images).max_abs < FLOAT32_TOLERANCE
    with torch.no_grad():
        network.detection_passes[-1].head.bias[7] += 0.001
    with pytest.raises(GateError, match="torch to onnx"):
        gate_torch_to_onnx(network, exported, images)


def test_torch_keeps_its_threads_and_mode():
    network = random_network("RT_LITE").train()
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        exported = export_torch_to_onnx(network, 64)
        gate_torch_to_onnx(network, exported, noise(1, 3, 64, 64))
        assert (torch.get_num_threads(), network.training) == (2, True)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize(("precision", "weights"), [("fp32", "float32"), ("fp16", "float16")])
def test_lowered_engines_pass(precision, weights):
    onnx = _heatmaps(WEIGHTS)
    record = gate_onnx_to_tflite(onnx, lower_onnx_to_tflite(onnx, weights).data, IMAGES, precision)
    assert record.tolerance == {"fp32": FLOAT32_TOLERANCE, "fp16": FLOAT16_TOLERANCE}[precision]
    assert 0 < record.max_abs < record.tolerance or precision == "fp32"


def test_float16_passes_no_float32_gate():
    onnx = _heatmaps(10 * WEIGHTS)
    with pytest.raises(GateError, match="onnx to tflite: heatmaps differ"):
        gate_onnx_to_tflite(onnx, lower_onnx_to_tflite(onnx, "float16").data, IMAGES, "fp32")


def test_joints_that_move_within_the_tolerance_are_refused(two_peaks):
    onnx, other = _two_peaks(0.5), lower_onnx_to_tflite(_two_peaks(0.495)).data
    with pytest.raises(GateError, match="only 0% of the visible joints of 1 images"):
        gate_onnx_to_tflite(onnx, other, two_peaks, "fp16")


def test_joints_too_faint_to_be_visible_do_not_count(two_peaks):
    onnx, other = _two_peaks(0.5), lower_onnx_to_tflite(_two_peaks(0.495)).data
    record = gate_onnx_to_tflite(onnx, other, 0.1 * two_peaks, "fp16")
    assert record.joints_agreeing is None


def test_maps_of_the_full_size_are_decoded_as_they_are(two_peaks):
    onnx = _two_peaks(0.6)
    record = gate_onnx_to_tflite(onnx, lower_onnx_to_tflite(onnx, "float16").data, 3 * two_peaks, "fp16", upsampling=1)
    assert record.joints_agreeing == 1.0


def test_rubbish_is_a_conversion_error():
    with pytest.raises(ConversionError, match="ONNX Runtime cannot run"):
        gate_onnx_to_onnx(b"rubbish", _heatmaps(WEIGHTS), IMAGES)
    with pytest.raises(ConversionError, match="LiteRT cannot run"):
        gate_onnx_to_tflite(_heatmaps(WEIGHTS), b"rubbish", IMAGES)
