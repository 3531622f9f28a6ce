"""Writes TFLite flatbuffers: tensors, operators and inline constants, in bytes that depend on nothing else.

Uses the schema classes that ``ai-edge-litert`` ships. Source of the format: ``schema.fbs`` of TensorFlow
Lite, version 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

FILE_IDENTIFIER = b"TFL3"
SCHEMA_VERSION = 3
# Kernels map constants straight from the file and read them with vector loads.
BUFFER_ALIGNMENT = 16
# Codes up to this one also go into the field that readers older than schema 3a look at.
MAX_DEPRECATED_CODE = 127

OPERATOR_NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if name.isupper()}
_TENSOR_TYPES = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.float16): schema.TensorType.FLOAT16,
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.int32): schema.TensorType.INT32,
}


class Quantisation(NamedTuple):
    """How integers stand for numbers: ``real = (integer - zero_point) * scale``.

    ``scale`` float32 and ``zero_point`` int64, both [1], or [channels] along the tensor's ``axis``.
    """

    scale: np.ndarray
    zero_point: np.ndarray
    axis: int = 0

    def same_as(self, other: Quantisation) -> bool:
        """Whether both give every integer the same meaning."""
        return np.array_equal(self.scale, other.scale) and np.array_equal(self.zero_point, other.zero_point)


class TfliteWriter:
    """Collects one subgraph and serialises it. Tensors are referred to by index, as in the format itself."""

    def __init__(self) -> None:
        self._tensors: list[schema.TensorT] = []
        self._buffers: list[schema.BufferT] = [_AlignedBuffer()]  # buffer 0 is empty by convention
        self._operators: list[schema.OperatorT] = []
        self._operator_codes: dict[tuple[int, int], int] = {}
        self._quantisations: dict[int, Quantisation] = {}

    def add_activation(self, name: str, shape: Sequence[int], quantisation: Quantisation | None = None) -> int:
        """A tensor that some operator computes, or an input of the model; returns its index.

        It is int8 where a ``quantisation`` is given, float32 elsewhere.
        """
        dtype = np.dtype(np.float32 if quantisation is None else np.int8)
        return self._add_tensor(name, shape, dtype, 0, quantisation)

    def add_constant(self, name: str, array: np.ndarray, quantisation: Quantisation | None = None) -> int:
        """A constant tensor (float32, float16, int32 or int8), stored inside the file; returns its index."""
        buffer = _AlignedBuffer()
        buffer.data = np.frombuffer(array.tobytes(), dtype=np.uint8)
        self._buffers.append(buffer)
        return self._add_tensor(name, array.shape, array.dtype, len(self._buffers) - 1, quantisation)

    def add_operator(
        self, code: int, version: int, inputs: Sequence[int], outputs: Sequence[int], options: object = None
    ) -> schema.OperatorT:
        """Append an operator of ``schema.BuiltinOperator``; ``options`` is its ``*OptionsT`` table."""
        operator = schema.OperatorT()
        operator.opcodeIndex = self._operator_codes.setdefault((code, version), len(self._operator_codes))
        operator.inputs = list(inputs)
        operator.outputs = list(outputs)
        if options is not None:
            table = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            operator.builtinOptions = options
        self._operators.append(operator)
        return operator

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Shape of a tensor."""
        return tuple(self._tensors[tensor].shape)

    def quantisation(self, tensor: int) -> Quantisation | None:
        """What the integers of a tensor stand for; None for a float tensor."""
        return self._quantisations.get(tensor)

    def name(self, tensor: int) -> str:
        """Name of a tensor."""
        return self._tensors[tensor].name

    def rename(self, tensor: int, name: str) -> None:
        """Give a tensor another name."""
        self._tensors[tensor].name = name

    def operator_counts(self) -> dict[str, int]:
        """How many operators of each kind there are, by name, sorted."""
        names = [OPERATOR_NAMES[code] for code, _ in self._operator_codes]
        counts = dict.fromkeys(sorted(names), 0)
        for operator in self._operators:
            counts[names[operator.opcodeIndex]] += 1
        return counts

    def to_bytes(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """Serialise the model with the given input and output tensors."""
        subgraph = schema.SubGraphT()
        subgraph.name = "efficientpose"
        subgraph.tensors = self._tensors
        subgraph.operators = self._operators
        subgraph.inputs = list(inputs)
        subgraph.outputs = list(outputs)
        model = schema.ModelT()
        model.version = SCHEMA_VERSION
        model.description = "edgepose"
        model.operatorCodes = [_operator_code(code, version) for code, version in self._operator_codes]
        model.subgraphs = [subgraph]
        model.buffers = self._buffers
        constants = sum(len(buffer.data) for buffer in self._buffers if buffer.data is not None)
        builder = flatbuffers.Builder(constants + (1 << 16))
        builder.Finish(model.Pack(builder), file_identifier=FILE_IDENTIFIER)
        return bytes(builder.Output())

    def _add_tensor(
        self, name: str, shape: Sequence[int], dtype: np.dtype, buffer: int, quantisation: Quantisation | None
    ) -> int:
        tensor = schema.TensorT()
        tensor.name = name
        tensor.shape = [int(side) for side in shape]
        tensor.type = _TENSOR_TYPES[dtype]
        tensor.buffer = buffer
        if quantisation is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = quantisation.scale.astype(np.float32).tolist()
            tensor.quantization.zeroPoint = quantisation.zero_point.tolist()
            tensor.quantization.quantizedDimension = quantisation.axis
            self._quantisations[len(self._tensors)] = quantisation
        self._tensors.append(tensor)
        return len(self._tensors) - 1


class _AlignedBuffer(schema.BufferT):
    """A buffer with data on a 16-byte boundary: the generated ``Pack`` ignores ``force_align``."""

    def Pack(self, builder: flatbuffers.Builder) -> int:  # noqa: N802
        data = None
        if self.data is not None:
            builder.StartVector(1, len(self.data), BUFFER_ALIGNMENT)
            head = builder.head - len(self.data)
            builder.head = head
            builder.Bytes[head : head + len(self.data)] = self.data.tobytes()
            data = builder.EndVector()
        schema.BufferStart(builder)
        if data is not None:
            schema.BufferAddData(builder, data)
        return schema.BufferEnd(builder)


def _operator_code(code: int, version: int) -> schema.OperatorCodeT:
    entry = schema.OperatorCodeT()
    entry.builtinCode = code
    entry.deprecatedBuiltinCode = min(code, MAX_DEPRECATED_CODE)
    entry.version = version
    return entry
