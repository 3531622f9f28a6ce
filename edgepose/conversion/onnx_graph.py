"""A small typed view on an ONNX model: nodes in topological order, constants as arrays.

Every pass of the conversion reads and edits this view instead of protocol buffers. Reading checks what a
hostile or foreign file could get wrong; writing is canonical: the same graph always gives the same bytes,
without the exporter's doc strings, paths and metadata.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import helper, numpy_helper, shape_inference

from edgepose.conversion.constant_folding import fold_constants
from edgepose.runtime.errors import ConversionError

MAX_ONNX_BYTES = 256 << 20
MAX_NODES = 20_000
MAX_ELEMENTS = 1 << 26  # of one tensor; the largest activation of IV has 2**24
MIN_OPSET = 11
# What is written where the operators allow it: TensorRT 8.2 and ONNX Runtime 1.10 (JetPack 4.6) read it.
PORTABLE_OPSET = 13
# ONNX IR 8 came with opset 15 and is the newest that ONNX Runtime 1.10 reads.
IR_VERSION = 8
DOMAINS = ("", "ai.onnx")

# Operators that mean the same in every opset from 13 on, once reading has normalised them.
_PORTABLE_OPERATORS = frozenset(
    (
        *("Add", "AveragePool", "Clip", "Concat", "Conv", "ConvTranspose", "GlobalAveragePool", "Mul"),
        *("DequantizeLinear", "QuantizeLinear", "ReduceMean", "Relu", "Sigmoid"),
    )
)

Shape = tuple[int, ...]


class Value(NamedTuple):
    """An input of the graph: its ``name`` and static ``shape`` (float32)."""

    name: str
    shape: Shape


@dataclass(eq=False)
class Node:
    """One ONNX operator: ``inputs`` and ``outputs`` are value names, an absent optional input is ``""``.

    Two nodes are equal only where they are the same one.
    """

    operator: str
    inputs: list[str]
    outputs: list[str]
    name: str
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def output(self) -> str:
        """Name of the first (for nearly every operator: the only) output."""
        return self.outputs[0]

    def describe(self) -> str:
        """``"Conv node 'stem'"``, for messages."""
        return f"{self.operator} node '{self.name}'"


class OnnxGraph:
    """An ONNX graph with static shapes, without subgraphs, functions, foreign domains or external data.

    ``nodes`` are in topological order; ``constants`` maps value names to arrays; ``inputs`` are float32
    values, ``outputs`` the names of others. Edit ``nodes`` and ``constants`` freely: :meth:`to_bytes` checks.
    """

    def __init__(
        self,
        nodes: list[Node],
        constants: dict[str, np.ndarray],
        inputs: list[Value],
        outputs: list[str],
        opset: int = PORTABLE_OPSET,
    ) -> None:
        self.nodes = nodes
        self.constants = constants
        self.inputs = inputs
        self.outputs = outputs
        self.opset = opset

    @classmethod
    def from_bytes(cls, data: bytes, source: str = "the ONNX graph") -> OnnxGraph:
        """Read and check a serialised model; small nodes that depend on no input become constants.

        Raises :class:`ConversionError` naming ``source`` and what is wrong.
        """
        model = parse_model(data, source)
        try:
            onnx.checker.check_model(model)
        except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
            raise ConversionError(f"{source} is not a valid ONNX model: {_first_line(error)}") from error
        constants = {tensor.name: _to_array(tensor, source) for tensor in model.graph.initializer}
        nodes = [_read_node(proto, index) for index, proto in enumerate(model.graph.node)]
        inputs = [_read_input(value, source) for value in model.graph.input if value.name not in constants]
        graph = cls(nodes, constants, inputs, [value.name for value in model.graph.output], _opset(model, source))
        graph._normalise()
        return graph

    def to_bytes(self) -> bytes:
        """Canonical bytes of the graph, shapes of all values inferred and written down.

        Raises :class:`ConversionError` where the graph is not sound or a shape is not static.
        """
        return self._infer().SerializeToString(deterministic=True)

    def shapes(self) -> dict[str, Shape]:
        """Static shape of every value. Raises :class:`ConversionError` where one cannot be inferred."""
        shapes = {name: tuple(array.shape) for name, array in self.constants.items()}
        graph = self._infer().graph
        for value in [*graph.input, *graph.value_info, *graph.output]:
            shapes[value.name] = _static_shape(value, "the ONNX graph")
        for node in self.nodes:
            for name in node.outputs:
                if name and name not in shapes:
                    raise ConversionError(f"the shape of '{name}', an output of {node.describe()}, cannot be inferred")
        return shapes

    def producers(self) -> dict[str, Node]:
        """The node that makes each value."""
        return {name: node for node in self.nodes for name in node.outputs if name}

    def consumers(self) -> dict[str, list[Node]]:
        """The nodes that read each value, in order; a node that reads a value twice is listed twice."""
        readers: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in node.inputs:
                if name:
                    readers.setdefault(name, []).append(node)
        return readers

    def rename(self, old: str, new: str) -> None:
        """Give the value ``old`` the name ``new``; another value of that name gets a free one."""
        if old == new:
            return
        if new in self.constants or new in self.producers() or any(value.name == new for value in self.inputs):
            self.rename(new, self.free_name(f"{new}_2"))
        for node in self.nodes:
            node.inputs = [new if name == old else name for name in node.inputs]
            node.outputs = [new if name == old else name for name in node.outputs]
        if old in self.constants:
            self.constants[new] = self.constants.pop(old)
        self.inputs = [Value(new, value.shape) if value.name == old else value for value in self.inputs]
        self.outputs = [new if name == old else name for name in self.outputs]

    def bypass(self, node: Node, name: str) -> None:
        """Remove ``node``: whatever read its output now reads the value ``name``."""
        self.nodes.remove(node)
        if node.output in self.outputs:
            if name not in self.producers():
                raise ConversionError(f"{node.describe()} connects an input of the graph to its output")
            self.rename(name, node.output)
        else:
            for reader in self.nodes:
                reader.inputs = [name if read == node.output else read for read in reader.inputs]

    def free_name(self, stem: str) -> str:
        """``stem``, or ``stem_2``, ``stem_3`` ... whichever no value has."""
        taken = set(self.constants) | {value.name for value in self.inputs}
        taken.update(name for node in self.nodes for name in (*node.outputs, node.name))
        name, number = stem, 1
        while name in taken:
            number += 1
            name = f"{stem}_{number}"
        return name

    def add_constant(self, stem: str, array: np.ndarray) -> str:
        """Add ``array`` under a free name that starts with ``stem``; returns the name."""
        name = self.free_name(stem)
        self.constants[name] = array
        return name

    def prune(self) -> None:
        """Drop nodes and constants that no output depends on."""
        needed = set(self.outputs)
        kept = []
        for node in reversed(self.nodes):
            if needed.intersection(node.outputs):
                kept.append(node)
                needed.update(node.inputs)
        self.nodes = kept[::-1]
        self.constants = {name: array for name, array in self.constants.items() if name in needed}

    def make_portable(self) -> None:
        """Declare opset 13 where every operator means the same there; otherwise keep the opset."""
        if all(node.operator in _PORTABLE_OPERATORS for node in self.nodes):
            self.opset = PORTABLE_OPSET

    def _normalise(self) -> None:
        """One form for what exporters and opsets write differently."""
        for node in list(self.nodes):
            if node.operator == "AveragePool" and set(node.attributes.get("dilations", ())) == {1}:
                del node.attributes["dilations"]  # the default, new in opset 19
            if node.operator == "ReduceMean" and len(node.inputs) > 1 and node.inputs[1] in self.constants:
                node.attributes["axes"] = self.constants[node.inputs.pop()].tolist()
            if node.output in self.outputs:
                continue
            if node.operator == "Identity" and node.inputs[0] not in self.constants:
                self.bypass(node, node.inputs[0])
            else:
                folded = fold_constants(node, self.constants, self.opset)
                if folded is not None:
                    self.constants[node.output] = folded
                    self.nodes.remove(node)

    def _infer(self) -> onnx.ModelProto:
        try:
            model = shape_inference.infer_shapes(self._to_proto(), strict_mode=True, data_prop=True)
            onnx.checker.check_model(model)
        except (
            onnx.checker.ValidationError,
            shape_inference.InferenceError,
            ValueError,
            RuntimeError,
        ) as error:
            raise ConversionError(f"the ONNX graph is not sound: {_first_line(error)}") from error
        return model

    def _to_proto(self) -> onnx.ModelProto:
        constants = dict(self.constants)
        nodes = []
        for node in self.nodes:
            inputs, attributes = list(node.inputs), dict(sorted(node.attributes.items()))
            if node.operator == "ReduceMean" and self.opset >= 18 and "axes" in attributes:
                inputs.append(f"{node.name}_axes")
                constants[inputs[-1]] = np.array(attributes.pop("axes"), dtype=np.int64)
            nodes.append(helper.make_node(node.operator, inputs, node.outputs, name=node.name, **attributes))
        graph = helper.make_graph(
            nodes,
            "efficientpose",
            [helper.make_tensor_value_info(value.name, onnx.TensorProto.FLOAT, value.shape) for value in self.inputs],
            [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in self.outputs],
            [numpy_helper.from_array(np.asarray(array, order="C"), name) for name, array in constants.items()],
        )
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", self.opset)],
            ir_version=IR_VERSION,
            producer_name="edgepose",
        )


def parse_model(data: bytes, source: str) -> onnx.ModelProto:
    """Parse bytes and refuse what no conversion stage may act on. Raises :class:`ConversionError`.

    Refused: not ONNX, cut short, over 256 MB, foreign operator domains, functions, subgraphs, tensors stored
    in other files, or whose data do not fit their claimed shape.
    """
    if len(data) > MAX_ONNX_BYTES:
        raise ConversionError(f"{source} has {len(data)} bytes; at most {MAX_ONNX_BYTES} are read")
    model = onnx.ModelProto()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.ParseFromString(data)
    except DecodeError as error:
        raise ConversionError(f"{source} is not an ONNX file, or is cut short", "export it again") from error
    if not model.graph.node:
        raise ConversionError(f"{source} holds no ONNX graph", "name an .onnx file of the EfficientPose family")
    if len(model.graph.node) > MAX_NODES:
        raise ConversionError(f"{source} has {len(model.graph.node)} nodes; no EfficientPose has that many")
    if model.functions:
        raise ConversionError(f"{source} defines functions of its own", "export it with plain ONNX operators")
    for tensor in model.graph.initializer:
        _check_tensor(tensor, source)
    if model.graph.sparse_initializer:
        raise ConversionError(f"{source} holds sparse tensors, which no stage reads")
    for node in model.graph.node:
        if node.domain not in DOMAINS:
            raise ConversionError(
                f"{source}: node '{node.name}' is {node.domain}.{node.op_type}, of a foreign operator domain",
                "export it with the standard ONNX operators only",
            )
        if not any(node.output):
            raise ConversionError(f"{source}: {node.op_type} node '{node.name}' has no output")
        for attribute in node.attribute:
            if attribute.HasField("g") or attribute.graphs:
                raise ConversionError(f"{source}: {node.op_type} node '{node.name}' holds a subgraph")
            for tensor in [attribute.t, *attribute.tensors]:
                _check_tensor(tensor, source)
    return model


def _check_tensor(tensor: onnx.TensorProto, source: str) -> None:
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise ConversionError(
            f"{source} keeps the tensor '{tensor.name}' in another file",
            "export it with the weights inside the file",
        )
    elements = 1
    for side in tensor.dims:
        if side < 0 or side > MAX_ELEMENTS:
            raise ConversionError(f"{source}: tensor '{tensor.name}' claims the shape {list(tensor.dims)}")
        elements *= side
    if elements > MAX_ELEMENTS:
        raise ConversionError(f"{source}: tensor '{tensor.name}' claims {elements} elements")


def _opset(model: onnx.ModelProto, source: str) -> int:
    versions = [entry.version for entry in model.opset_import if entry.domain in DOMAINS]
    newest = onnx.defs.onnx_opset_version()
    if len(versions) != 1 or not MIN_OPSET <= versions[0] <= newest:
        raise ConversionError(
            f"{source} is of ONNX opset {versions or 'unknown'}; opsets {MIN_OPSET} to {newest} are read",
            f"export it with opset {PORTABLE_OPSET}",
        )
    return versions[0]


def _read_node(proto: onnx.NodeProto, index: int) -> Node:
    attributes = {entry.name: helper.get_attribute_value(entry) for entry in proto.attribute}
    name = proto.name or f"{proto.op_type}_{index}"
    return Node(proto.op_type, list(proto.input), list(proto.output), name, attributes)


def _read_input(proto: onnx.ValueInfoProto, source: str) -> Value:
    if proto.type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        raise ConversionError(
            f"{source}: the input '{proto.name}' is not a float32 tensor",
            "export the float32 network; edgepose chooses the precision",
        )
    return Value(proto.name, _static_shape(proto, source))


def _static_shape(proto: onnx.ValueInfoProto, source: str) -> Shape:
    dimensions = proto.type.tensor_type.shape.dim
    if not all(side.HasField("dim_value") and side.dim_value > 0 for side in dimensions):
        sides = [side.dim_value if side.HasField("dim_value") else side.dim_param or "?" for side in dimensions]
        raise ConversionError(
            f"{source}: the shape of '{proto.name}' is {sides}, which is not static",
            "export it with a batch of 1 and a fixed size",
        )
    shape = tuple(side.dim_value for side in dimensions)
    if np.prod(shape, dtype=object) > MAX_ELEMENTS:
        raise ConversionError(f"{source}: '{proto.name}' claims the shape {list(shape)}")
    return shape


def _to_array(tensor: onnx.TensorProto, source: str) -> np.ndarray:
    """The array in ``tensor``. Raises :class:`ConversionError` where its data do not fit its shape."""
    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ConversionError(
            f"{source}: tensor '{tensor.name}' does not hold what it claims: {_first_line(error)}"
        ) from error


def _first_line(error: Exception) -> str:
    return next(filter(None, map(str.strip, str(error).splitlines())), type(error).__name__)
