"""The constant head is recognised and cut; anything else stays."""

import numpy as np
import pytest
import torch
from random_networks import random_network
from small_graphs import conv, graph_of, noise

from edgepose.conversion.export_torch_to_onnx import export_torch_to_onnx
from edgepose.conversion.onnx_graph import Node, OnnxGraph
from edgepose.conversion.run_onnx import run_onnx
from edgepose.conversion.upsampling_head import (
    cut_upsampling_head,
    network_upsampling_head,
    onnx_upsampling_head,
)
from edgepose.network.layers import bilinear_kernel
from edgepose.runtime.errors import ConversionError


@pytest.fixture
def network():
    return random_network("RT_LITE")


def _head_graph(doublings: int = 3, depthwise: bool = False, bias: np.ndarray | None = None, **attributes) -> OnnxGraph:
    kernel = bilinear_kernel(16).numpy()
    constants = {"w": noise(16, 3, 1, 1), "k": kernel[:, :1] * 0 + kernel[0, 0] if depthwise else kernel}
    if bias is not None:
        constants["b"] = bias
    nodes = [conv("x0", "image", "w", kernel_shape=[1, 1])]
    plain = {"kernel_shape": [4, 4], "strides": [2, 2], "pads": [1] * 4, "group": 16 if depthwise else 1}
    for index in range(doublings):
        inputs = [f"x{index}", "k"] + (["b"] if bias is not None else [])
        nodes.append(Node("ConvTranspose", inputs, [f"x{index + 1}"], f"up{index}", plain | attributes))
    return graph_of(nodes, constants, (1, 3, 8, 8))


def test_the_published_head_is_recognised_in_a_network(network):
    assert network_upsampling_head(network)[:3] == (True, True, 8)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_trained_kernel_is_named(network, layer):
    with torch.no_grad():
        network.upscaling[layer].weight[3, 3, 0, 0] += 1e-6
    head = network_upsampling_head(network)
    assert head[:3] == (True, False, 8)
    assert f"upscaling.{layer} is not the published upsampling: its kernel differs" in head.reason


def test_a_trained_bias_is_named(network):
    with torch.no_grad():
        network.upscaling[2].bias[5] = 0.25
    assert (
        "upscaling.2 is not the published upsampling: its bias reaches 0.25" in network_upsampling_head(network).reason
    )


def test_a_network_that_ends_before_it_needs_the_decoder_alone(network):
    network.upscaling = None
    assert network_upsampling_head(network)[:3] == (False, False, 8)


def test_cutting_the_exported_head_gives_the_graph_exported_without_it(network):
    whole = export_torch_to_onnx(network, 64, keep_head=True)
    assert onnx_upsampling_head(whole)[:3] == (True, True, 8)
    images = noise(1, 3, 64, 64)
    expected = run_onnx(export_torch_to_onnx(network, 64), images)
    cut = cut_upsampling_head(whole)
    np.testing.assert_array_equal(run_onnx(cut, images), expected)
    assert OnnxGraph.from_bytes(cut).outputs == ["heatmaps"]
    assert onnx_upsampling_head(cut)[:3] == (False, False, 8)


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("bias", [None, np.zeros(16, np.float32)])
def test_dense_and_channel_wise_kernels_are_the_same_head(depthwise, bias):
    onnx = _head_graph(depthwise=depthwise, bias=bias).to_bytes()
    assert onnx_upsampling_head(onnx)[:3] == (True, True, 8)
    assert [node.operator for node in OnnxGraph.from_bytes(cut_upsampling_head(onnx)).nodes] == ["Conv"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"pads": [0] * 4}, "does not double the map"),
        ({"output_padding": [1, 1]}, "does not double the map"),
        ({"strides": [1, 1]}, "does not double the map"),
        ({"bias": np.full(16, 0.5, np.float32)}, "its bias reaches 0.5"),
        ({"doublings": 2}, "upsamples 4-fold instead of 8-fold"),
    ],
)
def test_any_other_head_stays_and_says_why(changes, reason):
    onnx = _head_graph(**changes).to_bytes()
    head = onnx_upsampling_head(onnx)
    assert (head.present, head.constant) == (True, False)
    assert reason in head.reason
    with pytest.raises(ConversionError, match="cannot be cut"):
        cut_upsampling_head(onnx)


def test_a_map_that_something_else_reads_is_not_cut_away():
    graph = _head_graph()
    graph.nodes.append(Node("Add", ["x3", "x3"], ["sum"], "sum"))
    graph.outputs = ["sum"]
    assert not onnx_upsampling_head(graph.to_bytes()).present


def test_there_is_nothing_to_cut_where_there_is_no_head():
    with pytest.raises(ConversionError, match="ends before it"):
        cut_upsampling_head(graph_of([Node("Sigmoid", ["image"], ["y"], "y")]).to_bytes())
