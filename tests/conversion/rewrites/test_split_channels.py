"""Wide depthwise convolutions are split, whole blocks with them, and compute what they did."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_graphs import assert_lowers, conv, graph_of, noise

from edgepose.conversion.onnx_graph import Node, OnnxGraph
from edgepose.conversion.rewrites import split_channels
from edgepose.conversion.rewrites.split_channels import piece_sizes
from edgepose.conversion.run_onnx import run_onnx

POINTWISE = {"kernel_shape": [1, 1]}


def _swish(source: str, name: str) -> list[Node]:
    return [
        Node("Sigmoid", [source], [f"{name}_s"], f"{name}_s"),
        Node("Mul", [source, f"{name}_s"], [name], name),
    ]


def _block(channels: int, kernel: int = 5, excited: bool = False, stride: int = 1) -> OnnxGraph:
    """An MBConv on ``image`` (4 channels): expand, depthwise, with ``excited`` squeeze-and-excitation, project."""
    dense = {"kernel_shape": [kernel, kernel], "pads": [kernel // 2] * 4, "strides": [stride, stride]}
    nodes = [
        conv("e", "image", "we", "be", **POINTWISE),
        *_swish("e", "a"),
        conv("d", "a", "wd", "bd", group=channels, **dense),
        *_swish("d", "b"),
    ]
    if excited:
        nodes += [
            Node("ReduceMean", ["b"], ["m"], "m", {"axes": [2, 3], "keepdims": 1}),
            conv("r", "m", "wr", "br", **POINTWISE),
            *_swish("r", "t"),
            conv("x", "t", "wx", "bx", **POINTWISE),
            Node("Sigmoid", ["x"], ["g"], "g"),
            Node("Mul", ["g", "b"], ["scaled"], "scaled"),
        ]
    nodes.append(conv("y", "scaled" if excited else "b", "wp", "bp", **POINTWISE))
    shapes = {
        "we": (channels, 4, 1, 1),
        "wd": (channels, 1, kernel, kernel),
        "wr": (3, channels, 1, 1),
        "wx": (channels, 3, 1, 1),
        "wp": (6, channels, 1, 1),
    }
    constants = {name: noise(*shape, seed=number) / 8 for number, (name, shape) in enumerate(shapes.items())}
    biases = {f"b{name[1]}": noise(shape[0], seed=9) for name, shape in shapes.items()}
    graph = graph_of(nodes, constants | biases)
    graph.prune()
    return graph


def _assert_splits(graph: OnnxGraph, places: int) -> None:
    before = [node.operator for node in graph.nodes]
    images = noise(1, *graph.inputs[0].shape[1:], seed=9)
    expected = run_onnx(graph.to_bytes(), images)
    assert split_channels.rewrite(graph) == places
    graph.prune()
    if places == 0:
        assert [node.operator for node in graph.nodes] == before
    actual = run_onnx(graph.to_bytes(), images)
    assert np.abs(actual - expected).max() <= 1e-5 * max(1.0, np.abs(expected).max())


@settings(max_examples=25, deadline=None)
@given(
    channels=st.integers(96, 300),
    kernel=st.sampled_from([3, 5]),
    excited=st.booleans(),
    stride=st.sampled_from([1, 2]),
)
def test_blocks_of_every_size(channels, kernel, excited, stride):
    graph = _block(channels, kernel, excited, stride)
    _assert_splits(graph, 1)
    depthwise = [node.attributes["group"] for node in graph.nodes if node.attributes.get("group", 1) > 1]
    assert depthwise == piece_sizes(channels, kernel * kernel)


@pytest.mark.parametrize("excited", [False, True])
def test_a_split_block_lowers(excited):
    graph = _block(240, excited=excited)
    split_channels.rewrite(graph)
    graph.prune()
    model = assert_lowers(graph)
    assert model.operators["DEPTHWISE_CONV_2D"] == 2


def test_a_piece_is_finished_before_the_next_begins():
    graph = _block(240)
    split_channels.rewrite(graph)
    parts = [node.name.rpartition("/")[2] for node in graph.nodes]
    assert parts == ["part0"] * 7 + ["part1"] * 7 + ["sum1"]


def test_splitting_twice_changes_nothing_more():
    graph = _block(144, excited=True)
    assert split_channels.rewrite(graph) == 1
    assert split_channels.rewrite(graph) == 0


def test_bounds_may_be_shared_by_the_pieces():
    graph = _block(96)
    graph.nodes[1:3] = [Node("Clip", ["e", "low", "high"], ["a"], "a")]
    graph.constants |= {"low": np.float32(0), "high": np.float32(6)}
    _assert_splits(graph, 1)


def test_narrow_blocks_stay():
    _assert_splits(_block(95), 0)


@pytest.mark.parametrize("where", ["a", "b"])
def test_what_something_else_reads_stays(where):
    """The residual connection of a block without expansion, for instance: an addition joins channels to others."""
    graph = _block(96)
    graph.constants["one"] = noise(96, 1, 1)
    graph.nodes += [
        Node("Add", [where, "one"], ["also"], "also"),
        conv("z", "also", "wp", "bp", **POINTWISE),
        Node("Add", ["y", "z"], ["all"], "all"),
    ]
    graph.outputs = ["all"]
    _assert_splits(graph, 0)


def test_an_output_stays():
    graph = _block(96)
    graph.outputs = ["b"]
    graph.prune()
    _assert_splits(graph, 0)


def test_factors_a_channel_stay():
    graph = _block(96)
    graph.constants["c"] = noise(1, 96, 1, 1)
    graph.nodes.insert(6, Node("Mul", ["b", "c"], ["scaled"], "scaled"))
    graph.nodes[7].inputs[0] = "scaled"
    _assert_splits(graph, 0)


@given(channels=st.integers(2, 2000), taps=st.sampled_from([9, 25]))
def test_pieces_fill_vectors_and_fit_the_cache(channels, taps):
    sizes = piece_sizes(channels, taps)
    assert sum(sizes) == channels
    assert all(size % 16 == 0 for size in sizes[:-1])
    if len(sizes) > 1:
        assert min(sizes) >= 48
    if channels >= 160:
        assert max(sizes) * taps * 8 <= (32 << 10) + 31 * taps * 8  # rounded to whole vectors
