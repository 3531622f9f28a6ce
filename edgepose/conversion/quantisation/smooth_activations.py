"""Activation smoothing: gives the channels that a convolution reads like ranges, by scaling them just before it.

Xiao et al. 2023, "SmoothQuant", equation 3, for convolutions behind an activation: what is read is multiplied by a
factor a channel, and the weights that read it are divided by it. The same function up to float32 rounding. It costs an
element-wise product, which TensorRT makes part of the activation, and serves symmetric integers, whose one scale a
tensor the widest channel decides.
"""

from __future__ import annotations

import numpy as np

from edgepose.conversion.onnx_graph import Node, OnnxGraph
from edgepose.conversion.quantisation.equalise import linear_values
from edgepose.conversion.quantisation.statistics import ChannelExtremes
from edgepose.conversion.quantisation.structure import is_depthwise

# A depthwise weight has a scale of its own and loses nothing; a dense one shares it with the other inputs.
DEPTHWISE_EXPONENT = 1.0
DENSE_EXPONENT = 0.75
# Channels narrower than this share of the widest are noise: no factor beyond it.
NARROWEST = 1e-2


def smooth_activations(graph: OnnxGraph, extremes: ChannelExtremes) -> int:
    """Smooth what every convolution over a map reads, but for the image and linear values; returns how many."""
    shapes, linear = graph.shapes(), linear_values(graph)
    producers = graph.producers()
    smoothed = 0
    for conv in [node for node in graph.nodes if node.operator == "Conv"]:
        value = conv.inputs[0]
        if value in linear or value not in producers or shapes[value][2:] == (1, 1):
            continue
        depthwise = is_depthwise(graph, conv)
        if not depthwise and conv.attributes.get("group", 1) > 1:
            continue
        magnitude = extremes.magnitude(value)
        widest = max(float(magnitude.max()), 1e-30)
        factors = (widest / np.maximum(magnitude, NARROWEST * widest)) ** (
            DEPTHWISE_EXPONENT if depthwise else DENSE_EXPONENT
        )
        scaled = graph.free_name(f"{value}/smoothed")
        constant = graph.add_constant(f"{value}/smoothing", factors.astype(np.float32).reshape(1, -1, 1, 1))
        graph.nodes.insert(graph.nodes.index(conv), Node("Mul", [value, constant], [scaled], scaled))
        weights = graph.constants[conv.inputs[1]].astype(np.float64)
        weights = weights / (factors[:, None, None, None] if depthwise else factors[None, :, None, None])
        conv.inputs[0] = scaled
        conv.inputs[1] = graph.add_constant(f"{conv.name}/weight", weights.astype(np.float32))
        smoothed += 1
    graph.prune()
    return smoothed
