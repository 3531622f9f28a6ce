"""Splits wide depthwise convolutions by channels, so that what one pixel needs stays in the first-level cache.

In NHWC a k x k depthwise convolution reads k * k pixels and all its weights for every pixel it computes: 48 KB for 240
channels of 5 x 5, more than the 32 KB of most cores, and XNNPACK then runs at two thirds of its speed. So the
convolution before it is split by output channels, all that is channel-wise up to the convolutions after it is done
piece by piece, and these become sums of convolutions of the pieces: the same function up to float32 rounding. Halves
of activations that outgrow the second-level cache gain too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from edgepose.conversion.onnx_graph import Node, OnnxGraph, Shape

CACHE_BYTES = 32 << 10
MIN_CHANNELS = 48  # of a piece: narrower ones cost the dense convolutions more than the depthwise ones gain
VECTOR_CHANNELS = 16  # what kernels compute at once, at most (AVX-512): a piece should fill them

_CHANNEL_WISE = ("Clip", "GlobalAveragePool", "Mul", "ReduceMean", "Relu", "Sigmoid")


def rewrite(graph: OnnxGraph) -> int:
    """Split every depthwise convolution that is wide enough and stands between dense ones. Returns how many."""
    shapes = graph.shapes()
    split = 0
    for node in [node for node in graph.nodes if _is_depthwise(graph, node)]:
        channels, _, height, width = graph.constants[node.inputs[1]].shape
        sizes = piece_sizes(channels, height * width)
        region = _region(graph, node, shapes) if len(sizes) > 1 else None
        if region is not None:
            _split(graph, region, sizes)
            split += 1
    return split


def piece_sizes(channels: int, taps: int) -> list[int]:
    """Channels of each piece of a depthwise convolution with ``taps`` weights a channel; one piece: leave it whole."""
    pieces = max(2, -(-channels * taps * 2 * 4 // CACHE_BYTES))
    pieces = min(pieces, channels // MIN_CHANNELS)
    if pieces < 2:
        return [channels]
    vectors, rest = divmod(channels, VECTOR_CHANNELS)
    sizes = [VECTOR_CHANNELS * len(piece) for piece in np.array_split(range(vectors), pieces)]
    sizes[-1] += rest
    return sizes


class _Region(NamedTuple):
    """The ``values`` that channel-wise operators connect, and the nodes around them."""

    values: set[str]
    sources: list[Node]  # dense convolutions that make values
    inner: list[Node]  # channel-wise operators from values to values
    readers: list[Node]  # dense convolutions that read values


def _region(graph: OnnxGraph, depthwise: Node, shapes: dict[str, Shape]) -> _Region | None:
    """What has to be split with ``depthwise``; None where that is more than convolutions can take apart again."""
    producers, consumers = graph.producers(), graph.consumers()
    channels = graph.constants[depthwise.inputs[1]].shape[0]
    values: set[str] = set()
    found: list[Node] = []
    pending = [depthwise.inputs[0], depthwise.output]
    while pending:
        value = pending.pop()
        if value in values:
            continue
        if value not in producers or value in graph.outputs or shapes[value][1] != channels:
            return None
        values.add(value)
        for node in (producers[value], *consumers.get(value, ())):
            if node in found:
                continue
            found.append(node)
            if _is_channel_wise(graph, node):
                pending += [name for name in (*node.inputs, node.output) if name not in graph.constants]
            elif not _is_dense(graph, node):
                return None
    ordered = [node for node in graph.nodes if node in found]
    inner = [node for node in ordered if _is_channel_wise(graph, node)]
    sources = [node for node in ordered if node not in inner and node.output in values]
    readers = [node for node in ordered if node not in inner and node.inputs[0] in values]
    if any(node in readers for node in sources):
        return None
    return _Region(values, sources, inner, readers)


def _split(graph: OnnxGraph, region: _Region, sizes: list[int]) -> None:
    ends = np.cumsum(sizes)
    parts = [slice(int(end - size), int(end)) for size, end in zip(sizes, ends, strict=True)]
    names = {
        value: [graph.free_name(f"{value}/part{number}") for number in range(len(parts))] for value in region.values
    }
    taken_apart = [*region.sources, *region.inner, *region.readers]
    first = min(graph.nodes.index(node) for node in taken_apart)
    last = max(graph.nodes.index(node) for node in taken_apart)

    # A piece at a time, so that it is still in the cache for the next operator; but what needs all pieces (the squeeze
    # of squeeze-and-excitation) waits for them, and what needs that, for it: each such step begins a stage.
    stages: dict[str, int] = {}
    keyed: list[tuple[tuple[int, int], Node]] = []
    for node in graph.nodes[first : last + 1]:
        stage = max((stages.get(name, 0) for name in node.inputs), default=0)
        stages[node.output] = stage + (node in region.readers)
        if node not in taken_apart:
            keyed.append(((stage, -1), node))
            continue
        for number, part in enumerate(parts):
            keyed += [((stage, number), piece) for piece in _pieces(graph, region, node, names, number, part)]
    keyed.sort(key=lambda entry: entry[0])
    graph.nodes[first : last + 1] = [node for _, node in keyed]


def _pieces(
    graph: OnnxGraph, region: _Region, node: Node, names: dict[str, list[str]], number: int, part: slice
) -> Iterator[Node]:
    """What computes piece ``number`` of ``node``, whose channels are ``part``."""
    inputs = [names[name][number] if name in names else name for name in node.inputs]
    attributes = dict(node.attributes)
    if node in region.readers:
        # The bias once, and a running sum of the pieces.
        weights = graph.constants[node.inputs[1]][:, part]
        inputs = [inputs[0], graph.add_constant(f"{node.name}/weight", weights), *(inputs[2:] if number == 0 else ())]
        outputs = names.setdefault(node.output, [])
        outputs.append(graph.free_name(f"{node.output}/part{number}"))
        yield Node("Conv", inputs, [outputs[-1]], graph.free_name(f"{node.name}/part{number}"), attributes)
        if number > 0:
            is_last = part.stop == graph.constants[node.inputs[1]].shape[1]
            total = node.output if is_last else graph.free_name(f"{node.output}/sum{number}")
            yield Node("Add", outputs[-2:], [total], graph.free_name(f"{node.name}/sum{number}"))
            outputs.append(total)
        return
    if node.operator == "Conv":
        inputs[1:] = [
            graph.add_constant(f"{node.name}/{role}", graph.constants[name][part])
            for role, name in zip(("weight", "bias"), node.inputs[1:], strict=False)
        ]
        if node in region.inner:
            attributes["group"] = part.stop - part.start
    yield Node(node.operator, inputs, [names[node.output][number]], f"{node.name}/part{number}", attributes)


def _is_depthwise(graph: OnnxGraph, node: Node) -> bool:
    """Whether ``node`` is a convolution of each channel with one filter."""
    if not _has_constant_weights(graph, node):
        return False
    weights = graph.constants[node.inputs[1]]
    return weights.ndim == 4 and weights.shape[1] == 1 and node.attributes.get("group", 1) == weights.shape[0] > 1


def _is_dense(graph: OnnxGraph, node: Node) -> bool:
    return _has_constant_weights(graph, node) and node.attributes.get("group", 1) == 1


def _has_constant_weights(graph: OnnxGraph, node: Node) -> bool:
    return node.operator == "Conv" and all(name in graph.constants for name in node.inputs[1:])


def _is_channel_wise(graph: OnnxGraph, node: Node) -> bool:
    """Whether each channel of the output depends on the same channel of the inputs alone."""
    if _is_depthwise(graph, node):
        return True
    if node.operator not in _CHANNEL_WISE:
        return False
    if node.operator == "ReduceMean":
        return sorted(axis % 4 for axis in node.attributes.get("axes", ())) == [2, 3] and bool(
            node.attributes.get("keepdims", 1)
        )
    return all(graph.constants[name].size == 1 for name in node.inputs if name in graph.constants)
