"""The state of one lowering: which TFLite tensor stands for which ONNX value, and how operators are added.

Rank-4 ONNX values are NCHW; their TFLite tensors are NHWC. No transpose is ever emitted: the network is built
of operators that act alike in both layouts once weights and axes are permuted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgepose.conversion.lower_onnx_to_tflite.integer_values import IntegerValues
from edgepose.conversion.lower_onnx_to_tflite.rescaling import check_rescaling
from edgepose.conversion.lower_onnx_to_tflite.tflite_writer import Quantisation, TfliteWriter
from edgepose.conversion.onnx_graph import Node, OnnxGraph, Shape, Value
from edgepose.runtime.errors import ConversionError

Operator = schema.BuiltinOperator

# The lowest version of each operator that describes its float form truthfully (TensorFlow's
# ``lite/tools/versioning/op_version.cc``): parsers on devices refuse versions newer than themselves.
FLOAT_VERSIONS = {
    Operator.ADD: 1,
    Operator.AVERAGE_POOL_2D: 1,
    Operator.CONCATENATION: 1,
    Operator.CONV_2D: 1,
    Operator.DEPTHWISE_CONV_2D: 1,
    Operator.DEQUANTIZE: 3,  # float16 to float32
    Operator.LOGISTIC: 1,
    Operator.MEAN: 1,
    Operator.MUL: 1,
    Operator.PAD: 1,
    Operator.RELU: 1,
    Operator.RELU6: 1,
    Operator.RELU_N1_TO_1: 1,
    Operator.TRANSPOSE_CONV: 1,
}
# The same for int8. Where it is float on one side, QUANTIZE and DEQUANTIZE are those of int8.
INTEGER_VERSIONS = {
    Operator.ADD: 2,
    Operator.CONCATENATION: 2,
    Operator.CONV_2D: 3,
    Operator.DEPTHWISE_CONV_2D: 3,
    Operator.DEQUANTIZE: 2,
    Operator.LOGISTIC: 2,
    Operator.MEAN: 2,
    Operator.MUL: 2,
    Operator.PAD: 2,
    Operator.QUANTIZE: 1,
    Operator.RELU: 2,
    Operator.RELU6: 2,
    Operator.TRANSPOSE_CONV: 2,
}
# TFLite fixes what the integers of LOGISTIC's output stand for.
LOGISTIC_QUANTISATION = Quantisation(np.array([1 / 256], np.float32), np.array([-128]))
# An int32 bias this large leaves its accumulator no room.
MAX_BIAS = 1 << 30


class Lowering:
    """Lowers one graph: ``shapes`` are the ONNX shapes of all values, ``constants`` the graph's float arrays.

    Operators between DequantizeLinear and QuantizeLinear are lowered to int8 ones, all others to float32 ones;
    what passes from one side to the other goes through QUANTIZE or DEQUANTIZE. ``repeats_gates``: see
    :func:`lower_onnx_to_tflite`.
    """

    def __init__(self, graph: OnnxGraph, weights: str, repeats_gates: bool) -> None:
        self.repeats_gates = repeats_gates
        self.shapes = graph.shapes()
        self.constants = graph.constants
        self.writer = TfliteWriter()
        self._integer_values = IntegerValues(graph)
        self._readers = {name: len(nodes) for name, nodes in graph.consumers().items()}
        self._outputs = set(graph.outputs)
        self._tensors: dict[str, int] = {}
        self._dequantised: dict[int, int] = {}  # int8 tensor -> its float32 tensor, where something reads that
        self._makers: dict[str, schema.OperatorT] = {}
        self._half = weights == "float16"

    def nhwc(self, name: str, node: Node) -> Shape:
        """NHWC shape of the rank-4 value ``name`` that ``node`` uses."""
        shape = self.shapes[name]
        if len(shape) != 4:
            refuse(node, f"'{name}' has the shape {list(shape)}; only batches of images (rank 4) are supported")
        return shape[0], shape[2], shape[3], shape[1]

    def computes_in(self, node: Node) -> Quantisation | None:
        """How ``node``'s output is quantised where it computes in integers; None where it computes in float."""
        return self._integer_values.computed(node)

    def add_input(self, value: Value) -> int:
        """The tensor that stands for the graph input ``value``: int8 where it is only ever quantised."""
        if len(value.shape) != 4:
            raise ConversionError(
                f"the input '{value.name}' has the shape {list(value.shape)}, not [1, 3, height, width]"
            )
        batch, channels, height, width = value.shape
        self._tensors[value.name] = self.writer.add_activation(
            value.name, (batch, height, width, channels), self._integer_values.written(value.name)
        )
        return self._tensors[value.name]

    def result(self, name: str, node: Node) -> int:
        """The tensor that stands for the graph output ``name``: int8 where an integer operator computes it."""
        if name in self._integer_values.sources:
            tensor = self._tensors[self._integer_values.sources[name]]
            self.writer.rename(tensor, name)
            return tensor
        return self.tensor(name, node)

    def tensor(self, name: str, node: Node) -> int:
        """Tensor index of a value that ``node`` reads: computed by an earlier operator, or a constant in NHWC.

        It is int8 where ``node`` computes in integers.
        """
        integers = self.computes_in(node) is not None
        if name in self._integer_values.sources:
            tensor = self._tensors[self._integer_values.sources[name]]
            return tensor if integers else self._restored(tensor, name)
        key = f"{name} as integers" if integers else name
        if key not in self._tensors:
            if name not in self.constants and name not in self._integer_values.constants:
                refuse(node, f"its input '{name}' is computed by nothing")
            self._tensors[key] = self._constant(name, node, lambda array: broadcastable_nhwc(array, name, node))
        return self._tensors[key]

    def parameter(self, name: str, node: Node) -> np.ndarray:
        """The float constant ``name``; refused where it is computed at run time."""
        if name in self._integer_values.constants:
            integers, quantisation = self._integer_values.constants[name]
            shape = [-1 if axis == quantisation.axis else 1 for axis in range(integers.ndim)]
            scale, zero_point = quantisation.scale.reshape(shape), quantisation.zero_point.reshape(shape)
            return ((integers.astype(np.int64) - zero_point) * scale).astype(np.float32)
        if name not in self.constants:
            refuse(node, f"'{name}' is not a constant")
        return self.constants[name]

    def filters(self, node: Node, arrange: Callable[[np.ndarray], np.ndarray], onnx_axis: int, tflite_axis: int) -> int:
        """The weights of a convolution, in TFLite's layout by ``arrange``; returns the tensor's index.

        Their output channels lie along ``onnx_axis`` in ONNX's layout and along ``tflite_axis`` in TFLite's. int8
        where ``node`` computes in integers, else float.
        """
        name = node.inputs[1]
        integers = self._integer_values.constants.get(name)
        if integers is not None and self.computes_in(node) is not None:
            quantisation = integers.quantisation
            if quantisation.zero_point.any():
                refuse(node, f"the zero points of its weights '{name}' are not all 0")
            if quantisation.scale.size > 1 and quantisation.axis != onnx_axis:
                refuse(node, f"the scales of its weights '{name}' do not lie along the output channels")
        return self._constant(name, node, arrange, tflite_axis)

    def _constant(
        self, name: str, node: Node, arrange: Callable[[np.ndarray], np.ndarray], axis: int | None = None
    ) -> int:
        if self.computes_in(node) is None:
            return self._floats(name, arrange(self.parameter(name, node)))
        if name not in self._integer_values.constants:
            refuse(node, f"'{name}' is a float constant of an integer operator")
        integers, quantisation = self._integer_values.constants[name]
        if quantisation.scale.size > 1 and axis is None:
            refuse(node, f"its constant '{name}' has {quantisation.scale.size} scales; only filters have more than one")
        return self.writer.add_constant(name, arrange(integers), quantisation._replace(axis=axis or 0))

    def bias(self, node: Node, channels: int, image: int, filters: int) -> int:
        """The bias of a convolution of the tensors ``image`` and ``filters``, zero where it has none.

        int32 where ``node`` computes in integers, in the steps of its products. Raises
        :class:`ConversionError` where it would saturate.
        """
        has_bias = len(node.inputs) > 2 and bool(node.inputs[2])
        values = self.parameter(node.inputs[2], node) if has_bias else np.zeros(channels, np.float32)
        name = node.inputs[2] if has_bias else f"{node.output}_bias"
        if self.computes_in(node) is None:
            return self._floats(name, values)
        inputs, weights = self.writer.quantisation(image), self.writer.quantisation(filters)
        assert inputs is not None
        assert weights is not None
        scale = (inputs.scale.astype(np.float64) * weights.scale).astype(np.float32)
        steps = np.round(values.astype(np.float64) / scale)
        if np.abs(steps).max(initial=0) > MAX_BIAS:
            refuse(node, f"its bias is {np.abs(steps).max():.2g} steps of its integers, more than int32 can hold")
        zero_point = np.zeros(scale.size, np.int64)
        # Per tensor where the weights are, so that the kernel finds one scale.
        return self.writer.add_constant(name, steps.astype(np.int32), Quantisation(scale, zero_point))

    def _floats(self, name: str, array: np.ndarray) -> int:
        array = array.astype(np.float32)
        if not self._half or array.ndim < 2:
            return self.writer.add_constant(name, array)
        with np.errstate(over="ignore"):
            half = array.astype(np.float16)
        if not np.isfinite(half).all():
            raise ConversionError(
                f"the weights '{name}' reach {np.abs(array).max():.3g}, beyond float16's 65504",
                "convert with --precision fp32",
            )
        stored = self.writer.add_constant(f"{name}_float16", half)
        restored = self.writer.add_activation(name, array.shape)
        self._add(Operator.DEQUANTIZE, [stored], restored, schema.DequantizeOptionsT())
        return restored

    def quantise(self, node: Node) -> None:
        """Lower a QuantizeLinear node: nothing to do where an integer operator computed its input."""
        quantisation = self._integer_values.quantisation(node)
        source = self._integer_values.sources.get(node.inputs[0], node.inputs[0])
        if source not in self._tensors:
            refuse(node, f"its input '{node.inputs[0]}' is computed by nothing")
        self._tensors[node.output] = self.requantised(self._tensors[source], quantisation, node.output)

    def requantised(self, tensor: int, quantisation: Quantisation, name: str) -> int:
        """``tensor``, float or int8, as int8 of ``quantisation``; itself where it is that already."""
        found = self.writer.quantisation(tensor)
        if found is not None and found.same_as(quantisation):
            return tensor
        result = self.writer.add_activation(name, self.writer.shape(tensor), quantisation)
        self._add(Operator.QUANTIZE, [tensor], result, schema.QuantizeOptionsT())
        return result

    def _restored(self, tensor: int, name: str) -> int:
        if tensor not in self._dequantised:
            self._dequantised[tensor] = self.writer.add_activation(name, self.writer.shape(tensor))
            self._add(Operator.DEQUANTIZE, [tensor], self._dequantised[tensor], schema.DequantizeOptionsT())
        return self._dequantised[tensor]

    def integers(self, name: str, values: Sequence[int] | np.ndarray) -> int:
        """An int32 constant (axes, paddings, shapes); returns its index."""
        return self.writer.add_constant(name, np.asarray(values, dtype=np.int32))

    def emit(
        self, node: Node, code: int, inputs: Sequence[int], options: object = None, version: int | None = None
    ) -> None:
        """Add the operator that computes ``node``'s output."""
        output = self.writer.add_activation(node.output, self.nhwc(node.output, node), self.computes_in(node))
        self._tensors[node.output] = output
        self._makers[node.output] = self._add(code, inputs, output, options, version)

    def emit_between(
        self, node: Node, name: str, shape: Shape, code: int, inputs: Sequence[int], options: object
    ) -> int:
        """Add an operator that only ``node``'s own operator reads; returns the index of its output.

        Its integers, where the first of ``inputs`` are some, mean what that one's mean.
        """
        output = self.writer.add_activation(f"{node.output}_{name}", shape, self.writer.quantisation(inputs[0]))
        self._add(code, inputs, output, options)
        return output

    def fuse_activation(self, node: Node, activation: int) -> bool:
        """Let the operator before ``node`` apply ``activation``, where it can and nothing else reads it."""
        source = node.inputs[0]
        maker = self._makers.get(source)
        if maker is None or not isinstance(maker.builtinOptions, _FUSABLE):
            return False
        options: Any = maker.builtinOptions
        is_free = options.fusedActivationFunction == schema.ActivationFunctionType.NONE
        if not is_free or self._readers[source] > 1 or source in self._outputs:
            return False
        options.fusedActivationFunction = activation
        self._makers[node.output] = maker
        self._tensors[node.output] = self._tensors[source]
        self.writer.rename(self._tensors[source], node.output)
        return True

    def _add(
        self, code: int, inputs: Sequence[int], output: int, options: object, version: int | None = None
    ) -> schema.OperatorT:
        read, written = [self.writer.quantisation(tensor) for tensor in inputs], self.writer.quantisation(output)
        if written is not None and any(read):
            check_rescaling(code, read, written, self.writer.name(output))
        integers = written is not None or any(read)
        versions = INTEGER_VERSIONS if integers else FLOAT_VERSIONS
        return self.writer.add_operator(code, version or versions[code], inputs, [output], options)


# Options of the operators whose kernels clamp their own output.
_FUSABLE = (
    schema.Conv2DOptionsT,
    schema.DepthwiseConv2DOptionsT,
    schema.AddOptionsT,
    schema.MulOptionsT,
    schema.Pool2DOptionsT,
)


def refuse(node: Node, problem: str) -> NoReturn:
    """Raise the :class:`ConversionError` that names ``node`` and its ``problem``."""
    raise ConversionError(
        f"{node.describe()} cannot be lowered to TFLite: {problem}",
        "export the unchanged EfficientPose network",
    )


def broadcastable_nhwc(array: np.ndarray, name: str, node: Node) -> np.ndarray:
    """A constant operand of a broadcasting operator, from NCHW to NHWC (a scalar stays one)."""
    if array.ndim > 4:
        refuse(node, f"the constant '{name}' has the shape {list(array.shape)}")
    if array.size == 1:
        return array.reshape(())
    return array.reshape((1,) * (4 - array.ndim) + array.shape).transpose(0, 2, 3, 1)
