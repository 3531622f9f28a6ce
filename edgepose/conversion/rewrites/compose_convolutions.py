"""Composes a 1x1 convolution with the 1x1 convolution that alone reads it, where one costs less than two.

Nothing nonlinear stands between the last projection of the last Mobile DenseNet and the head (Figure 2 of the paper):
240 -> 40 -> 16 channels is a 240 -> 16 convolution. The same function up to float32 rounding.
"""

from __future__ import annotations

import numpy as np

from edgepose.conversion.onnx_graph import Node, OnnxGraph


def rewrite(graph: OnnxGraph) -> int:
    """Conv, then Concat of channels, then Conv: the first leaves the Concat and is composed with its part of the last.

    The results are added. Only where that saves multiplications and nothing else reads what goes. Returns how many.
    """
    composed = 0
    for last in [node for node in graph.nodes if _is_pointwise(graph, node)]:
        producers, consumers = graph.producers(), graph.consumers()
        concat = producers.get(last.inputs[0])
        if concat is None or concat.operator != "Concat" or concat.attributes["axis"] != 1:
            continue
        if len(consumers[concat.output]) != 1 or concat.output in graph.outputs:
            continue
        for name in concat.inputs:
            first = producers.get(name)
            if first is None or not _is_pointwise(graph, first) or name in graph.outputs or len(consumers[name]) != 1:
                continue
            through, into = graph.constants[first.inputs[1]].shape[:2]
            out = graph.constants[last.inputs[1]].shape[0]
            if into * out < (into + out) * through:
                _compose(graph, first, concat, last)
                composed += 1
                break
    return composed


def _compose(graph: OnnxGraph, first: Node, concat: Node, last: Node) -> None:
    shapes = graph.shapes()
    start = sum(shapes[name][1] for name in concat.inputs[: concat.inputs.index(first.output)])
    part = slice(start, start + shapes[first.output][1])
    first_weights = graph.constants[first.inputs[1]].astype(np.float64)[:, :, 0, 0]
    last_weights = graph.constants[last.inputs[1]]
    own = last_weights[:, part, 0, 0].astype(np.float64)
    bias = own @ _bias(graph, first) + _bias(graph, last)
    weight_name = graph.add_constant(f"{first.name}/weight", (own @ first_weights).astype(np.float32)[:, :, None, None])
    bias_name = graph.add_constant(f"{first.name}/bias", bias.astype(np.float32))
    first.inputs = [first.inputs[0], weight_name, bias_name]

    others = [name for name in concat.inputs if name != first.output]
    if len(others) == 1:
        graph.nodes.remove(concat)
    else:
        concat.inputs = others
    rest_name = graph.add_constant(f"{last.name}/weight", np.delete(last_weights, part, axis=1))
    last.inputs = [others[0] if len(others) == 1 else concat.output, rest_name]
    total = last.output
    last.outputs = [graph.free_name(f"{last.name}/others")]
    sum_name = graph.free_name(f"{last.name}/sum")
    graph.nodes.insert(graph.nodes.index(last) + 1, Node("Add", [first.output, last.output], [total], sum_name))


def _is_pointwise(graph: OnnxGraph, node: Node) -> bool:
    """Whether ``node`` is a dense 1x1 convolution, one output pixel for each input pixel."""
    if node.operator != "Conv" or any(name and name not in graph.constants for name in node.inputs[1:]):
        return False
    attributes = node.attributes
    return (
        graph.constants[node.inputs[1]].shape[2:] == (1, 1)
        and attributes.get("group", 1) == 1
        and set(attributes.get("strides", (1,))) == {1}
        and not any(attributes.get("pads", ()))
        and attributes.get("auto_pad", b"NOTSET") in (b"NOTSET", b"VALID")
    )


def _bias(graph: OnnxGraph, conv: Node) -> np.ndarray:
    if len(conv.inputs) > 2 and conv.inputs[2]:
        return graph.constants[conv.inputs[2]].astype(np.float64)
    return np.zeros(graph.constants[conv.inputs[1]].shape[0])
