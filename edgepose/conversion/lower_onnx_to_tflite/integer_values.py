"""What the QuantizeLinear and DequantizeLinear nodes of a graph say: which operators compute in integers.

Explicit quantisation, as ONNX Runtime and TensorRT read it: an operator computes in int8 where all that it reads
comes out of DequantizeLinear and all that it computes goes into QuantizeLinear. Every other operator is float, so a
convolution whose weights alone are quantised is one. Float constants are left aside here: a bias and the bounds of a
clip are float in either case, and the rules refuse any other float constant of an operator in int8.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edgepose.conversion.lower_onnx_to_tflite.tflite_writer import Quantisation
from edgepose.conversion.onnx_graph import Node, OnnxGraph
from edgepose.runtime.errors import ConversionError

QUANTIZE, DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
# Operators whose TFLite kernels clamp their own output: the Clip behind them is part of them.
CLAMPING = ("Add", "AveragePool", "Conv", "Mul")
_CLAMPS = ("Clip", "Relu")


class IntegerConstant(NamedTuple):
    """A constant that is stored as int8, in ONNX's layout; ``quantisation.axis`` is an axis of that layout."""

    integers: np.ndarray
    quantisation: Quantisation


class IntegerValues:
    """The integer side of one Q/DQ graph.

    ``constants``: by the name that operators read, the constants stored as int8. ``sources``: the value that goes
    into each activation's DequantizeLinear, by the name of what comes out.
    """

    def __init__(self, graph: OnnxGraph) -> None:
        self._graph = graph
        self._consumers = graph.consumers()
        makers = graph.producers()
        self.constants: dict[str, IntegerConstant] = {}
        self.sources: dict[str, str] = {}
        for node in graph.nodes:
            if node.operator != DEQUANTIZE:
                continue
            if node.inputs[0] in graph.constants:
                integers = graph.constants[node.inputs[0]]
                if integers.dtype != np.int8:
                    raise ConversionError(f"{node.describe()} restores {integers.dtype}; constants are stored as int8")
                self.constants[node.output] = IntegerConstant(integers, self.quantisation(node))
            else:
                maker = makers[node.inputs[0]]
                if maker.operator != QUANTIZE or not self.quantisation(node).same_as(self.quantisation(maker)):
                    raise ConversionError(f"{node.describe()} does not restore what {maker.describe()} wrote")
                self.sources[node.output] = node.inputs[0]

    def quantisation(self, node: Node) -> Quantisation:
        """What a QuantizeLinear or DequantizeLinear node says.

        Raises :class:`ConversionError` for other than int8, and for activations of more than one scale.
        """
        missing = [name for name in node.inputs[1:3] if name not in self._graph.constants]
        if len(node.inputs) != 3 or missing:
            raise ConversionError(f"{node.describe()} has no constant scale and zero point")
        scale, zero_point = (self._graph.constants[name].reshape(-1) for name in node.inputs[1:3])
        if zero_point.dtype != np.int8:
            raise ConversionError(f"{node.describe()} is of {zero_point.dtype}; TFLite engines compute in int8")
        if not (np.isfinite(scale) & (scale > 0)).all() or scale.size != zero_point.size:
            raise ConversionError(f"{node.describe()} has scales that are not positive numbers, one a zero point")
        if scale.size == 1:
            return Quantisation(scale.astype(np.float32), zero_point.astype(np.int64))
        if node.inputs[0] not in self._graph.constants:
            raise ConversionError(f"{node.describe()} has {scale.size} scales; TFLite activations have one")
        axis = node.attributes.get("axis", 1) % self._graph.constants[node.inputs[0]].ndim
        return Quantisation(scale.astype(np.float32), zero_point.astype(np.int64), axis)

    def written(self, value: str) -> Quantisation | None:
        """How ``value`` is quantised where nothing reads it but QuantizeLinear nodes that agree; None elsewhere."""
        readers = self._consumers.get(value, [])
        if value in self._graph.outputs or not readers or any(node.operator != QUANTIZE for node in readers):
            return None
        first, *others = (self.quantisation(node) for node in readers)
        return first if all(first.same_as(other) for other in others) else None

    def computed(self, node: Node) -> Quantisation | None:
        """How the output of ``node`` is quantised where it computes in integers; None where it computes in float."""
        read = [name for name in node.inputs if name and name not in self._graph.constants]
        if not read or any(name not in self.sources and name not in self.constants for name in read):
            return None
        if node.operator in ("Conv", "ConvTranspose") and node.inputs[1] not in self.constants:
            return None
        readers = self._consumers.get(node.output, [])
        clamped = node.operator in CLAMPING and len(readers) == 1 and readers[0].operator in _CLAMPS
        return self.written(readers[0].output if clamped and node.output not in self._graph.outputs else node.output)
