"""Multiply-accumulates, counted by hand and against the network's own count."""

import pytest
from small_graphs import conv, graph_of, noise

from edgepose.conversion.complexity import count_macs
from edgepose.conversion.export_torch_to_onnx import export_torch_to_onnx
from edgepose.conversion.onnx_graph import Node
from edgepose.network.complexity import complexity
from edgepose.network.variants import get_variant


def test_dense_depthwise_and_transposed_convolutions():
    nodes = [
        conv("x", "image", "dense", kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1]),
        conv("y", "x", "depthwise", kernel_shape=[5, 5], pads=[2] * 4, group=6),
        Node("ConvTranspose", ["y", "up"], ["z"], "z", {"kernel_shape": [4, 4], "strides": [2, 2], "pads": [1] * 4}),
    ]
    constants = {"dense": noise(6, 4, 3, 3), "depthwise": noise(6, 1, 5, 5), "up": noise(6, 2, 4, 4)}
    macs = 4 * 4 * 6 * 4 * 9 + 4 * 4 * 6 * 25 + 4 * 4 * 6 * 2 * 16
    assert count_macs(graph_of(nodes, constants).to_bytes()) == macs


def test_the_whole_network_costs_what_its_table_says(rt):
    onnx = export_torch_to_onnx(rt, 224, keep_head=True)
    assert count_macs(onnx) == pytest.approx(complexity(get_variant("RT")).macs, rel=1e-3)
