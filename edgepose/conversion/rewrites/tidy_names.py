"""Gives nodes, values and weights the names of the layers they come from, the same in every conversion."""

from __future__ import annotations

from edgepose.conversion.onnx_graph import OnnxGraph

_PARAMETERS = {
    "Conv": ("", "weight", "bias"),
    "ConvTranspose": ("", "weight", "bias"),
    "Clip": ("", "low", "high"),
}


def rewrite(graph: OnnxGraph) -> int:
    """Name nodes by their path, values after the node that makes them, constants after one that reads them.

    torch's ``/backbone/block1/block1.0/Conv`` becomes ``backbone/block1.0/Conv``, its output the same, its
    weights ``.../weight``. Names of inputs and outputs stay. Returns how many values were renamed.
    """
    fixed = {*graph.outputs, *(value.name for value in graph.inputs)}
    taken = set(fixed)
    names = {name: name for name in fixed}

    def claim(stem: str) -> str:
        name, number = stem, 1
        while name in taken:
            number += 1
            name = f"{stem}_{number}"
        taken.add(name)
        return name

    for node in graph.nodes:
        node.name = claim(_short_path(node.name) or node.operator)
        for index, output in enumerate(node.outputs):
            if output and output not in names:
                names[output] = node.name if index == 0 else claim(f"{node.name}_{index}")
    for node in graph.nodes:
        roles = _PARAMETERS.get(node.operator, ())
        for index, name in enumerate(node.inputs):
            if name in graph.constants and name not in names:
                names[name] = claim(f"{node.name}/{roles[index] if index < len(roles) else 'constant'}")
    for node in graph.nodes:
        node.inputs = [names.get(name, name) for name in node.inputs]
        node.outputs = [names.get(name, name) for name in node.outputs]
    graph.constants = {names[name]: array for name, array in graph.constants.items() if name in names}
    return sum(old != new for old, new in names.items())


def _short_path(path: str) -> str:
    """Without the leading slash, and without a part that the next repeats (``block1/block1.0``)."""
    parts = [part for part in path.split("/") if part]
    kept = [part for part, after in zip(parts, [*parts[1:], ""], strict=True) if not after.startswith(f"{part}.")]
    return "/".join(kept)
