"""Sensitivities say how far peaks really move."""

import numpy as np
import pytest
from calibrated_graphs import IMAGES, float_graph
from small_graphs import conv, graph_of, noise

from edgepose.conversion.onnx_graph import Node, OnnxGraph, Value
from edgepose.conversion.quantisation.observe import observe
from edgepose.conversion.quantisation.sensitivity import channel_sensitivities
from edgepose.conversion.run_onnx import run_onnx

SIDE = 12


def bump(joints: int) -> np.ndarray:
    """An image [1, joints, SIDE, SIDE] of one round peak a joint, each elsewhere and off the middle of its cell."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    peaks = [(4.2 + 0.7 * joint, 6.9 - 0.9 * joint) for joint in range(joints)]
    maps = [np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 8) for y, x in peaks]
    return np.stack(maps)[None].astype(np.float32)


def network() -> OnnxGraph:
    """Two joints: a convolution of each channel, and a mixture of both."""
    smooth = np.zeros((2, 1, 3, 3), np.float32)
    smooth[:, 0] = np.outer([1, 2, 1], [1, 2, 1]) / np.array([16, 4])[:, None, None]
    mixture = np.array([[1, 0.1], [0, 0.25]], np.float32)[:, :, None, None]
    nodes = [conv("a", "image", "smooth", pads=[1, 1, 1, 1], group=2), conv("y", "a", "mixture")]
    return graph_of(nodes, {"smooth": smooth, "mixture": mixture}, (1, 2, SIDE, SIDE))


def movements(heatmaps: np.ndarray, undisturbed: np.ndarray) -> np.ndarray:
    """How far [n, joints * 2] the peaks of the ``undisturbed`` maps [1, joints, h, w] moved, by their own curvature."""
    moved = []
    for joint, each in enumerate(undisturbed[0].astype(np.float64)):
        row, column = np.unravel_index(each.argmax(), each.shape)
        change = heatmaps[:, joint].astype(np.float64) - each
        for y, x in ((0, 1), (1, 0)):
            before, after = (row - y, column - x), (row + y, column + x)
            curvature = 2 * each[row, column] - each[before] - each[after]
            moved.append((change[(slice(None), *after)] - change[(slice(None), *before)]) / 2 / curvature)
    return np.stack(moved, axis=1)


def outputs_from(graph: OnnxGraph, value: str, arrays: np.ndarray) -> np.ndarray:
    """The heatmaps [n, 2, SIDE, SIDE] where ``value`` has these contents."""
    names = [graph.inputs[0].name, *(node.output for node in graph.nodes)]
    nodes = graph.nodes[names.index(value) :]
    if not nodes:
        return arrays
    tail = OnnxGraph(nodes, graph.constants, [Value(value, (1, 2, SIDE, SIDE))], graph.outputs)
    tail.prune()
    return run_onnx(tail.to_bytes(), arrays)


@pytest.mark.parametrize("channel", [0, 1])
@pytest.mark.parametrize("value", ["image", "a", "y"])
def test_peaks_move_as_far_as_it_says(value, channel):
    """Noise in one channel of one value, drawn 3000 times, against the derivative."""
    graph, image, sigma, draws = network(), bump(2), 1e-3, 3000
    # Between two joints the signs leave more to chance than between sixteen.
    said = channel_sensitivities(graph, [image] * 50)[value][channel]
    undisturbed = next(observe(graph, [image], [value, "y"]))[value]
    noisy = np.repeat(undisturbed, draws, axis=0)
    noisy[:, channel] += sigma * noise(draws, SIDE, SIDE)
    moved = movements(outputs_from(graph, value, noisy), outputs_from(graph, value, undisturbed))
    assert said == pytest.approx((moved**2).sum(axis=1).mean() / sigma**2, rel=0.1)


def test_the_same_images_give_the_same_sensitivities():
    graph = float_graph("RT")
    once, again = (channel_sensitivities(graph, IMAGES[:1]) for _ in range(2))
    assert list(once) == list(again)
    for name, sensitivities in once.items():
        np.testing.assert_array_equal(sensitivities, again[name])
        assert sensitivities.min() >= 0
    shapes = graph.shapes()
    assert {name: len(each) for name, each in once.items()} == {name: shapes[name][1] for name in once}
    assert set(once) == {graph.inputs[0].name, *graph.producers()}


def test_what_no_joint_depends_on_is_left_out():
    graph = network()
    graph.nodes.append(Node("Relu", ["a"], ["aside"], "aside"))
    assert set(channel_sensitivities(graph, [bump(2)])) == {"image", "a", "y"}


def test_a_flat_map_moves_no_further_than_its_least_curvature_allows():
    graph = graph_of([conv("y", "image", "w")], {"w": np.ones((1, 1, 1, 1), np.float32)}, (1, 1, SIDE, SIDE))
    flat = np.zeros((1, 1, SIDE, SIDE), np.float32) + noise(1, 1, SIDE, SIDE) * 1e-9
    # Two neighbours on each of two axes, each a half over the least curvature of 0.02; axes mix by signs of chance.
    assert channel_sensitivities(graph, [flat])["y"][0] == pytest.approx(4 * (0.5 / 0.02) ** 2, rel=1e-6)
