"""Prepares the ONNX that a Jetson builds its engine from. TensorRT engines fit one board: what travels is the graph."""

from edgepose.conversion.lower_onnx_to_tensorrt.estimate import BuildEstimate, estimate_build
from edgepose.conversion.lower_onnx_to_tensorrt.half_precision import simulate_half, type_in_half
from edgepose.conversion.lower_onnx_to_tensorrt.lowering import TensorRtOnnx, lower_onnx_to_tensorrt
from edgepose.conversion.lower_onnx_to_tensorrt.parser_rules import require_parsable

__all__ = [
    "BuildEstimate",
    "TensorRtOnnx",
    "estimate_build",
    "lower_onnx_to_tensorrt",
    "require_parsable",
    "simulate_half",
    "type_in_half",
]
