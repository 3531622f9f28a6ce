"""One function an ONNX operator: how it becomes TFLite. :data:`RULES` is the table of all that are supported.

Adding an operator is adding a function, a row here, and a test beside the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgepose.conversion.lower_onnx_to_tflite.lowering import (
    INTEGER_VERSIONS,
    LOGISTIC_QUANTISATION,
    Lowering,
    Operator,
    refuse,
)
from edgepose.conversion.lower_onnx_to_tflite.padding import (
    Pads,
    explicit_pads,
    is_same_padding,
    transposed_padding,
)
from edgepose.conversion.lower_onnx_to_tflite.tflite_writer import Quantisation
from edgepose.conversion.onnx_graph import Node, Shape

Activation = schema.ActivationFunctionType
Padding = schema.Padding

_ACTIVATIONS = {
    (0.0, 6.0): (Activation.RELU6, Operator.RELU6),
    (0.0, np.inf): (Activation.RELU, Operator.RELU),
    (-1.0, 1.0): (Activation.RELU_N1_TO_1, Operator.RELU_N1_TO_1),
}
# Pixels of a gated image from which on the calls that a row saves (about 4 ns each) outweigh one operator more.
WORTH_A_ROW = 2048


def lower_conv(lowering: Lowering, node: Node) -> None:
    """Conv: CONV_2D, or DEPTHWISE_CONV_2D where every group has one input channel."""
    weights = lowering.parameter(node.inputs[1], node)  # [out, in / group, kh, kw]
    if weights.ndim != 4:
        refuse(node, f"its weights have the shape {list(weights.shape)}, not that of a 2-D convolution")
    channels = lowering.nhwc(node.inputs[0], node)[3]
    group = node.attributes.get("group", 1)
    depthwise = group == channels and group > 1
    if group != 1 and not depthwise:
        refuse(node, f"it has {group} groups for {channels} channels; 1 or one a channel are supported")
    options: Any = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
    options.strideH, options.strideW = node.attributes.get("strides", (1, 1))
    options.dilationHFactor, options.dilationWFactor = dilations = node.attributes.get("dilations", (1, 1))
    image, options.padding = _padded(lowering, node, weights.shape[2:])
    # OHWI for a full convolution; 1HWC with output channel c * multiplier + m for a depthwise one.
    order = (1, 2, 3, 0) if depthwise else (0, 2, 3, 1)
    filters = lowering.filters(node, lambda array: array.transpose(order), 0, order.index(0))
    inputs = [image, filters, lowering.bias(node, weights.shape[0], image, filters)]
    if depthwise:
        options.depthMultiplier = weights.shape[0] // channels
        dilated = tuple(dilations) != (1, 1) and lowering.computes_in(node) is None
        version = 2 if dilated else None  # dilated depthwise kernels came with version 2
        lowering.emit(node, Operator.DEPTHWISE_CONV_2D, inputs, options, version)
    else:
        lowering.emit(node, Operator.CONV_2D, inputs, options)


def lower_conv_transpose(lowering: Lowering, node: Node) -> None:
    """ConvTranspose: TRANSPOSE_CONV; a channel-wise one becomes the dense kernel that it equals."""
    weights = lowering.parameter(node.inputs[1], node)  # [in, out / group, kh, kw]
    group = node.attributes.get("group", 1)
    if weights.ndim != 4 or set(node.attributes.get("dilations", (1,))) != {1}:
        refuse(node, "only undilated 2-D transposed convolutions are supported")
    channel_wise = group == weights.shape[0] and weights.shape[1] == 1
    if not channel_wise and group != 1:
        refuse(node, f"it has {group} groups; 1 or one a channel are supported")

    def arrange(array: np.ndarray) -> np.ndarray:
        if channel_wise:
            array = array.transpose(1, 0, 2, 3) * np.eye(group, dtype=array.dtype)[:, :, None, None]
        return array.transpose(1, 2, 3, 0)  # OHWI

    options = schema.TransposeConvOptionsT()
    strides = node.attributes.get("strides", (1, 1))
    options.strideH, options.strideW = strides
    shape = lowering.nhwc(node.output, node)
    input_size = lowering.nhwc(node.inputs[0], node)[1:3]
    pads = node.attributes.get("pads", (0, 0, 0, 0))
    padding = transposed_padding(pads, input_size, shape[1:3], weights.shape[2:], strides)
    if padding is None or node.attributes.get("auto_pad", b"NOTSET") != b"NOTSET":
        refuse(node, f"its padding {list(pads)} is neither TFLite's SAME nor VALID")
    options.padding = padding
    inputs = [
        lowering.integers(f"{node.output}_shape", shape),
        lowering.filters(node, arrange, 0 if channel_wise else 1, 0),
        lowering.tensor(node.inputs[0], node),
    ]
    bias = lowering.parameter(node.inputs[2], node) if len(node.inputs) > 2 and node.inputs[2] else np.zeros(1)
    if bias.any():  # a bias came with version 3
        inputs.append(lowering.bias(node, bias.size, inputs[2], inputs[1]))
        lowering.emit(node, Operator.TRANSPOSE_CONV, inputs, options, 3)
    else:
        lowering.emit(node, Operator.TRANSPOSE_CONV, inputs, options)


def lower_average_pool(lowering: Lowering, node: Node) -> None:
    """AveragePool: AVERAGE_POOL_2D, which leaves padding out of its averages; DEPTHWISE_CONV_2D in int8."""
    kernel = node.attributes["kernel_shape"]
    if len(kernel) != 2 or set(node.attributes.get("dilations", (1,))) != {1}:
        refuse(node, "only undilated 2-D pooling is supported")
    # Zeros that count are padding of their own; others must fit one of TFLite's schemes.
    counted = bool(node.attributes.get("count_include_pad", 0))
    image, padding = _padded(lowering, node, kernel, with_zeros=counted, with_same=not counted)
    if lowering.computes_in(node) is not None:
        if padding == Padding.SAME:
            refuse(node, "it leaves padding out of its averages, which int8 engines cannot")
        _average_by_convolution(lowering, node, image)
        return
    options = schema.Pool2DOptionsT()
    options.strideH, options.strideW = node.attributes.get("strides", (1, 1))
    options.filterHeight, options.filterWidth = kernel
    options.padding = padding
    lowering.emit(node, Operator.AVERAGE_POOL_2D, [image], options)


def lower_global_mean(lowering: Lowering, node: Node) -> None:
    """ReduceMean over height and width, and GlobalAveragePool: MEAN."""
    axes = node.attributes.get("axes", range(4)) if node.operator == "ReduceMean" else (2, 3)
    if sorted(axis % 4 for axis in axes) != [2, 3] or not node.attributes.get("keepdims", 1):
        refuse(node, f"it averages over the axes {list(axes)}; only height and width, kept as 1 x 1, are supported")
    options = schema.ReducerOptionsT()
    options.keepDims = True
    inputs = [lowering.tensor(node.inputs[0], node), lowering.integers(f"{node.output}_axes", (1, 2))]
    lowering.emit(node, Operator.MEAN, inputs, options)


def lower_add(lowering: Lowering, node: Node) -> None:
    """Add: ADD."""
    inputs = [lowering.tensor(name, node) for name in node.inputs]
    lowering.emit(node, Operator.ADD, inputs, schema.AddOptionsT())


def lower_mul(lowering: Lowering, node: Node) -> None:
    """Mul: MUL, in int8 by a gate that is repeated along a row where :attr:`Lowering.repeats_gates`."""
    inputs = [lowering.tensor(name, node) for name in node.inputs]
    if lowering.repeats_gates and lowering.computes_in(node) is not None:
        inputs = [_repeated_along_a_row(lowering, node, tensor) for tensor in inputs]
    lowering.emit(node, Operator.MUL, inputs, schema.MulOptionsT())


def lower_concat(lowering: Lowering, node: Node) -> None:
    """Concat of channels: CONCATENATION."""
    if node.attributes["axis"] % 4 != 1:
        refuse(node, f"it joins along axis {node.attributes['axis']}; only channels (axis 1) are supported")
    options = schema.ConcatenationOptionsT()
    options.axis = 3
    inputs = [lowering.tensor(name, node) for name in node.inputs]
    quantisation = lowering.computes_in(node)
    if quantisation is not None:
        inputs = [
            lowering.requantised(tensor, quantisation, f"{node.output}_input_{index}")
            for index, tensor in enumerate(inputs)
        ]
    lowering.emit(node, Operator.CONCATENATION, inputs, options)


def lower_sigmoid(lowering: Lowering, node: Node) -> None:
    """Sigmoid: LOGISTIC."""
    quantisation = lowering.computes_in(node)
    if quantisation is not None and not quantisation.same_as(LOGISTIC_QUANTISATION):
        refuse(node, "its integers are not steps of 1/256 from -128 on")
    lowering.emit(node, Operator.LOGISTIC, [lowering.tensor(node.inputs[0], node)])


def lower_clip(lowering: Lowering, node: Node) -> None:
    """Relu and Clip: an activation fused into the operator before, or RELU, RELU6, RELU_N1_TO_1."""
    low, high = (0.0, np.inf) if node.operator == "Relu" else _clip_range(lowering, node)
    if (low, high) not in _ACTIVATIONS:
        refuse(node, f"it clips to [{low:g}, {high:g}]; [0, 6], [0, inf] and [-1, 1] are supported")
    activation, operator = _ACTIVATIONS[low, high]
    if not lowering.fuse_activation(node, activation):
        if lowering.computes_in(node) is not None and operator not in INTEGER_VERSIONS:
            refuse(node, f"alone, it cannot clip int8 to [{low:g}, {high:g}]")
        lowering.emit(node, operator, [lowering.tensor(node.inputs[0], node)])


def lower_quantize(lowering: Lowering, node: Node) -> None:
    """QuantizeLinear: nothing where an integer operator comes before it, else QUANTIZE."""
    lowering.quantise(node)


def lower_dequantize(lowering: Lowering, node: Node) -> None:
    """DequantizeLinear: nothing; float operators that read it add a DEQUANTIZE, integer ones read what it reads."""


RULES: dict[str, Callable[[Lowering, Node], None]] = {
    "Add": lower_add,
    "AveragePool": lower_average_pool,
    "Clip": lower_clip,
    "Concat": lower_concat,
    "Conv": lower_conv,
    "ConvTranspose": lower_conv_transpose,
    "DequantizeLinear": lower_dequantize,
    "GlobalAveragePool": lower_global_mean,
    "Mul": lower_mul,
    "QuantizeLinear": lower_quantize,
    "ReduceMean": lower_global_mean,
    "Relu": lower_clip,
    "Sigmoid": lower_sigmoid,
}


def _repeated_along_a_row(lowering: Lowering, node: Node, tensor: int) -> int:
    """``tensor``, or where it is a gate (a factor a channel) that ``node`` applies to a large image: as a whole row.

    XNNPACK calls its kernel for every pixel of a gated image, for a few dozen products each; of a row it makes one
    call. One times a step is that step: the integers are the same.
    """
    _, height, width, channels = lowering.nhwc(node.output, node)
    if lowering.writer.shape(tensor) != (1, 1, 1, channels) or height * width < WORTH_A_ROW:
        return tensor
    unit = Quantisation(np.ones(1, np.float32), np.zeros(1, np.int64))
    ones = lowering.writer.add_constant(f"{node.output}_ones", np.ones((1, 1, width, 1), np.int8), unit)
    row = (1, 1, width, channels)
    return lowering.emit_between(node, "gate_row", row, Operator.MUL, [tensor, ones], schema.MulOptionsT())


def _average_by_convolution(lowering: Lowering, node: Node, image: int) -> None:
    """The int8 AveragePool of an already padded ``image``.

    As a convolution it may change steps, and XNNPACK, which has no int8 pooling, takes it.
    """
    height, width = node.attributes["kernel_shape"]
    channels = lowering.nhwc(node.output, node)[3]
    share = Quantisation(np.array([1 / (height * width)], np.float32), np.zeros(1, np.int64))
    ones = np.ones((1, height, width, channels), np.int8)
    filters = lowering.writer.add_constant(f"{node.output}_filters", ones, share)
    options = schema.DepthwiseConv2DOptionsT()
    options.strideH, options.strideW = node.attributes.get("strides", (1, 1))
    options.padding = Padding.VALID
    options.depthMultiplier = 1
    inputs = [image, filters, lowering.bias(node, channels, image, filters)]
    lowering.emit(node, Operator.DEPTHWISE_CONV_2D, inputs, options)


def _padded(
    lowering: Lowering, node: Node, kernel: tuple[int, ...], with_zeros: bool = True, with_same: bool = True
) -> tuple[int, int]:
    """The tensor to slide over and the TFLite padding scheme; a PAD adds zeros where no scheme fits."""
    image = lowering.tensor(node.inputs[0], node)
    shape = lowering.nhwc(node.inputs[0], node)
    if node.attributes.get("ceil_mode", 0):
        refuse(node, "it rounds its output size up")
    strides = node.attributes.get("strides", (1, 1))
    dilations = node.attributes.get("dilations", (1, 1))
    pads = explicit_pads(node, shape[1:3], kernel, strides, dilations)
    if not any(pads):
        return image, Padding.VALID
    if with_same and is_same_padding(pads, shape[1:3], kernel, strides, dilations):
        return image, Padding.SAME
    if not with_zeros:
        refuse(node, f"its padding {list(pads)} is neither TFLite's SAME nor VALID")
    return _pad(lowering, node, image, pads, shape), Padding.VALID


def _pad(lowering: Lowering, node: Node, image: int, pads: Pads, shape: Shape) -> int:
    top, left, bottom, right = pads
    batch, height, width, channels = shape
    amounts = lowering.integers(f"{node.output}_paddings", np.array([[0, 0], [top, bottom], [left, right], [0, 0]]))
    padded = (batch, top + height + bottom, left + width + right, channels)
    return lowering.emit_between(node, "padded", padded, Operator.PAD, [image, amounts], schema.PadOptionsT())


def _clip_range(lowering: Lowering, node: Node) -> tuple[float, float]:
    bounds = []
    for index, default in ((1, -np.inf), (2, np.inf)):
        given = len(node.inputs) > index and node.inputs[index]
        bounds.append(float(lowering.parameter(node.inputs[index], node).reshape(())) if given else default)
    return bounds[0], bounds[1]
