"""Simplified ONNX to a TFLite flatbuffer: NHWC without transposes, inline constants, low operator versions.

A small closed table instead of a general converter: EfficientPose is made of about ten operators, so every
one has a rule of its own and its own test, and an operator that is not in the table is an error that names
it.
"""

from __future__ import annotations

from typing import NamedTuple

from edgepose.conversion.lower_onnx_to_tflite.lowering import Lowering
from edgepose.conversion.lower_onnx_to_tflite.rules import RULES
from edgepose.conversion.lower_onnx_to_tflite.tflite_writer import Quantisation
from edgepose.conversion.onnx_graph import OnnxGraph
from edgepose.runtime.errors import ConversionError

WEIGHTS = ("float32", "float16")


class TfliteModel(NamedTuple):
    """A TFLite file, the NHWC shapes of its input and output, and how many operators of each kind.

    ``input_steps`` and ``output_steps``: scale and zero point of an int8 input or output; None for float32.
    """

    data: bytes
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    operators: dict[str, int]
    input_steps: tuple[float, int] | None
    output_steps: tuple[float, int] | None


def lower_onnx_to_tflite(onnx: bytes, weights: str = "float32", repeats_gates: bool = False) -> TfliteModel:
    """Lower a simplified ONNX graph (NCHW, one float32 input and output) to TFLite (NHWC).

    Operators between DequantizeLinear and QuantizeLinear become int8 ones; the engine's input and output are int8
    where the graph only quantises the one and restores the other, else float32.
    ``weights`` is ``"float32"``, or ``"float16"`` to store filters at half the size behind DEQUANTIZE
    operators (the arithmetic stays float32). ``repeats_gates``: factors a channel, as of squeeze-and-excitation, are
    repeated along a row before int8 products with large images, which XNNPACK then computes a third faster, to the same
    bit; for CPUs, since an Edge TPU would only have more operators. Tensors keep the names of their ONNX values. Raises
    :class:`ConversionError` naming the first operator that has no rule, or that its rule cannot lower.
    """
    if weights not in WEIGHTS:
        raise ValueError(f"weights is {weights!r}, not one of {WEIGHTS}")
    graph = OnnxGraph.from_bytes(onnx)
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ConversionError(
            f"the ONNX graph has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs, not one of each"
        )
    for node in graph.nodes:
        if node.operator not in RULES:
            raise ConversionError(
                f"{node.describe()} cannot be lowered to TFLite: {node.operator} is not supported",
                f"supported are {', '.join(RULES)}",
            )
    lowering = Lowering(graph, weights, repeats_gates)
    source = lowering.add_input(graph.inputs[0])
    for node in graph.nodes:
        RULES[node.operator](lowering, node)
    result = lowering.result(graph.outputs[0], graph.nodes[-1])
    writer = lowering.writer
    return TfliteModel(
        writer.to_bytes([source], [result]),
        writer.shape(source),
        writer.shape(result),
        writer.operator_counts(),
        _steps(writer.quantisation(source)),
        _steps(writer.quantisation(result)),
    )


def _steps(quantisation: Quantisation | None) -> tuple[float, int] | None:
    if quantisation is None:
        return None
    return float(quantisation.scale[0]), int(quantisation.zero_point[0])
