"""What TensorRT's ONNX parser takes, by version: operators and their restrictions, checked before a board meets them.

Read from ``docs/operators.md`` and ``builtin_op_importers.cpp`` of onnx/onnx-tensorrt, branches 8.0-GA to 10.1-GA. Only
what an EfficientPose can hold is listed: an operator outside the list is refused, whatever the parser would do.
"""

from __future__ import annotations

import numpy as np

from edgepose.conversion.onnx_graph import Node, OnnxGraph
from edgepose.runtime.errors import ConversionError

Version = tuple[int, int]

# The newest opset that the parser of each version, and of those up to the next, reads.
OPSETS: dict[Version, int] = {(8, 0): 13, (8, 4): 17, (9, 1): 19, (10, 0): 20}
# Operator: the first TensorRT whose parser takes it as it is written here.
OPERATORS: dict[str, Version] = {
    "Add": (8, 0),
    "AveragePool": (8, 0),
    "BatchNormalization": (8, 0),
    "Cast": (8, 0),
    "Clip": (8, 0),
    "Concat": (8, 0),
    "Conv": (8, 0),
    "ConvTranspose": (8, 0),
    "DequantizeLinear": (8, 0),
    "GlobalAveragePool": (8, 0),
    "HardSwish": (8, 5),
    "Mul": (8, 0),
    "QuantizeLinear": (8, 0),
    "ReduceMean": (8, 0),
    "Relu": (8, 0),
    "Sigmoid": (8, 0),
    "Sub": (8, 0),
}
# The parser reads the scales of these as float32, whatever type they have.
QUANTISERS = ("QuantizeLinear", "DequantizeLinear")
CONSTANT_TYPES = (np.dtype(np.float32), np.dtype(np.float16))


def require_parsable(graph: OnnxGraph, oldest: Version) -> None:
    """Raise :class:`ConversionError` for what in ``graph`` TensorRT ``oldest``, or a later one, refuses."""
    version = ".".join(map(str, oldest))
    newest_opset = next(opset for first, opset in sorted(OPSETS.items(), reverse=True) if oldest >= first)
    if graph.opset > newest_opset:
        raise ConversionError(
            f"the graph is of ONNX opset {graph.opset}; TensorRT {version} reads {newest_opset} at most",
            "use the operators of opset 13 in it",
        )
    for node in graph.nodes:
        if OPERATORS.get(node.operator, (99, 0)) > oldest:
            raise ConversionError(
                f"{node.describe()}: TensorRT {version} does not take this operator, or edgepose has not tried it",
                f"export the network with {', '.join(sorted(OPERATORS))} alone",
            )
        if node.operator in QUANTISERS:
            _require_symmetric(graph, node, version)
    _require_bounded(graph)


def _require_symmetric(graph: OnnxGraph, node: Node, version: str) -> None:
    if len(node.inputs) != 3 or any(name not in graph.constants for name in node.inputs[1:]):
        raise ConversionError(f"{node.describe()}: TensorRT {version} wants its scale and zero point as constants")
    scale, zero_point = (graph.constants[name] for name in node.inputs[1:])
    if zero_point.dtype != np.int8 or zero_point.any():
        raise ConversionError(f"{node.describe()}: TensorRT takes int8 with zero point 0 alone")
    if scale.dtype != np.float32 or not (scale > 0).all():
        raise ConversionError(f"{node.describe()}: TensorRT takes positive float32 scales alone")
    if scale.size > 1 and (node.attributes.get("axis", 1) != 0 or graph.constants.get(node.inputs[0]) is None):
        # What a DequantizeLinear restores was a constant, too, where a QuantizeLinear made it.
        producer = graph.producers().get(node.inputs[0])
        if node.attributes.get("axis", 1) != 0 or producer is None or producer.inputs[0] not in graph.constants:
            raise ConversionError(f"{node.describe()}: TensorRT takes one scale a channel for weights alone")
    if node.operator == "DequantizeLinear" and node.inputs[0] in graph.constants:
        raise ConversionError(
            f"{node.describe()} restores constant integers, which TensorRT below 10 refuses "
            "('invalid weights type of Int8')",
            "keep the weights in float behind a QuantizeLinear",
        )


def _require_bounded(graph: OnnxGraph) -> None:
    zero_points = {node.inputs[2] for node in graph.nodes if node.operator in QUANTISERS}
    for name, array in graph.constants.items():
        if name in zero_points:
            continue
        if array.dtype not in CONSTANT_TYPES:
            raise ConversionError(f"the constant '{name}' is {array.dtype}, which TensorRT takes no weights of")
        if not np.isfinite(array).all():
            raise ConversionError(f"the constant '{name}' holds values that are not finite", "check the checkpoint")
