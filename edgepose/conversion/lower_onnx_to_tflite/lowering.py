"""The state of one lowering: which TFLite tensor stands for which ONNX value, and how operators are added.

Rank-4 ONNX values are NCHW; their TFLite tensors are NHWC. No transpose is ever emitted: the network is built
of operators that act alike in both layouts once weights and axes are permuted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgepose.conversion.lower_onnx_to_tflite.tflite_writer import TfliteWriter
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


class Lowering:
    """Lowers one graph: ``shapes`` are the ONNX shapes of all values, ``constants`` the graph's arrays."""

    def __init__(self, graph: OnnxGraph, weights: str) -> None:
        self.shapes = graph.shapes()
        self.constants = graph.constants
        self.writer = TfliteWriter()
        self._readers = {name: len(nodes) for name, nodes in graph.consumers().items()}
        self._outputs = set(graph.outputs)
        self._tensors: dict[str, int] = {}
        self._makers: dict[str, schema.OperatorT] = {}
        self._half = weights == "float16"

    def nhwc(self, name: str, node: Node) -> Shape:
        """NHWC shape of the rank-4 value ``name`` that ``node`` uses."""
        shape = self.shapes[name]
        if len(shape) != 4:
            refuse(node, f"'{name}' has the shape {list(shape)}; only batches of images (rank 4) are supported")
        return shape[0], shape[2], shape[3], shape[1]

    def add_input(self, value: Value) -> int:
        """The tensor that stands for the graph input ``value``."""
        if len(value.shape) != 4:
            raise ConversionError(
                f"the input '{value.name}' has the shape {list(value.shape)}, not [1, 3, height, width]"
            )
        batch, channels, height, width = value.shape
        self._tensors[value.name] = self.writer.add_activation(value.name, (batch, height, width, channels))
        return self._tensors[value.name]

    def tensor(self, name: str, node: Node) -> int:
        """Tensor index of a value that an earlier operator computed, or of a constant operand in NHWC."""
        if name not in self._tensors:
            if name not in self.constants:
                refuse(node, f"its input '{name}' is computed by nothing")
            self._tensors[name] = self.weights(name, broadcastable_nhwc(self.constants[name], name, node))
        return self._tensors[name]

    def parameter(self, name: str, node: Node) -> np.ndarray:
        """The constant ``name``; refused where it is computed at run time."""
        if name not in self.constants:
            refuse(node, f"'{name}' is not a constant")
        return self.constants[name]

    def weights(self, name: str, array: np.ndarray) -> int:
        """A float constant in TFLite's layout, stored as asked for; returns the float32 tensor's index."""
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

    def integers(self, name: str, values: Sequence[int] | np.ndarray) -> int:
        """An int32 constant (axes, paddings, shapes); returns its index."""
        return self.writer.add_constant(name, np.asarray(values, dtype=np.int32))

    def emit(
        self, node: Node, code: int, inputs: Sequence[int], options: object = None, version: int | None = None
    ) -> None:
        """Add the operator that computes ``node``'s output."""
        output = self.writer.add_activation(node.output, self.nhwc(node.output, node))
        self._tensors[node.output] = output
        self._makers[node.output] = self._add(code, inputs, output, options, version)

    def emit_between(
        self, node: Node, name: str, shape: Shape, code: int, inputs: Sequence[int], options: object
    ) -> int:
        """Add an operator that only ``node``'s own operator reads; returns the index of its output."""
        output = self.writer.add_activation(f"{node.output}_{name}", shape)
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
        return self.writer.add_operator(code, version or FLOAT_VERSIONS[code], inputs, [output], options)


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
