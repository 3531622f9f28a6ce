"""The last projection and the head become one convolution, and nothing else does."""

import numpy as np
import pytest
from small_graphs import conv, graph_of, noise

from edgepose.conversion.onnx_graph import Node, OnnxGraph
from edgepose.conversion.rewrites import compose_convolutions
from edgepose.conversion.run_onnx import run_onnx

POINTWISE = {"kernel_shape": [1, 1]}


def _graph(first: dict | None = None, position: int = 0, others: int = 2, out: int = 2, bias: bool = True) -> OnnxGraph:
    """``image`` (12 channels) -> 4 channels, joined with ``others`` x 12 at ``position`` -> ``out``."""
    joined = ["image"] * others
    joined.insert(position, "x")
    nodes = [
        conv("x", "image", "w", "b" if bias else "", **(first or POINTWISE)),
        Node("Concat", joined, ["cat"], "cat", {"axis": 1}),
        conv("y", "cat", "v", "c" if bias else "", **POINTWISE),
    ]
    side = (first or POINTWISE)["kernel_shape"]
    constants = {
        "w": noise(4, 12, *side, seed=1),
        "b": noise(4, seed=2),
        "v": noise(out, 4 + 12 * others, 1, 1, seed=3),
        "c": noise(out, seed=4),
    }
    return graph_of(nodes, constants, (1, 12, 8, 8))


def _assert_composes(graph: OnnxGraph, places: int, operators: list[str]) -> None:
    images = noise(1, *graph.inputs[0].shape[1:], seed=9)
    expected = run_onnx(graph.to_bytes(), images)
    assert compose_convolutions.rewrite(graph) == places
    graph.prune()
    assert [node.operator for node in graph.nodes] == operators
    np.testing.assert_allclose(run_onnx(graph.to_bytes(), images), expected, atol=1e-4)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("position", [0, 1, 2])
def test_one_convolution_takes_the_place_of_two(position, bias):
    graph = _graph(position=position, bias=bias)
    _assert_composes(graph, 1, ["Conv", "Concat", "Conv", "Add"])
    assert graph.constants[graph.nodes[0].inputs[1]].shape == (2, 12, 1, 1)


def test_a_concat_of_one_goes():
    _assert_composes(_graph(others=1), 1, ["Conv", "Conv", "Add"])


def test_two_that_cost_less_than_one_stay():
    _assert_composes(_graph(out=7), 0, ["Conv", "Concat", "Conv"])  # 12 * 7 > 12 * 4 + 4 * 7


@pytest.mark.parametrize(
    "first",
    [
        {"kernel_shape": [3, 3], "pads": [1] * 4},
        {"kernel_shape": [1, 1], "strides": [2, 2], "pads": [4] * 4},
    ],
)
def test_only_pointwise_convolutions(first):
    _assert_composes(_graph(first), 0, ["Conv", "Concat", "Conv"])


@pytest.mark.parametrize("also", ["x", "cat"])
def test_what_something_else_reads_stays(also):
    graph = _graph()
    graph.nodes += [
        Node("ReduceMean", [also], ["m"], "m", {"axes": [1, 2, 3], "keepdims": 1}),
        Node("Add", ["y", "m"], ["z"], "z"),
    ]
    graph.outputs = ["z"]
    _assert_composes(graph, 0, ["Conv", "Concat", "Conv", "ReduceMean", "Add"])
