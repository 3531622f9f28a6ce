"""Runs a float graph in torch, where it can be differentiated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from edgepose.conversion.onnx_graph import Node, OnnxGraph
from edgepose.runtime.errors import ConversionError

# Called with the name and value of everything that is computed, the input included; returns what takes its place.
Tap = Callable[[str, Tensor], Tensor]


class TorchGraph:
    """A simplified graph of the EfficientPose family as a function of torch tensors.

    Raises :class:`ConversionError` for an operator that the family does not have.
    """

    def __init__(self, graph: OnnxGraph) -> None:
        self._graph = graph
        self._constants = {name: torch.from_numpy(np.array(array)) for name, array in graph.constants.items()}
        self._last_use = {name: index for index, node in enumerate(graph.nodes) for name in node.inputs}
        for node in graph.nodes:
            if node.operator not in _OPERATORS:
                raise ConversionError(f"{node.describe()} cannot be differentiated: {node.operator} is not supported")

    def __call__(self, image: Tensor, tap: Tap | None = None) -> Tensor:
        """The heatmaps [n, 16, h, w] of ``image`` [n, 3, S, S]."""
        source = self._graph.inputs[0].name
        values = {source: image if tap is None else tap(source, image)}
        for index, node in enumerate(self._graph.nodes):
            inputs = [values[name] if name in values else self._constants[name] for name in node.inputs if name]
            result = _OPERATORS[node.operator](node, inputs)
            values[node.output] = result if tap is None else tap(node.output, result)
            for name in node.inputs:
                if self._last_use.get(name) == index:
                    values.pop(name, None)
        return values[self._graph.outputs[0]]


def _conv(node: Node, inputs: list[Tensor]) -> Tensor:
    image, weights, *bias = inputs
    if node.attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b""):
        raise ConversionError(f"{node.describe()} pads by auto_pad; give its padding in numbers")
    return functional.conv2d(
        _padded(node, image),
        weights,
        bias[0] if bias else None,
        stride=tuple(node.attributes.get("strides", (1, 1))),
        dilation=tuple(node.attributes.get("dilations", (1, 1))),
        groups=node.attributes.get("group", 1),
    )


def _conv_transpose(node: Node, inputs: list[Tensor]) -> Tensor:
    top, left, bottom, right = node.attributes.get("pads", (0, 0, 0, 0))
    if (top, left) != (bottom, right):
        raise ConversionError(f"{node.describe()} crops unevenly, which is not supported")
    if any(node.attributes.get("output_padding", ())):
        raise ConversionError(f"{node.describe()} pads its output, which is not supported")
    image, weights, *bias = inputs
    return functional.conv_transpose2d(
        image,
        weights,
        bias[0] if bias else None,
        stride=tuple(node.attributes.get("strides", (1, 1))),
        padding=(top, left),
        groups=node.attributes.get("group", 1),
    )


def _average_pool(node: Node, inputs: list[Tensor]) -> Tensor:
    if any(node.attributes.get("pads", ())) and not node.attributes.get("count_include_pad", 0):
        raise ConversionError(f"{node.describe()} pads its averages, which is not supported")
    if node.attributes.get("ceil_mode", 0):
        raise ConversionError(f"{node.describe()} rounds its size up, which is not supported")
    return functional.avg_pool2d(
        _padded(node, inputs[0]), node.attributes["kernel_shape"], tuple(node.attributes.get("strides", (1, 1)))
    )


def _padded(node: Node, image: Tensor) -> Tensor:
    top, left, bottom, right = node.attributes.get("pads", (0, 0, 0, 0))
    return functional.pad(image, (left, right, top, bottom)) if any((top, left, bottom, right)) else image


def _clip(node: Node, inputs: list[Tensor]) -> Tensor:
    bounds = dict(zip([name for name in node.inputs if name][1:], inputs[1:], strict=True))
    low, high = (bounds.get(name) if name else None for name in [*node.inputs[1:], "", ""][:2])
    return inputs[0].clamp(None if low is None else float(low), None if high is None else float(high))


_OPERATORS: dict[str, Callable[[Node, list[Tensor]], Tensor]] = {
    "Add": lambda _, inputs: inputs[0] + inputs[1],
    "AveragePool": _average_pool,
    "Clip": _clip,
    "Concat": lambda node, inputs: torch.cat(inputs, node.attributes["axis"]),
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "GlobalAveragePool": lambda _, inputs: inputs[0].mean((2, 3), keepdim=True),
    "Mul": lambda _, inputs: inputs[0] * inputs[1],
    "ReduceMean": lambda _, inputs: inputs[0].mean((2, 3), keepdim=True),
    "Relu": lambda _, inputs: inputs[0].relu(),
    "Sigmoid": lambda _, inputs: inputs[0].sigmoid(),
}


def as_tensor(image: Any) -> Tensor:
    """A numpy image as a tensor."""
    return torch.from_numpy(np.ascontiguousarray(image))
