"""Removes reshapes and transposes that move nothing: around the 1x1 maps of squeeze-and-excitation."""

from __future__ import annotations

from edgepose.conversion.onnx_graph import Node, OnnxGraph, Shape

_MOVERS = ("Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze")


def rewrite(graph: OnnxGraph) -> int:
    """Drop chains of shape operators on channel vectors that end in the shape they began with.

    A mean over height and width that drops these axes counts as the beginning of such a chain: it keeps them
    instead. Returns how many operators went.
    """
    shapes = graph.shapes()
    consumers = graph.consumers()
    before = len(graph.nodes)
    for start in list(graph.nodes):
        if start.operator not in ("ReduceMean", "GlobalAveragePool", "Conv") or start not in graph.nodes:
            continue
        shape = shapes[start.output]
        drops_axes = start.operator == "ReduceMean" and not start.attributes.get("keepdims", 1)
        if drops_axes:
            if sorted(axis % 4 for axis in start.attributes.get("axes", ())) != [2, 3] or len(shape) != 2:
                continue
            shape = (*shape, 1, 1)
        chain = _chain(start, shape, shapes, consumers)
        if not chain:
            continue
        if drops_axes:
            start.attributes["keepdims"] = 1
        for node in chain:
            graph.nodes.remove(node)
        end = chain[-1].output
        if end in graph.outputs:
            graph.rename(start.output, end)
        for node in graph.nodes:
            node.inputs = [start.output if name == end else name for name in node.inputs]
    return before - len(graph.nodes)


def _chain(start: Node, shape: Shape, shapes: dict[str, Shape], consumers: dict[str, list[Node]]) -> list[Node]:
    """The longest unbranched run of shape operators after ``start`` that restores ``shape``; or none."""
    if len(shape) != 4 or shape[0] * shape[2] * shape[3] != 1:
        return []  # only with one long axis can no transpose reorder anything
    chain: list[Node] = []
    restored = 0
    name = start.output
    while len(consumers.get(name, ())) == 1 and consumers[name][0].operator in _MOVERS:
        chain.append(consumers[name][0])
        name = chain[-1].output
        if shapes[name] == shape:
            restored = len(chain)
    return chain[:restored]
