"""Reads any TFLite file into plain records: what the rules of the Edge TPU look at, and no more.

The file may be anybody's: it is bounded before it is read, and whatever does not parse is one clear error. Uses the
schema classes that ``ai-edge-litert`` ships.
"""

from __future__ import annotations

import math
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgepose.conversion.lower_onnx_to_tflite.tflite_writer import FILE_IDENTIFIER, OPERATOR_NAMES
from edgepose.runtime.errors import ConversionError

# An Edge TPU has 8 MB on chip; Coral's largest published model has 27 MB.
MAX_FILE_BYTES = 100_000_000
MAX_TENSORS = 100_000
MAX_RANK = 16
MAX_NAME_BYTES = 200
DTYPES = {code: name.lower() for name, code in vars(schema.TensorType).items() if name.isupper()}
ACTIVATIONS = {code: name for name, code in vars(schema.ActivationFunctionType).items() if name.isupper()}
# Where newer files say a buffer lies that is not in the flatbuffer; 0 and 1 mean that it is.
_INSIDE = (0, 1)
# The fields of operators' options that rules ask for, by the options' table.
_OPTIONS = {
    "AddOptions": ("FusedActivationFunction",),
    "ConcatenationOptions": ("Axis", "FusedActivationFunction"),
    "Conv2DOptions": ("DilationHFactor", "DilationWFactor"),
    "DepthwiseConv2DOptions": ("DilationHFactor", "DilationWFactor"),
    "FullyConnectedOptions": ("WeightsFormat", "KeepNumDims"),
    "PackOptions": ("Axis",),
    "Pool2DOptions": ("FusedActivationFunction",),
    "StridedSliceOptions": ("EllipsisMask", "NewAxisMask"),
}
_OPTION_TABLES = {code: name for name, code in vars(schema.BuiltinOptions).items() if not name.startswith("_")}
# How flatbuffers that are cut short, or are none, fail.
_DAMAGES = (struct.error, ValueError, IndexError, TypeError, OverflowError, AttributeError, MemoryError, KeyError)


@dataclass(frozen=True)
class Tensor:
    """One tensor. ``shape`` is static; ``dynamic`` where the file says that some side is not.

    ``scale`` and ``zero_point``: what its integers mean, of the first channel; None where it has none. ``data``: the
    bytes of a constant, None for what is computed. ``outside``: its bytes lie behind the flatbuffer.
    """

    name: str
    shape: tuple[int, ...]
    dynamic: bool
    dtype: str
    scale: float | None
    zero_point: int | None
    data: np.ndarray | None
    outside: bool

    @property
    def quantised(self) -> bool:
        """Whether its integers stand for numbers."""
        return self.scale is not None

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    def integers(self) -> list[int] | None:
        """The values of an int32 or int64 constant, flat; None for any other tensor."""
        widths = {"int32": np.int32, "int64": np.int64}
        if self.data is None or self.dtype not in widths:
            return None
        width = np.dtype(widths[self.dtype])
        whole = len(self.data) // width.itemsize * width.itemsize
        return np.frombuffer(self.data[:whole].tobytes(), width).tolist()


@dataclass(frozen=True)
class Operator:
    """One operator of the graph: its schema name (a custom one's own), version, tensors (-1 is left out), options."""

    name: str
    version: int
    custom: bool
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Any]


@dataclass(frozen=True)
class TfliteFile:
    """The main graph of a file of ``size`` bytes, which holds ``subgraphs`` of them."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    subgraphs: int
    size: int

    def read(self, operator: Operator) -> list[Tensor]:
        """The tensors that ``operator`` reads."""
        return [self.tensors[index] for index in operator.inputs if index >= 0]

    def written(self, operator: Operator) -> list[Tensor]:
        """The tensors that ``operator`` writes."""
        return [self.tensors[index] for index in operator.outputs]


def read_tflite_path(path: Path) -> bytes:
    """The bytes of the file at ``path``. Raises :class:`ConversionError` where it cannot be read or is too large."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would wait for its writer
            kind = "a folder" if path.is_dir() else "no regular file"
            raise ConversionError(f"{path} is {kind}, not a TFLite file", "name the file")
        size = status.st_size
        if size > MAX_FILE_BYTES:
            raise ConversionError(
                f"{path} has {size / 1e6:.0f} MB; at most {MAX_FILE_BYTES / 1e6:.0f} MB are read",
                "an Edge TPU keeps 8 MB of parameters on chip: use a smaller network",
            )
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ConversionError(f"there is no file {path}", "check the path") from error
    except OSError as error:
        raise ConversionError(f"cannot read {path}: {error.strerror}", "check the path and rights") from error


def begins_as_tflite(path: Path) -> bool:
    """Whether the file at ``path`` says at its beginning that it is a TFLite file."""
    with path.open("rb") as file:
        return file.read(8)[4:] == FILE_IDENTIFIER


def parse_tflite(data: bytes, name: str = "the engine") -> TfliteFile:
    """Read a TFLite file. Raises :class:`ConversionError` where ``data`` is none, is damaged, or is too large."""
    if len(data) > MAX_FILE_BYTES:
        raise ConversionError(f"{name} has {len(data) / 1e6:.0f} MB", f"at most {MAX_FILE_BYTES / 1e6:.0f} MB are read")
    if data[4:8] != FILE_IDENTIFIER:
        raise ConversionError(f"{name} is not a TFLite file", "name a .tflite file, or a bundle that holds one")
    try:
        return _parse(data)
    except _DAMAGES as error:
        raise ConversionError(f"{name} is a damaged TFLite file: {error}", "copy or make it again") from error


def _parse(data: bytes) -> TfliteFile:
    model = schema.Model.GetRootAs(data, 0)
    if model.SubgraphsLength() < 1:
        raise ValueError("it holds no graph")
    graph = model.Subgraphs(0)
    codes = [_code(model.OperatorCodes(index)) for index in range(_bounded(model.OperatorCodesLength()))]
    tensors = tuple(_tensor(model, graph.Tensors(index)) for index in range(_bounded(graph.TensorsLength())))
    operators = tuple(
        _operator(codes, graph.Operators(index), len(tensors)) for index in range(_bounded(graph.OperatorsLength()))
    )
    inputs, outputs = (
        _indices(indices, len(tensors), 0) for indices in (graph.InputsAsNumpy(), graph.OutputsAsNumpy())
    )
    return TfliteFile(tensors, operators, inputs, outputs, model.SubgraphsLength(), len(data))


def _bounded(length: int) -> int:
    if length > MAX_TENSORS:
        raise ValueError(f"a list of {length} entries")
    return length


def _code(entry: Any) -> tuple[str, int, bool]:
    # Files older than schema 3a have the deprecated field alone.
    code = max(entry.BuiltinCode(), entry.DeprecatedBuiltinCode())
    custom = code == schema.BuiltinOperator.CUSTOM
    name = _printable(entry.CustomCode() or b"CUSTOM")
    return (name if custom else OPERATOR_NAMES.get(code, f"OPERATOR_{code}")), entry.Version(), custom


def _tensor(model: Any, tensor: Any) -> Tensor:
    shape = tuple(int(side) for side in _array(tensor.ShapeAsNumpy()))
    signature = tuple(int(side) for side in _array(tensor.ShapeSignatureAsNumpy()))
    if len(shape) > MAX_RANK or any(side < -1 for side in (*shape, *signature)):
        raise ValueError(f"a tensor of shape {list(shape)[:MAX_RANK]}")
    parameters = tensor.Quantization()
    has_scale = parameters is not None and parameters.ScaleLength() > 0
    place = tensor.Buffer()
    if not 0 <= place < model.BuffersLength():
        raise ValueError(f"a tensor in buffer {place}")
    buffer = model.Buffers(place)
    content = _array(buffer.DataAsNumpy())
    outside = buffer.Offset() not in _INSIDE
    return Tensor(
        name=_printable(tensor.Name() or b""),
        shape=shape,
        dynamic=-1 in (*shape, *signature),
        dtype=DTYPES.get(tensor.Type(), f"type {tensor.Type()}"),
        scale=float(parameters.Scale(0)) if has_scale else None,
        zero_point=int(parameters.ZeroPoint(0)) if has_scale and parameters.ZeroPointLength() else None,
        data=content if len(content) else None,
        outside=outside,
    )


def _operator(codes: list[tuple[str, int, bool]], operator: Any, tensors: int) -> Operator:
    name, version, custom = codes[operator.OpcodeIndex()]
    inputs = _indices(operator.InputsAsNumpy(), tensors, -1)
    outputs = _indices(operator.OutputsAsNumpy(), tensors, 0)
    return Operator(name, version, custom, inputs, outputs, _options(operator))


def _options(operator: Any) -> dict[str, Any]:
    table = _OPTION_TABLES.get(operator.BuiltinOptionsType(), "")
    raw = operator.BuiltinOptions()
    if table not in _OPTIONS or raw is None:
        return {}
    options = getattr(schema, table)()
    options.Init(raw.Bytes, raw.Pos)
    return {field: getattr(options, field)() for field in _OPTIONS[table]}


def _indices(array: Any, tensors: int, least: int) -> tuple[int, ...]:
    indices = tuple(int(index) for index in _array(array))
    if any(not least <= index < tensors for index in indices):
        raise ValueError("an operator refers to a tensor that is not there")
    return indices


def _printable(name: bytes) -> str:
    """A name as it may be shown: bounded, without what would move a terminal's cursor."""
    text = name[:MAX_NAME_BYTES].decode("utf-8", "replace")
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _array(values: Any) -> np.ndarray:
    """Of a vector of the flatbuffer; the generated accessors give 0 for one that is left out."""
    return np.zeros(0, np.uint8) if isinstance(values, int) else values
