"""Folds multiplications by constants into the weights that follow: E-swish's 1.25 costs nothing at run time.

E-swish is ``1.25 * x * sigmoid(x)`` (eq. 3 of the paper). Nothing nonlinear stands between that product and
the next convolutions, so that their weights can carry the factor: the same function up to float32 rounding.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgepose.conversion.onnx_graph import Node, OnnxGraph, Shape

_CHANNEL_WISE = ("AveragePool", "GlobalAveragePool", "ReduceMean")


def rewrite(graph: OnnxGraph) -> int:
    """Drop each Mul by a number, or one a channel, that later convolutions can absorb. Returns how many."""
    shapes = graph.shapes()
    folded = 0
    for node in [node for node in graph.nodes if node.operator == "Mul"]:
        operands = [name for name in node.inputs if name in graph.constants]
        if len(operands) != 1 or len(shapes[node.output]) != 4:
            continue
        scale = _per_channel(graph.constants[operands[0]], shapes[node.output][1])
        source = next(name for name in node.inputs if name not in graph.constants)
        if scale is None or shapes[source] != shapes[node.output]:
            continue
        edits = _Absorption(graph, shapes).edits(node.output, scale)
        if edits is None:
            continue
        for edit in edits:
            edit()
        graph.bypass(node, source)
        folded += 1
    return folded


class _Absorption:
    """Follows a scaled value to the convolutions that can take the scale into their weights."""

    def __init__(self, graph: OnnxGraph, shapes: dict[str, Shape]) -> None:
        self._graph = graph
        self._shapes = shapes
        self._consumers = graph.consumers()

    def edits(self, name: str, scale: np.ndarray) -> list[Callable[[], None]] | None:
        """What to change so that ``name`` may stay unscaled; None where a reader is not linear in it.

        ``scale`` [C] is what each channel would have been multiplied by.
        """
        if name in self._graph.outputs:
            return None
        edits: list[Callable[[], None]] = []
        for reader in dict.fromkeys(self._consumers.get(name, ())):
            for position, read in enumerate(reader.inputs):
                if read != name:
                    continue
                more = self._through(reader, position, scale)
                if more is None:
                    return None
                edits.extend(more)
        return edits

    def _through(self, node: Node, position: int, scale: np.ndarray) -> list[Callable[[], None]] | None:
        if node.operator == "Conv" and position == 0 and node.inputs[1] in self._graph.constants:
            return [lambda: self._scale_weights(node, scale)]
        if node.operator in _CHANNEL_WISE and position == 0 and self._shapes[node.output][1:2] == scale.shape:
            return self.edits(node.output, scale)
        if node.operator == "Mul" and self._shapes[node.output][1] == scale.size:
            return self.edits(node.output, scale)
        if node.operator == "Concat" and node.attributes["axis"] == 1:
            before = sum(self._shapes[name][1] for name in node.inputs[:position])
            whole = np.ones(self._shapes[node.output][1])
            whole[before : before + scale.size] = scale
            return self.edits(node.output, whole)
        return None

    def _scale_weights(self, conv: Node, scale: np.ndarray) -> None:
        weights = self._graph.constants[conv.inputs[1]]  # [out, in / group, kh, kw]
        group = conv.attributes.get("group", 1)
        inputs_of_group = scale.reshape(group, weights.shape[1])
        per_weight = np.repeat(inputs_of_group, weights.shape[0] // group, axis=0)
        scaled = (weights * per_weight[:, :, None, None]).astype(np.float32)
        # A constant of its own: equal weights of two convolutions may share one.
        conv.inputs[1] = self._graph.add_constant(f"{conv.name}/weight", scaled)


def _per_channel(array: np.ndarray, channels: int) -> np.ndarray | None:
    """The constant as one factor a channel, [channels]; None where it differs along another axis."""
    if array.size == 1:
        return np.full(channels, float(array.reshape(())))
    shape = (1,) * (4 - array.ndim) + array.shape
    if shape == (1, channels, 1, 1):
        return array.reshape(channels).astype(np.float64)
    return None
