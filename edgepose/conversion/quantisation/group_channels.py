"""Channel grouping: computes an inverted bottleneck as two narrower ones, so that each has integers of its own.

Swish lets through what it gets, so that the channels between an expansion and its projection differ in range by far
more than 8 bits can serve at once, and no factor can move through it. But everything in there is done to each channel
alone: convolving depthwise, swish, averaging, gating. Channels of like range can therefore be computed together,
apart from the others, and joined again before the projection: the same multiplications, the same function up to
float32 rounding, and a scale for each group.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgepose.conversion.onnx_graph import Node, OnnxGraph
from edgepose.conversion.quantisation.statistics import ChannelExtremes
from edgepose.conversion.quantisation.structure import InvertedBottleneck, Swish, inverted_bottlenecks

# Vector kernels compute this many channels at once; groups of other sizes would waste some.
MULTIPLE = 16
# A block is grouped where that takes at least this share of all rounding noise away.
LEAST_GAIN = 0.01

Groups = tuple[np.ndarray, np.ndarray]  # channel indices of the two groups


def plan_groups(graph: OnnxGraph, extremes: ChannelExtremes, sensitivities: dict[str, np.ndarray]) -> dict[str, Groups]:
    """The channel groups of each block that gains from grouping, by the name of its depthwise convolution.

    Both groups of a block are chosen for the least expected movement of the joints: rounding in a group is as coarse
    as its widest channel asks for, and matters as much as its channels' sensitivities say.
    """
    plans: dict[str, tuple[float, Groups]] = {}
    total = 0.0
    for block in inverted_bottlenecks(graph):
        parts = [
            (extremes.magnitude(swish.product.output), sensitivities[swish.value] + sensitivities[swish.product.output])
            for swish in (block.first, block.second)
        ]

        def noise(channels: np.ndarray, parts: list[tuple[np.ndarray, np.ndarray]] = parts) -> float:
            return sum(
                float(magnitude[channels].max() ** 2 * sensitivity[channels].sum()) for magnitude, sensitivity in parts
            )

        whole = noise(np.arange(len(parts[0][0])))
        total += whole
        candidates = [(noise(first) + noise(second), (first, second)) for first, second in _splits(parts)]
        if candidates:
            best, groups = min(candidates, key=lambda candidate: candidate[0])
            plans[block.depthwise.name] = (whole - best, groups)
    return {name: groups for name, (gain, groups) in plans.items() if gain >= LEAST_GAIN * total}


def _splits(parts: list[tuple[np.ndarray, np.ndarray]]) -> Iterator[Groups]:
    """Every way to part the channels, ordered by range before or after the depthwise convolution, or by both."""
    (before, _), (after, _) = parts
    for key in (before, after, before * after):
        order = np.argsort(-key, kind="stable")
        for size in range(MULTIPLE, len(order) - MULTIPLE + 1, MULTIPLE):
            yield np.sort(order[:size]), np.sort(order[size:])


def group_channels(graph: OnnxGraph, plans: dict[str, Groups]) -> dict[str, tuple[str, np.ndarray]]:
    """Rewrite the blocks named in ``plans`` (by their depthwise convolutions) as two groups each.

    Returns, for each value that holds a part of the channels of one before, that one's name and which channels.
    """
    parts: dict[str, tuple[str, np.ndarray]] = {}
    for block in inverted_bottlenecks(graph):
        if block.depthwise.name in plans:
            regrouping = _Regrouping(graph, block, plans[block.depthwise.name])
            regrouping.apply()
            parts |= regrouping.parts
    graph.prune()
    return parts


class _Regrouping:
    """Rewrites one block."""

    def __init__(self, graph: OnnxGraph, block: InvertedBottleneck, groups: Groups) -> None:
        self._graph, self._block, self._groups = graph, block, groups
        self.parts: dict[str, tuple[str, np.ndarray]] = {}

    def apply(self) -> None:
        block, graph = self._block, self._graph
        early: list[Node] = []
        late: list[Node] = []
        means, gated = [], []
        for number, channels in enumerate(self._groups):
            value = self._rows(early, block.expand, block.expand.inputs[0], channels, number)
            value = self._swish(early, value, block.first, number)
            value = self._rows(early, block.depthwise, value, channels, number)
            value = self._swish(early, value, block.second, number)
            means.append(self._add(early, "ReduceMean", [value], block.mean, number))
            gate = self._rows(late, block.restore, block.restore.inputs[0], channels, number)
            gate = self._add(late, "Sigmoid", [gate], block.gate, number)
            gated.append(self._add(late, "Mul", [value, gate], block.gated, number))
        early.append(Node("Concat", means, [block.mean.output], block.mean.name, {"axis": 1}))
        late.append(Node("Concat", gated, [block.gated.output], block.gated.name, {"axis": 1}))
        order = np.concatenate(self._groups)
        for conv in (block.reduce, block.project):
            weights = graph.constants[conv.inputs[1]][:, order]
            conv.inputs[1] = graph.add_constant(f"{conv.name}/weight", weights)
        place = graph.nodes.index(block.restore)
        graph.nodes[place : place + 1] = late
        place = graph.nodes.index(block.expand)
        graph.nodes[place:place] = early
        replaced = (block.expand, block.depthwise, block.mean, block.gate, block.gated)
        for node in (*replaced, *block.first[1:], *block.second[1:]):
            graph.nodes.remove(node)

    def _swish(self, nodes: list[Node], value: str, swish: Swish, number: int) -> str:
        sigmoid = self._add(nodes, "Sigmoid", [value], swish.sigmoid, number)
        return self._add(nodes, "Mul", [value, sigmoid], swish.product, number)

    def _rows(self, nodes: list[Node], conv: Node, value: str, channels: np.ndarray, number: int) -> str:
        """``conv`` for the output ``channels`` alone."""
        constants = [
            self._graph.add_constant(f"{name}/group{number + 1}", self._graph.constants[name][channels])
            for name in conv.inputs[1:]
        ]
        attributes = dict(conv.attributes)
        if attributes.get("group", 1) > 1:
            attributes["group"] = len(channels)
        return self._add(nodes, "Conv", [value, *constants], conv, number, attributes)

    def _add(
        self,
        nodes: list[Node],
        operator: str,
        inputs: list[str],
        model: Node,
        number: int,
        attributes: dict | None = None,
    ) -> str:
        name = f"{model.output}/group{number + 1}"
        self.parts[name] = (model.output, self._groups[number])
        copied = dict(model.attributes) if attributes is None else attributes
        nodes.append(Node(operator, inputs, [name], f"{model.name}/group{number + 1}", copied))
        return name
