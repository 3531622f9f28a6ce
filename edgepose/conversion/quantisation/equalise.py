"""Cross-layer equalisation: gives the channels of linear values like ranges, by scaling the weights around them.

Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction", section 4.1, here with
the ranges of the activations: integers have one scale a tensor, so that a channel a tenth as wide as its widest
neighbour has a tenth of the levels. Between a convolution without activation and the convolutions that read it,
through additions and concatenations, a factor a channel may move from one side to the other: the same function up to
float32 rounding. Nothing of the kind goes through a swish or a clip.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import numpy as np

from edgepose.conversion.onnx_graph import Node, OnnxGraph, Shape
from edgepose.conversion.quantisation.statistics import ChannelExtremes

# 1 would give every channel the same range and widen the weights' most; 0 leaves all as it is.
EXPONENT = 0.75
# Channels narrower than this share of the widest are noise: no factor beyond it.
NARROWEST = 1e-3

T = TypeVar("T")
Channel = tuple[str, int]  # a value and one of its channels


def linear_values(graph: OnnxGraph) -> set[str]:
    """The values that convolutions compute without activation and only convolutions read, sums and joins between."""
    producers, consumers, shapes = graph.producers(), graph.consumers(), graph.shapes()
    linear = {
        name
        for name, node in producers.items()
        if name not in graph.outputs
        and _is_linear(node, shapes)
        and all(_is_linear(reader, shapes) for reader in consumers.get(name, ()))
    }
    while True:
        spoilt = {
            name
            for name in linear
            if (producers[name].operator != "Conv" and not linear.issuperset(producers[name].inputs))
            or any(reader.operator != "Conv" and reader.output not in linear for reader in consumers.get(name, ()))
            or any(
                reader.operator == "Conv" and reader.attributes.get("group", 1) != 1
                for reader in consumers.get(name, ())
            )
        }
        if not spoilt:
            return linear
        linear -= spoilt


def _is_linear(node: Node, shapes: dict[str, Shape]) -> bool:
    """Whether a factor a channel passes through ``node``, or can be made up for in its weights."""
    if node.operator == "Add":
        return shapes[node.inputs[0]] == shapes[node.inputs[1]]
    return node.operator == "Conv" or (node.operator == "Concat" and node.attributes["axis"] == 1)


def equalise(graph: OnnxGraph, extremes: ChannelExtremes, exponent: float = EXPONENT) -> int:
    """Scale the channels of all linear values of ``graph``; returns how many channels changed.

    ``extremes`` must hold those values (:func:`linear_values`).
    """
    linear = linear_values(graph)
    if not linear:
        return 0
    shapes = graph.shapes()
    channels, tensors = _Groups[Channel](), _Groups[str]()
    for node in graph.nodes:
        if node.output in linear and node.operator != "Conv":
            _join(node, shapes, channels, tensors)
    magnitudes = {name: extremes.magnitude(name) for name in linear}
    widest: dict[Channel, float] = {}
    widest_of_all: dict[str, float] = {}
    for name, magnitude in magnitudes.items():
        root = tensors.find(name)
        widest_of_all[root] = max(widest_of_all.get(root, 0.0), float(magnitude.max()))
        for channel, value in enumerate(magnitude):
            group = channels.find((name, channel))
            widest[group] = max(widest.get(group, 0.0), float(value))

    def factors(name: str) -> np.ndarray:
        limit = max(widest_of_all[tensors.find(name)], 1e-30)
        own = np.array([widest[channels.find((name, channel))] for channel in range(shapes[name][1])])
        return (limit / np.maximum(own, NARROWEST * limit)) ** exponent

    scaled = {name: factors(name) for name in linear}
    for node in graph.nodes:
        if node.operator == "Conv":
            _scale(graph, node, scaled.get(node.inputs[0]), scaled.get(node.output))
    graph.prune()
    return sum(int((scaled[name] != 1).sum()) for name in linear)


def _join(node: Node, shapes: dict[str, Shape], channels: _Groups[Channel], tensors: _Groups[str]) -> None:
    """What an Add or Concat reads has the channels of what it computes."""
    offset = 0
    for name in node.inputs:
        tensors.join(name, node.output)
        for channel in range(shapes[name][1]):
            channels.join((name, channel), (node.output, offset + channel))
        if node.operator == "Concat":
            offset += shapes[name][1]


def _scale(graph: OnnxGraph, conv: Node, inputs: np.ndarray | None, outputs: np.ndarray | None) -> None:
    if inputs is None and outputs is None:
        return
    weights = graph.constants[conv.inputs[1]].astype(np.float64)
    if inputs is not None:
        weights = weights / inputs[None, :, None, None]
    if outputs is not None:
        weights = weights * outputs[:, None, None, None]
        if len(conv.inputs) > 2 and conv.inputs[2]:
            bias = graph.constants[conv.inputs[2]].astype(np.float64) * outputs
            conv.inputs[2] = graph.add_constant(f"{conv.name}/bias", bias.astype(np.float32))
    conv.inputs[1] = graph.add_constant(f"{conv.name}/weight", weights.astype(np.float32))


class _Groups(Generic[T]):
    """Disjoint sets (union-find)."""

    def __init__(self) -> None:
        self._parents: dict[T, T] = {}

    def find(self, member: T) -> T:
        """The member that stands for the group of ``member``."""
        root = member
        while self._parents.setdefault(root, root) != root:
            root = self._parents[root]
        while self._parents[member] != root:
            self._parents[member], member = root, self._parents[member]
        return root

    def join(self, one: T, other: T) -> None:
        """Make one group of two."""
        self._parents[self.find(one)] = self.find(other)
