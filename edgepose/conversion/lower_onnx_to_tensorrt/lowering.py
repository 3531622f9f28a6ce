"""From the simplified or the Q/DQ graph to the ONNX that travels in a Jetson bundle."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import onnx

from edgepose.conversion.lower_onnx_to_tensorrt.estimate import BuildEstimate, estimate_build
from edgepose.conversion.lower_onnx_to_tensorrt.half_precision import require_within_half, type_in_half
from edgepose.conversion.lower_onnx_to_tensorrt.parser_rules import Version, require_parsable
from edgepose.conversion.onnx_graph import Node, OnnxGraph
from edgepose.targets import TensorRtStack

# From here on networks are strongly typed: no flag makes a float32 graph compute in 16 bits.
STRONGLY_TYPED: Version = (11, 0)
# The IR of opset 13. An older parser than ours has no reason to look twice.
IR_VERSION = 7


@dataclass(frozen=True)
class TensorRtOnnx:
    """``onnx`` bytes, how many there are of each operator, whether it is typed in float16, and what building takes."""

    onnx: bytes
    operators: dict[str, int]
    half: bool
    estimate: BuildEstimate


def lower_onnx_to_tensorrt(onnx_bytes: bytes, precision: str, stack: TensorRtStack) -> TensorRtOnnx:
    """The graph for every TensorRT of ``stack``: ``onnx_bytes`` is float32, or Q/DQ where ``precision`` is int8.

    fp16 is typed in float16 where the stack may be one that takes types as they are. Raises
    :class:`ConversionError` where a parser of the stack would refuse the graph.
    """
    graph = OnnxGraph.from_bytes(onnx_bytes)
    quantise_weights_on_the_board(graph)
    if precision != "fp32":  # what is left in float beside integers may be computed in 16 bits
        require_within_half(graph)
    half = precision == "fp16" and stack.newest >= STRONGLY_TYPED
    if half:
        graph = OnnxGraph.from_bytes(type_in_half(graph.to_bytes()))
    require_parsable(graph, stack.oldest)
    model = onnx.load_from_string(graph.to_bytes())
    model.ir_version = IR_VERSION
    return TensorRtOnnx(
        model.SerializeToString(deterministic=True),
        dict(sorted(Counter(node.operator for node in graph.nodes).items())),
        half,
        estimate_build(graph, precision),
    )


def quantise_weights_on_the_board(graph: OnnxGraph) -> None:
    """Put a QuantizeLinear before every DequantizeLinear of constant integers, and float weights before that.

    TensorRT 8 takes no int8 constants. The integers come out as they were: each is a whole number of its scale.
    """
    for node in [each for each in graph.nodes if each.operator == "DequantizeLinear"]:
        integers = graph.constants.get(node.inputs[0])
        if integers is None:
            continue
        scale = graph.constants[node.inputs[1]]
        sides = [1] * integers.ndim
        if scale.ndim:
            sides[node.attributes["axis"]] = -1
        weights = graph.add_constant(f"{node.output}/float", (integers * scale.reshape(sides)).astype(np.float32))
        quantised = graph.free_name(f"{node.output}/integers")
        quantise = Node("QuantizeLinear", [weights, *node.inputs[1:]], [quantised], quantised, dict(node.attributes))
        graph.nodes.insert(graph.nodes.index(node), quantise)
        node.inputs[0] = quantised
    graph.prune()
