"""Equalisation keeps the function and narrows the spread of channels."""

import numpy as np
import pytest
from calibrated_graphs import assert_same_outputs, extremes_of, float_graph, outputs_of
from small_graphs import conv, graph_of, noise

from edgepose.conversion.onnx_graph import Node, OnnxGraph
from edgepose.conversion.quantisation.equalise import equalise, linear_values

UNEVEN = np.array([1, 0.1, 5, 0.02], np.float32)
WEIGHTS = {
    "a_w": noise(4, 4, 1, 1, seed=1) * UNEVEN[:, None, None, None],
    "b_w": noise(4, 4, 1, 1, seed=2),
    "y_w": noise(4, 4, 3, 3, seed=3),
    "wide_w": noise(4, 8, 1, 1, seed=4),
    "depthwise_w": noise(4, 1, 1, 1, seed=5),
    "bias": noise(4, seed=6) * UNEVEN,
}
A, B = conv("a", "image", "a_w", "bias"), conv("b", "image", "b_w")


def graph(*nodes: Node) -> OnnxGraph:
    return OnnxGraph.from_bytes(graph_of(list(nodes), WEIGHTS).to_bytes())


def spread(graph: OnnxGraph, value: str) -> float:
    """The widest channel over the narrowest."""
    images = [noise(1, 4, 8, 8, seed=seed) for seed in range(3)]
    magnitude = extremes_of(graph, images).magnitude(value)
    return float(magnitude.max() / magnitude.min())


def test_channels_of_a_chain_become_alike():
    images = [noise(1, 4, 8, 8, seed=seed) for seed in range(3)]
    one = graph(A, conv("y", "a", "y_w"))
    before, expected = spread(one, "a"), outputs_of(one, images)
    assert equalise(one, extremes_of(one, images)) == 3  # the widest stays what it is
    np.testing.assert_allclose(outputs_of(one, images), expected, atol=1e-5 * np.abs(expected).max())
    assert before > 50
    assert spread(one, "a") == pytest.approx(before**0.25, rel=1e-3)  # what an exponent of 0.75 leaves


@pytest.mark.parametrize("join", ["Add", "Concat"])
def test_factors_agree_on_both_sides_of_a_join(join):
    images = [noise(1, 4, 8, 8, seed=seed) for seed in range(3)]
    last = conv("y", "j", "y_w" if join == "Add" else "wide_w")
    attributes = {} if join == "Add" else {"axis": 1}
    one = graph(A, B, Node(join, ["a", "b"], ["j"], "j", attributes), last)
    assert linear_values(one) == {"a", "b", "j"}
    before, expected = spread(one, "j"), outputs_of(one, images)
    equalise(one, extremes_of(one, images))
    np.testing.assert_allclose(outputs_of(one, images), expected, atol=1e-5 * np.abs(expected).max())
    assert spread(one, "j") < before


@pytest.mark.parametrize(
    ("nodes", "why"),
    [
        ([A], "it is the output"),
        ([A, Node("Relu", ["a"], ["r"], "r"), conv("y", "r", "y_w")], "a clip reads it, and the next reads a clip"),
        ([A, conv("y", "a", "depthwise_w", group=4)], "a depthwise convolution cannot sum it"),
        ([A, Node("Add", ["a", "image"], ["s"], "s"), conv("y", "s", "y_w")], "the image is no weight's"),
        ([A, Node("Concat", ["a", "a"], ["c"], "c", {"axis": 2}), conv("y", "c", "y_w")], "rows are no channels"),
        ([A, B, Node("Mul", ["a", "b"], ["m"], "m"), conv("y", "m", "y_w")], "products are not linear"),
        (
            [A, Node("ReduceMean", ["a"], ["m"], "m", {"axes": [2, 3]}), Node("Add", ["a", "m"], ["s"], "s"),
             conv("y", "s", "y_w")],
            "something else reads it",
        ),
    ],
    ids=lambda argument: argument if isinstance(argument, str) else "",
)  # fmt: skip
def test_other_values_are_left_alone(nodes, why):
    one = graph(*nodes)
    before = one.to_bytes()
    assert linear_values(one) == set(), why
    assert equalise(one, extremes_of(one, [noise(1, 4, 8, 8)])) == 0
    assert one.to_bytes() == before


@pytest.mark.parametrize("variant", ["RT", "RT_LITE"])
def test_a_network_computes_what_it_did(variant):
    one = float_graph(variant)
    expected, extremes = outputs_of(one), extremes_of(one)
    linear = linear_values(one)

    def unevenness(of) -> float:
        spreads = [magnitude / magnitude.max() for magnitude in map(of.magnitude, linear)]
        return float(-np.log(np.concatenate(spreads)).mean())

    before = unevenness(extremes)
    assert equalise(one, extremes) > 0
    assert_same_outputs(one, expected)
    assert unevenness(extremes_of(one)) < 0.6 * before
