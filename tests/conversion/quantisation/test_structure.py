"""What quantisation recognises in a graph, and what it must not take for its own."""

import numpy as np
import pytest
from calibrated_graphs import float_graph
from small_graphs import conv, graph_of, noise

from edgepose.conversion.onnx_graph import Node
from edgepose.conversion.quantisation.structure import clamped_values, inverted_bottlenecks, quantised_values, swishes

WEIGHTS = {"w": noise(4, 4, 1, 1), "low": np.float32(0), "high": np.float32(6)}


def clip(source: str, name: str) -> Node:
    return Node("Clip", [source, "low", "high"], [name], name)


@pytest.mark.parametrize(("variant", "unexpanded"), [("RT", 1), ("I", 3), ("RT_LITE", 0)])
def test_every_block_with_an_expansion_is_found(variant, unexpanded):
    graph = float_graph(variant)
    blocks = inverted_bottlenecks(graph)
    # Squeeze-and-excitation sits in every block; those of a backbone's first stage have no expansion.
    assert len(blocks) == sum(node.operator == "ReduceMean" for node in graph.nodes) - unexpanded
    assert all(block.project.inputs[0] == block.gated.output for block in blocks)


def test_every_sigmoid_of_rt_is_a_swish_or_a_gate():
    graph = float_graph("RT")
    sigmoids = [node for node in graph.nodes if node.operator == "Sigmoid"]
    means = [node for node in graph.nodes if node.operator == "ReduceMean"]
    assert len(sigmoids) == len(swishes(graph)) + len(means)


def test_a_sigmoid_that_something_else_reads_is_no_swish():
    swish = [Node("Sigmoid", ["a"], ["s"], "s"), Node("Mul", ["a", "s"], ["p"], "p")]
    pure = graph_of([conv("a", "image", "w"), *swish, conv("y", "p", "w")], WEIGHTS)
    assert list(swishes(pure)) == ["a"]
    shared = graph_of([conv("a", "image", "w"), *swish, Node("Add", ["s", "p"], ["y"], "y")], WEIGHTS)
    assert swishes(shared) == {}


def test_a_value_is_hidden_by_its_clip_only_where_nothing_else_reads_it():
    alone = graph_of([conv("a", "image", "w"), clip("a", "b"), conv("y", "b", "w")], WEIGHTS)
    assert list(clamped_values(alone)) == ["a"]
    assert quantised_values(alone) == ["image", "b", "y"]
    shared = graph_of([conv("a", "image", "w"), clip("a", "b"), Node("Add", ["a", "b"], ["y"], "y")], WEIGHTS)
    assert clamped_values(shared) == {}
    assert quantised_values(shared) == ["image", "a", "b", "y"]
