"""Graphs in torch compute what ONNX Runtime computes, or refuse."""

import numpy as np
import pytest
import torch
from calibrated_graphs import IMAGES, float_graph, outputs_of
from network_graphs import SIDE
from small_graphs import conv, graph_of, noise

from edgepose.conversion.onnx_graph import Node
from edgepose.conversion.quantisation.torch_graph import TorchGraph, as_tensor
from edgepose.network.variants import VARIANTS
from edgepose.runtime.errors import ConversionError

PADDED = {"kernel_shape": [2, 2], "pads": [1, 0, 0, 1], "count_include_pad": 1}


@pytest.mark.parametrize("variant", [name for name in VARIANTS if name not in ("III", "IV")])  # no other operators
def test_every_variant_is_the_same_in_torch(variant):
    graph = float_graph(variant)
    with torch.inference_mode():
        ours = TorchGraph(graph)(as_tensor(IMAGES[0])).numpy()
    assert ours.shape == (1, 16, SIDE // 8, SIDE // 8)
    theirs = outputs_of(graph, IMAGES[:1])
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * max(1.0, np.abs(theirs).max()))


@pytest.mark.parametrize(
    "node",
    [
        conv("y", "image", "w", "b", pads=[1, 0, 2, 1], strides=[2, 1], dilations=[1, 2]),
        Node("ConvTranspose", ["image", "w", "b"], ["y"], "y", {"strides": [2, 2], "pads": [1, 0, 1, 0]}),
        Node("AveragePool", ["image"], ["y"], "y", {"kernel_shape": [3, 2], "strides": [2, 1]}),
        Node("AveragePool", ["image"], ["y"], "y", PADDED),
        Node("Clip", ["image", "low", "high"], ["y"], "y"),
        Node("Clip", ["image", "", "high"], ["y"], "y"),
        Node("Clip", ["image", "low"], ["y"], "y"),
        Node("Relu", ["image"], ["y"], "y"),
        Node("GlobalAveragePool", ["image"], ["y"], "y"),
    ],
    ids=lambda node: node.operator,
)  # fmt: skip
def test_operators_and_their_attributes(node):
    constants = {"w": noise(4, 4, 3, 2), "b": noise(4), "low": np.float32(-0.5), "high": np.float32(0.25)}
    graph = graph_of([node], {name: array for name, array in constants.items() if name in node.inputs})
    image = noise(1, 4, 8, 8)
    ours = TorchGraph(graph)(as_tensor(image)).numpy()
    np.testing.assert_allclose(ours, outputs_of(graph, [image]), atol=1e-5)


@pytest.mark.parametrize(
    ("node", "complaint"),
    [
        (Node("Tanh", ["image"], ["y"], "y"), "Tanh is not supported"),
        (conv("y", "image", "w", auto_pad=b"SAME_UPPER"), "auto_pad"),
        (Node("AveragePool", ["image"], ["y"], "y", {"kernel_shape": [2, 2], "pads": [1, 1, 0, 0]}), "averages"),
        (Node("AveragePool", ["image"], ["y"], "y", {"kernel_shape": [3, 3], "ceil_mode": 1}), "rounds"),
        (Node("ConvTranspose", ["image", "w"], ["y"], "y", {"pads": [1, 0, 0, 0]}), "unevenly"),
        (Node("ConvTranspose", ["image", "w"], ["y"], "y", {"strides": [2, 2], "output_padding": [1, 1]}), "pads"),
    ],
)
def test_what_it_would_compute_otherwise_is_refused(node, complaint):
    graph = graph_of([node], {"w": noise(4, 4, 3, 3)} if "w" in node.inputs else {})
    with pytest.raises(ConversionError, match=complaint):
        TorchGraph(graph)(as_tensor(noise(1, 4, 8, 8)))


def test_a_tap_sees_and_replaces_every_value():
    graph = graph_of([conv("a", "image", "w"), Node("Relu", ["a"], ["y"], "y")], {"w": noise(4, 4, 1, 1)})
    seen = []

    def tap(name, value):
        seen.append(name)
        return value * 0 - 1 if name == "a" else value

    assert TorchGraph(graph)(as_tensor(noise(1, 4, 8, 8)), tap).abs().max() == 0
    assert seen == ["image", "a", "y"]
