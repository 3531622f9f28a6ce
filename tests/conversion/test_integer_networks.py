"""Every operator of every variant in int8: within one step of its float self, and XNNPACK's."""

import pytest
from network_graphs import SIDE, official_graph, photographs, small_graph
from one_step_oracle import assert_within_one_step
from quantised_graphs import quantised_network, with_steps
from small_graphs import noise, operator_versions, parsed, runs_whole_in_xnnpack

from edgepose.conversion.onnx_graph import OnnxGraph
from edgepose.network.variants import VARIANTS

LITE_VERSIONS = {"ADD": 2, "CONCATENATION": 2, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "QUANTIZE": 1}
FULL_VERSIONS = LITE_VERSIONS | {"LOGISTIC": 2, "MEAN": 2, "MUL": 2}
FLOAT32 = 0


def assert_pure_integers(tflite: bytes, lite: bool) -> None:
    """Every operator is int8, of the lowest version that describes it, and XNNPACK's."""
    assert runs_whole_in_xnnpack(tflite)
    assert operator_versions(tflite) == (LITE_VERSIONS if lite else FULL_VERSIONS)
    assert FLOAT32 not in {tensor.type for tensor in parsed(tflite).subgraphs[0].tensors}


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_every_operator_of_every_variant_is_within_one_step(variant):
    network, optimised = small_graph(variant)
    onnx = with_steps(OnnxGraph.from_bytes(optimised.onnx)).to_bytes()
    assert_pure_integers(assert_within_one_step(onnx, noise(1, 3, SIDE, SIDE)), network.variant.lite)


@pytest.mark.parametrize("variant", ["RT", "I", "RT_LITE", "I_LITE"])
def test_every_operator_of_the_official_networks_is_within_one_step_on_photographs(variant, reference):
    network, onnx = official_graph(reference, variant)
    images = photographs(reference, network.variant, 2)
    assert_pure_integers(assert_within_one_step(quantised_network(onnx, images), images), network.variant.lite)
