"""Writes quantisation into a graph: QuantizeLinear and DequantizeLinear around what is to be computed in integers.

ONNX Runtime's quantiser inserts them, so that the result is what every reader of explicit quantisation knows; every
scale and zero point is given to it. Convolutions get int8 weights, symmetric, one scale an output channel. Biases
stay float: TensorRT takes no other, and the lowering to TFLite makes them int32.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from edgepose.conversion.onnx_graph import Node, OnnxGraph
from edgepose.conversion.quantisation.ranges import Range
from edgepose.conversion.quantisation.structure import (
    CLAMPS,
    INTEGER_OPERATORS,
    clamped_values,
    is_map_convolution,
)

# Engines hold biases as int32 in steps of input scale times weight scale. A channel with hardly any weights would need
# a bias beyond that: its weights get the larger scale that keeps the bias below this.
MAX_BIAS_STEPS = 2.0**27
# A value that is always zero has no range; one that is next to nothing keeps the steps of its neighbours in reach.
LEAST_SPAN = 1e-3
LEAST_WEIGHT_SCALE = 1e-9
# TFLite fixes what the integers of a sigmoid mean, and nothing is lost with it.
SIGMOID = (np.float32(1 / 256), np.int8(-128))

Parameters = tuple[np.float32, np.int8]  # scale and zero point


def insert_qdq(
    graph: OnnxGraph, ranges: dict[str, Range], symmetric: bool = False, float_nodes: Collection[str] = ()
) -> OnnxGraph:
    """``graph`` with its operators in int8, but for the nodes named in ``float_nodes``.

    ``ranges`` holds every activation. Asymmetric, for TFLite: whatever is computed in integers is read and written as
    integers. ``symmetric``, for TensorRT: zero points are 0, and only what convolutions over maps read is quantised.
    """
    graph = _with_own_weights(graph)
    # What only a clip reads has the clip's range: saturating to it is clipping, and the quantiser drops the clip.
    ranges = ranges | {
        value: ranges[clip.output] for value, clip in clamped_values(graph).items() if clip.output in ranges
    }
    parameters = {name: scale_and_zero_point(range_, symmetric) for name, range_ in ranges.items()}
    if not symmetric:
        parameters |= {node.output: SIGMOID for node in graph.nodes if node.operator == "Sigmoid"}
    overrides: dict[str, list[dict[str, Any]]] = {
        name: [{"scale": np.array(scale), "zero_point": np.array(zero_point)}]
        for name, (scale, zero_point) in parameters.items()
    }
    chosen = _integer_nodes(graph, symmetric, float_nodes)
    for node in chosen:
        if node.operator == "Conv":
            overrides[node.inputs[1]] = [
                {"axis": 0, "scale": np.array(scale), "zero_point": np.array(0, np.int8)}
                for scale in _weight_scales(graph, node, parameters[node.inputs[0]][0])
            ]
    operators = ["Conv"] if symmetric else [*INTEGER_OPERATORS, *CLAMPS]
    options: dict[str, Any] = {
        "ActivationSymmetric": symmetric,
        "WeightSymmetric": True,
        "QuantizeBias": False,
        "ForceQuantizeNoInputCheck": True,
        "TensorQuantOverrides": overrides,
        "OpTypesToExcludeOutputQuantization": operators if symmetric else [],
    }
    limits = {name: (np.float32(range_.low), np.float32(range_.high)) for name, range_ in ranges.items()}
    quantizer = QDQQuantizer(
        onnx.load_from_string(graph.to_bytes()),
        True,  # per channel
        False,  # all of int8
        QuantType.QInt8,
        QuantType.QInt8,
        TensorsData(CalibrationMethod.MinMax, limits),
        [node.name for node in chosen],
        [],
        operators,
        options,
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    return OnnxGraph.from_bytes(quantizer.model.model.SerializeToString(), "the quantised graph")


def scale_and_zero_point(range_: Range, symmetric: bool) -> Parameters:
    """What int8 means over ``range_``: ``real = (integer - zero_point) * scale``."""
    low, high = min(range_.low, 0.0), max(range_.high, 0.0)
    if symmetric:
        return np.float32(max(-low, high, LEAST_SPAN) / 127), np.int8(0)
    scale = max(high - low, LEAST_SPAN) / 255
    return np.float32(scale), np.int8(np.clip(round(-128 - low / scale), -128, 127))


def _integer_nodes(graph: OnnxGraph, symmetric: bool, float_nodes: Collection[str]) -> list[Node]:
    shapes, producers = graph.shapes(), graph.producers()
    if symmetric:
        # Squeeze-and-excitation stays float: it is nothing to compute, and all to lose.
        return [node for node in graph.nodes if node.name not in float_nodes and is_map_convolution(node, shapes)]
    return [
        node
        for node in graph.nodes
        if node.name not in float_nodes
        and (
            node.operator in INTEGER_OPERATORS
            or (node.operator in CLAMPS and producers[node.inputs[0]].name not in float_nodes)
        )
    ]


def _weight_scales(graph: OnnxGraph, conv: Node, input_scale: np.float32) -> np.ndarray:
    weights = graph.constants[conv.inputs[1]]
    scales = np.abs(weights.reshape(len(weights), -1)).max(axis=1).astype(np.float64) / 127
    if len(conv.inputs) > 2 and conv.inputs[2]:
        bias = np.abs(graph.constants[conv.inputs[2]].astype(np.float64))
        scales = np.maximum(scales, bias / (float(input_scale) * MAX_BIAS_STEPS))
    return np.maximum(scales, LEAST_WEIGHT_SCALE).astype(np.float32)


def _with_own_weights(graph: OnnxGraph) -> OnnxGraph:
    """A copy in which no convolutions share weights: each quantises them for itself."""
    graph = OnnxGraph.from_bytes(graph.to_bytes())
    seen: set[str] = set()
    for node in graph.nodes:
        if node.operator == "Conv":
            if node.inputs[1] in seen:
                node.inputs[1] = graph.add_constant(f"{node.name}/weight", graph.constants[node.inputs[1]])
            seen.add(node.inputs[1])
    return graph
