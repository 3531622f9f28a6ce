"""Small TFLite files of any operator, as others might write them."""

from typing import NamedTuple

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

CODES = {name: code for name, code in vars(schema.BuiltinOperator).items() if name.isupper()}
TYPES = {name.lower(): code for name, code in vars(schema.TensorType).items() if name.isupper()}


class T(NamedTuple):
    """A tensor: shape, dtype, constant ``values`` or None, and the ``signature`` that says which sides are open."""

    shape: tuple
    dtype: str = "int8"
    values: object = None
    signature: tuple | None = None
    scale: float | None = 0.5
    zero_point: int = 0


class Op(NamedTuple):
    """An operator by its schema name, or ``custom:NAME``; its tensors by name; ``options`` (table, fields)."""

    name: str
    inputs: tuple
    outputs: tuple
    version: int = 1
    options: tuple | None = None


def tflite(tensors: dict, operators: list, inputs=("x",), outputs=("y",), subgraphs=1, outside=False) -> bytes:
    """The bytes of a model of ``tensors`` (name -> :class:`T`) and ``operators`` (:class:`Op`)."""
    model, graph, names = schema.ModelT(), schema.SubGraphT(), list(tensors)
    model.version, model.buffers, model.operatorCodes = 3, [schema.BufferT()], []
    graph.tensors = [_tensor(model, name, tensor, outside) for name, tensor in tensors.items()]
    graph.operators = []
    for operator in operators:
        entry = schema.OperatorCodeT()
        custom = operator.name.partition("custom:")[2]
        code = CODES["CUSTOM"] if custom else CODES[operator.name]
        entry.builtinCode, entry.deprecatedBuiltinCode, entry.version = code, min(code, 127), operator.version
        entry.customCode = custom or None
        model.operatorCodes.append(entry)
        made = schema.OperatorT()
        made.opcodeIndex = len(model.operatorCodes) - 1
        made.inputs = [-1 if name is None else names.index(name) for name in operator.inputs]
        made.outputs = [names.index(name) for name in operator.outputs]
        if operator.options is not None:
            table, fields = operator.options
            made.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            made.builtinOptions = getattr(schema, f"{table}T")()
            for field, value in fields.items():
                assert hasattr(made.builtinOptions, field), field
                setattr(made.builtinOptions, field, value)
        graph.operators.append(made)
    graph.inputs, graph.outputs = [names.index(name) for name in inputs], [names.index(name) for name in outputs]
    model.subgraphs = [graph] * subgraphs
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _tensor(model: schema.ModelT, name: str, tensor: T, outside: bool) -> schema.TensorT:
    made = schema.TensorT()
    made.name, made.shape, made.type, made.buffer = name, list(tensor.shape), TYPES[tensor.dtype], 0
    if tensor.signature is not None:
        made.shapeSignature = list(tensor.signature)
    if tensor.values is not None:
        buffer = schema.BufferT()
        if outside:
            buffer.offset, buffer.size = 4096, 64
        else:
            values = np.broadcast_to(np.asarray(tensor.values, tensor.dtype), tensor.shape)
            buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        model.buffers.append(buffer)
        made.buffer = len(model.buffers) - 1
    if tensor.dtype in ("int8", "uint8") and tensor.scale is not None:
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale, made.quantization.zeroPoint = [tensor.scale], [tensor.zero_point]
    return made


IMAGE = (1, 8, 8, 4)


def convolution(version: int = 3, source: str = "x", result: str = "y", **dilations: int) -> Op:
    """A 1 x 1 convolution of four channels, whose tensors :data:`WEIGHTS` has."""
    fields = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1, **dilations}
    return Op("CONV_2D", (source, "w", "b"), (result,), version, ("Conv2DOptions", fields))


WEIGHTS = {"w": T((4, 1, 1, 4), values=1), "b": T((4,), "int32", 0)}


def whole_model(**changes) -> bytes:
    """Two convolutions, which the Edge TPU takes."""
    tensors = {"x": T(IMAGE), "m": T(IMAGE), "y": T(IMAGE), **WEIGHTS}
    return tflite(tensors, [convolution(result="m"), convolution(source="m")], **changes)
