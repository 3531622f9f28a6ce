"""What quantisation has to know of a graph: which values become integers, and how layers hang together."""

from __future__ import annotations

from typing import NamedTuple

from edgepose.conversion.onnx_graph import Node, OnnxGraph, Shape

# The operators that INT8 engines compute in integers. A Clip behind one of them is part of it.
INTEGER_OPERATORS = ("Add", "AveragePool", "Concat", "Conv", "GlobalAveragePool", "Mul", "ReduceMean", "Sigmoid")
CLAMPS = ("Clip", "Relu")


class Swish(NamedTuple):
    """``product = value * sigmoid(value)``; its constant factor has left for the weights that follow."""

    value: str
    sigmoid: Node
    product: Node


class InvertedBottleneck(NamedTuple):
    """One MBConv block with squeeze-and-excitation and swish (paper, Figure 3), as the graph has it.

    ``expand`` (its swish ``first``) -> ``depthwise`` (``second``) -> times the ``gate`` -> ``project``. The gate:
    ``mean`` -> ``reduce`` -> ... -> ``restore`` -> Sigmoid.
    """

    expand: Node
    first: Swish
    depthwise: Node
    second: Swish
    mean: Node
    reduce: Node
    restore: Node
    gate: Node
    gated: Node
    project: Node


def quantised_values(graph: OnnxGraph, symmetric: bool = False) -> list[str]:
    """The activations that become integers in a whole INT8 engine, in the graph's order.

    ``symmetric``: what convolutions over maps read, for TensorRT; else the input and all that is computed, for TFLite.
    """
    if symmetric:
        shapes = graph.shapes()
        return list(dict.fromkeys(node.inputs[0] for node in graph.nodes if is_map_convolution(node, shapes)))
    clamped = clamped_values(graph)
    computed = [
        node.output
        for node in graph.nodes
        if node.operator in CLAMPS or (node.operator in INTEGER_OPERATORS and node.output not in clamped)
    ]
    return [graph.inputs[0].name, *computed]


def is_map_convolution(node: Node, shapes: dict[str, Shape]) -> bool:
    """Whether ``node`` is a convolution over a map, not over the single pixel of squeeze-and-excitation."""
    return node.operator == "Conv" and shapes[node.output][2:] != (1, 1)


def clamped_values(graph: OnnxGraph) -> dict[str, Node]:
    """The values that nothing but a clip reads, and that clip: engines never write them."""
    return {
        value: readers[0]
        for value, readers in graph.consumers().items()
        if len(readers) == 1
        and readers[0].operator in CLAMPS
        and readers[0].inputs[0] == value
        and value not in graph.outputs
    }


def swishes(graph: OnnxGraph) -> dict[str, Swish]:
    """Every swish of the graph, by the value it is applied to."""
    consumers = graph.consumers()
    found = {}
    for sigmoid in graph.nodes:
        if sigmoid.operator != "Sigmoid":
            continue
        value = sigmoid.inputs[0]
        readers = consumers[value]
        products = [node for node in readers if node.operator == "Mul" and sigmoid.output in node.inputs]
        if len(readers) == 2 and len(products) == 1 and len(consumers[sigmoid.output]) == 1:
            found[value] = Swish(value, sigmoid, products[0])
    return found


def inverted_bottlenecks(graph: OnnxGraph) -> list[InvertedBottleneck]:
    """The MBConv blocks with a pointwise expansion, first to last; blocks of another form are left out."""
    consumers, producers, known = graph.consumers(), graph.producers(), swishes(graph)
    by_product = {swish.product.output: swish for swish in known.values()}
    blocks = []
    for depthwise in graph.nodes:
        if not is_depthwise(graph, depthwise):
            continue
        first, second = by_product.get(depthwise.inputs[0]), known.get(depthwise.output)
        if first is None or second is None or len(consumers[depthwise.inputs[0]]) != 1:
            continue
        expand = producers.get(first.value)
        readers = {node.operator: node for node in consumers[second.product.output]}
        if len(consumers[second.product.output]) != 2 or set(readers) != {"Mul", "ReduceMean"}:
            continue
        mean, gated = readers["ReduceMean"], readers["Mul"]
        gate = producers.get(next(name for name in gated.inputs if name != second.product.output))
        restore = producers.get(gate.inputs[0]) if gate is not None and gate.operator == "Sigmoid" else None
        reduce, project = consumers.get(mean.output, []), consumers.get(gated.output, [])
        whole = (
            [len(reduce), len(project)] == [1, 1]
            and all(node is not None and node.operator == "Conv" for node in (expand, restore, reduce[0], project[0]))
            and len(consumers[gate.output] if gate is not None else ()) == 1
            and len(consumers[restore.output] if restore is not None else ()) == 1
        )
        if whole and expand is not None and restore is not None and gate is not None and _is_pointwise(graph, expand):
            blocks.append(
                InvertedBottleneck(expand, first, depthwise, second, mean, reduce[0], restore, gate, gated, project[0])
            )
    return blocks


def is_depthwise(graph: OnnxGraph, node: Node) -> bool:
    """Whether ``node`` convolves each channel alone, into one."""
    if node.operator != "Conv":
        return False
    outputs, inputs = graph.constants[node.inputs[1]].shape[:2]
    return inputs == 1 and node.attributes.get("group", 1) == outputs > 1


def _is_pointwise(graph: OnnxGraph, conv: Node) -> bool:
    return graph.constants[conv.inputs[1]].shape[2:] == (1, 1) and conv.attributes.get("group", 1) == 1
