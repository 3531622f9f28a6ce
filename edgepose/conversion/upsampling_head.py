"""The upsampling at the end of EfficientPose: is it the published constant, and can it leave the engine?

The published networks end in three transposed convolutions (4x4, stride 2) whose kernels are channel-diagonal
and bilinear, with zero bias (section 3.2 of the paper; ``bilinear_kernel``): eight-fold upsampling that
nothing learns. The decoder applies it exactly, and only where a peak can be, so engines end before it. A
checkpoint that trained these kernels keeps them in its engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from edgepose.conversion.onnx_graph import Node, OnnxGraph
from edgepose.network.variants import HEATMAP_STRIDE
from edgepose.runtime.errors import ConversionError
from edgepose.runtime.upsampling import BILINEAR_KERNEL

if TYPE_CHECKING:
    from edgepose.network.efficientpose import EfficientPose


class UpsamplingHead(NamedTuple):
    """What a network ends in.

    ``present``: it ends in transposed convolutions. ``constant``: it does, and all are the published kernel,
    so they may be cut. ``factor``: by how much the decoder upsamples what remains once a constant head is
    cut. ``reason``: one sentence for the user; where the head must stay it names the layer that differs.
    """

    present: bool
    constant: bool
    factor: int
    reason: str


def network_upsampling_head(network: EfficientPose) -> UpsamplingHead:
    """Inspect the head of a PyTorch network by its weights."""
    if network.upscaling is None:
        return _absent()
    layers = []
    children: Iterator[tuple[str, Any]] = network.upscaling.named_children()
    for name, layer in children:
        weight = layer.weight.detach().cpu().numpy()
        bias = None if layer.bias is None else layer.bias.detach().cpu().numpy()
        layers.append((f"upscaling.{name}", _difference(weight, bias, layer.groups)))
    return _judge(layers)


def onnx_upsampling_head(onnx: bytes) -> UpsamplingHead:
    """Inspect the end of a graph. Raises :class:`ConversionError` where the bytes are not ONNX."""
    graph = OnnxGraph.from_bytes(onnx)
    layers = [(node.describe(), _node_difference(graph, node)) for node in _trailing_transposed_convolutions(graph)]
    return _judge(layers) if layers else _absent()


def cut_upsampling_head(onnx: bytes) -> bytes:
    """The graph without its constant head; its output keeps the name and is 8 times smaller.

    Raises :class:`ConversionError` where there is no constant head to cut.
    """
    head = onnx_upsampling_head(onnx)
    if not head.constant:
        raise ConversionError(f"the upsampling head cannot be cut: {head.reason}")
    graph = OnnxGraph.from_bytes(onnx)
    name = graph.outputs[0]
    trailing = _trailing_transposed_convolutions(graph)
    before = trailing[0].inputs[0]
    graph.nodes = [node for node in graph.nodes if node not in trailing]
    graph.outputs = [before]
    graph.rename(before, name)
    graph.prune()
    return graph.to_bytes()


def _trailing_transposed_convolutions(graph: OnnxGraph) -> list[Node]:
    """The unbroken run of ConvTranspose nodes that ends in the output, first to last."""
    producers, consumers = graph.producers(), graph.consumers()
    trailing: list[Node] = []
    node = producers.get(graph.outputs[0])
    while node is not None and node.operator == "ConvTranspose":
        trailing.insert(0, node)
        source = node.inputs[0]
        node = producers.get(source) if len(consumers[source]) == 1 else None
    return trailing


def _node_difference(graph: OnnxGraph, node: Node) -> str | None:
    weight = graph.constants.get(node.inputs[1])
    bias = graph.constants.get(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] else None
    if weight is None or weight.ndim != 4:
        return "its kernel is not a constant of a 2-D convolution"
    attributes = node.attributes
    plain = (
        list(attributes.get("strides", ())) == [2, 2]
        and list(attributes.get("pads", ())) == [1, 1, 1, 1]
        and not any(attributes.get("output_padding", ()))
        and set(attributes.get("dilations", (1,))) == {1}
        and attributes.get("auto_pad", b"NOTSET") == b"NOTSET"
        and "output_shape" not in attributes
    )
    if not plain:
        return "it does not double the map with stride 2 and padding 1"
    return _difference(weight, bias, attributes.get("group", 1))


def _difference(weight: np.ndarray, bias: np.ndarray | None, groups: int) -> str | None:
    """In what a kernel [in, out / groups, 4, 4] differs from the published one; None where it does not."""
    kernel = np.outer(BILINEAR_KERNEL, BILINEAR_KERNEL).astype(np.float32)  # exact: sixteenths
    channels = weight.shape[0]
    if groups == channels and weight.shape[1] == 1:
        expected = np.broadcast_to(kernel, (channels, 1, *kernel.shape))
    else:
        expected = np.eye(channels, dtype=np.float32)[:, :, None, None] * kernel
    if groups not in (1, channels) or weight.shape != expected.shape:
        return f"its kernel has the shape {list(weight.shape)}"
    if bias is not None and bias.any():
        return f"its bias reaches {np.abs(bias).max():.3g} instead of zero"
    if not np.array_equal(weight, expected):
        return f"its kernel differs from the bilinear one by up to {np.abs(weight - expected).max():.3g}"
    return None


def _judge(layers: list[tuple[str, str | None]]) -> UpsamplingHead:
    factor = 2 ** len(layers)
    for name, difference in layers:
        if difference is not None:
            return UpsamplingHead(True, False, factor, f"{name} is not the published upsampling: {difference}")
    if factor != HEATMAP_STRIDE:
        return UpsamplingHead(True, False, factor, f"it upsamples {factor}-fold instead of {HEATMAP_STRIDE}-fold")
    return UpsamplingHead(True, True, factor, "it is the published constant: the decoder applies it")


def _absent() -> UpsamplingHead:
    return UpsamplingHead(False, False, HEATMAP_STRIDE, "the network ends before it")
