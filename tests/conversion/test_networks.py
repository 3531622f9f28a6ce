"""Whole networks through the stages: every variant with random weights, the official ones where they are at hand."""

import numpy as np
import pytest
from network_graphs import SIDE, official_graph, photographs, small_graph
from older_runtime import run_in_tflite_runtime
from small_graphs import noise, operator_versions, runs_whole_in_xnnpack

from edgepose.conversion.export_torch_to_onnx import export_torch_to_onnx
from edgepose.conversion.gates import (
    FLOAT16_TOLERANCE,
    gate_onnx_to_tflite,
    gate_torch_to_onnx,
    run_onnx,
    run_tflite,
)
from edgepose.conversion.lower_onnx_to_tflite import lower_onnx_to_tflite
from edgepose.conversion.onnx_graph import OnnxGraph
from edgepose.conversion.optimise_onnx import optimise_for_xnnpack, optimise_onnx
from edgepose.conversion.simplify import simplify_onnx
from edgepose.network.variants import VARIANTS

FULL_OPERATORS = {"ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "LOGISTIC", "MEAN", "MUL"}
LITE_OPERATORS = {"ADD", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D"}


@pytest.fixture(scope="module")
def optimised() -> bytes:
    """RT for small images."""
    return small_graph("RT")[1].onnx


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_every_variant_lowers_even_unsimplified(variant):
    network, optimised = small_graph(variant)
    images = noise(1, 3, SIDE, SIDE)
    gate_torch_to_onnx(network, optimised.onnx, images)
    reshaped = optimise_for_xnnpack(optimised.onnx)
    assert reshaped.rewrites["channels split"] > 0
    model = lower_onnx_to_tflite(reshaped.onnx)
    gate_onnx_to_tflite(optimised.onnx, model.data, images)
    assert set(model.operators) <= (LITE_OPERATORS if network.variant.lite else FULL_OPERATORS)
    assert set(operator_versions(model.data).values()) == {1}
    assert runs_whole_in_xnnpack(model.data)
    # One product a swish and one a gate: none is left of E-swish's factors.
    assert model.operators.get("MUL", 0) == model.operators.get("LOGISTIC", 0)
    assert optimised.rewrites["paddings merged"] > 0


def test_onnxsim_and_our_own_rewrites_agree_on_the_engine(rt, optimised):
    simplified = simplify_onnx(export_torch_to_onnx(rt, SIDE))
    assert simplified.warning is None
    with_help = optimise_onnx(simplified.onnx)
    assert lower_onnx_to_tflite(with_help.onnx).operators == lower_onnx_to_tflite(optimised).operators
    images = noise(1, 3, SIDE, SIDE)
    np.testing.assert_allclose(run_onnx(with_help.onnx, images), run_onnx(optimised, images), atol=1e-5)


def test_layers_keep_their_names(optimised):
    graph = OnnxGraph.from_bytes(optimised)
    names = set(graph.producers()) | set(graph.constants)
    assert {
        "high_resolution/stem/conv/Conv",
        "high_resolution/stem/conv/Conv/weight",
        "high_resolution/block2.1/squeeze_excitation/expand/Conv/bias",
        "heatmaps",
    } <= names
    assert not any("onnx::" in name or name.startswith("/") for name in names)


def test_a_kept_head_lowers(rt):
    optimised = optimise_onnx(export_torch_to_onnx(rt, SIDE, keep_head=True)).onnx
    model = lower_onnx_to_tflite(optimised)
    assert (model.output_shape, model.operators["TRANSPOSE_CONV"]) == ((1, SIDE, SIDE, 16), 3)
    images = noise(1, 3, SIDE, SIDE)
    np.testing.assert_allclose(run_tflite(model.data, images), run_onnx(optimised, images), atol=1e-4)


def test_float16_weights_halve_the_file(optimised):
    full, half = lower_onnx_to_tflite(optimised), lower_onnx_to_tflite(optimised, "float16")
    assert 0.45 < len(half.data) / len(full.data) < 0.6
    assert runs_whole_in_xnnpack(half.data)


@pytest.mark.parametrize("variant", ["RT", "RT_LITE"])
def test_official_weights_pass_every_gate_on_photographs(variant, reference):
    network, optimised = official_graph(reference, variant)
    images = photographs(reference, network.variant, 4)
    assert gate_torch_to_onnx(network, optimised, images).max_abs < 2e-5
    reshaped = optimise_for_xnnpack(optimised).onnx
    float32 = gate_onnx_to_tflite(optimised, lower_onnx_to_tflite(reshaped).data, images)
    assert float32.max_abs < 5e-5
    float16 = gate_onnx_to_tflite(optimised, lower_onnx_to_tflite(reshaped, "float16").data, images, "fp16")
    assert float16.joints_agreeing == 1.0
    assert 1e-5 < float16.max_abs < FLOAT16_TOLERANCE / 2


@pytest.mark.parametrize("weights", ["float32", "float16"])
def test_an_older_runtime_opens_the_file(optimised, weights, python_with_tflite_runtime, tmp_path):
    images = noise(1, 3, SIDE, SIDE)
    tflite = lower_onnx_to_tflite(optimised, weights).data
    heatmaps = run_in_tflite_runtime(python_with_tflite_runtime, tflite, images, tmp_path)["heatmaps"]
    np.testing.assert_allclose(heatmaps, run_tflite(tflite, images), atol=1e-4)
