"""Smoothing keeps the function and gives what convolutions read channels of like range."""

import numpy as np
import pytest
from calibrated_graphs import assert_same_outputs, extremes_of, float_graph, outputs_of
from small_graphs import conv, graph_of, noise

from edgepose.conversion.onnx_graph import Node
from edgepose.conversion.quantisation.smooth_activations import smooth_activations


@pytest.mark.parametrize("variant", ["RT", "RT_LITE"])
def test_a_network_computes_what_it_did(variant):
    graph = float_graph(variant)
    expected = outputs_of(graph)
    count = smooth_activations(graph, extremes_of(graph))
    assert_same_outputs(graph, expected)
    smoothed = [node.output for node in graph.nodes if node.output.endswith("/smoothed")]
    assert len(smoothed) == count > 10
    extremes = extremes_of(graph)
    producers, consumers = graph.producers(), graph.consumers()
    for name in smoothed:
        (reader,) = consumers[name]
        before, after = (extremes.magnitude(value) for value in (producers[name].inputs[0], name))
        share = before / before.max()
        exponent = 1 if reader.attributes.get("group", 1) > 1 else 0.75
        # Channels of less than a hundredth of the widest are noise, and get its factor.
        np.testing.assert_allclose(after / before.max(), share / np.maximum(share, 0.01) ** exponent, rtol=1e-4)


def test_what_does_not_come_from_an_activation_is_left_alone():
    weights = {"w": noise(4, 4, 1, 1), "grouped": noise(4, 2, 1, 1)}
    relu = Node("Relu", ["b"], ["r"], "r")
    nodes = [conv("a", "image", "w"), conv("b", "a", "w"), relu, conv("y", "r", "grouped", group=2)]
    graph = graph_of(nodes, weights)
    before = graph.to_bytes()
    # The image, a linear value, and what a convolution in two groups reads.
    assert smooth_activations(graph, extremes_of(graph, [noise(1, 4, 8, 8)])) == 0
    assert graph.to_bytes() == before
