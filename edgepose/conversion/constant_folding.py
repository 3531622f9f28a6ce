"""Computes what depends on no input: constants written as nodes, and exporters' shape arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import helper
from onnx.reference import ReferenceEvaluator

from edgepose.runtime.errors import ConversionError

if TYPE_CHECKING:
    from edgepose.conversion.onnx_graph import Node

_FOLDABLE = frozenset(
    (
        *("Add", "Cast", "Concat", "Constant", "ConstantOfShape", "Div", "Gather", "Identity", "Mul"),
        *("Reshape", "Slice", "Squeeze", "Sub", "Transpose", "Unsqueeze"),
    )
)
# Bounds every result of the operators above: a broadcast of two operands multiplies their sizes at most.
# Constant and Identity, which make nothing larger, are exempt.
MAX_INPUT_ELEMENTS = 4096


def fold_constants(node: Node, constants: dict[str, np.ndarray], opset: int) -> np.ndarray | None:
    """The output of a node whose inputs are all small constants; None where it is not such a node.

    Raises :class:`ConversionError` where the node cannot be computed.
    """
    if node.operator not in _FOLDABLE or any(name and name not in constants for name in node.inputs):
        return None
    inputs = {name: constants[name] for name in node.inputs if name}
    if node.operator == "Identity":
        return inputs[node.inputs[0]]
    if not _is_small(node, inputs):
        return None
    proto = helper.make_node(node.operator, node.inputs, node.outputs, **node.attributes)
    values: list[onnx.ValueInfoProto] = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in inputs.items()
    ]
    output = onnx.ValueInfoProto()
    output.name = node.output
    model = helper.make_model(
        helper.make_graph([proto], "folded", values, [output]), opset_imports=[helper.make_opsetid("", opset)]
    )
    try:
        results: Any = ReferenceEvaluator(model).run(None, inputs)
    except Exception as error:  # the evaluator raises whatever its numpy code meets
        raise ConversionError(f"{node.describe()} of constants cannot be computed: {error}") from error
    return np.asarray(results[0])


def _is_small(node: Node, inputs: dict[str, np.ndarray]) -> bool:
    if node.operator == "ConstantOfShape":
        sides = inputs[node.inputs[0]].astype(np.float64)
        return bool(abs(np.prod(sides)) <= MAX_INPUT_ELEMENTS)
    return sum(inputs[name].size for name in node.inputs if name) <= MAX_INPUT_ELEMENTS
