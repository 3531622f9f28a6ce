"""Folds a batch normalisation into the convolution before it."""

from __future__ import annotations

import numpy as np

from edgepose.conversion.onnx_graph import OnnxGraph

_DEFAULT_EPSILON = 1e-5  # ONNX BatchNormalization


def rewrite(graph: OnnxGraph) -> int:
    """Conv, then BatchNormalization (inference): one Conv with scaled weights. Returns how many."""
    producers, consumers = graph.producers(), graph.consumers()
    folded = 0
    for norm in [node for node in graph.nodes if node.operator == "BatchNormalization"]:
        conv = producers.get(norm.inputs[0])
        parameters = [graph.constants.get(name) for name in norm.inputs[1:5]]
        if (
            conv is None
            or conv.operator != "Conv"
            or len(consumers[conv.output]) != 1
            or conv.output in graph.outputs
            or conv.inputs[1] not in graph.constants
            or norm.attributes.get("training_mode", 0)
            or any(parameter is None for parameter in parameters)
        ):
            continue
        gamma, beta, mean, variance = (np.asarray(parameter, dtype=np.float64) for parameter in parameters)
        scale = gamma / np.sqrt(variance + norm.attributes.get("epsilon", _DEFAULT_EPSILON))
        weights = graph.constants[conv.inputs[1]]
        has_bias = len(conv.inputs) > 2 and conv.inputs[2]
        bias = graph.constants[conv.inputs[2]].astype(np.float64) if has_bias else 0.0
        conv.inputs = [
            conv.inputs[0],
            graph.add_constant(f"{conv.name}/weight", (weights * scale[:, None, None, None]).astype(np.float32)),
            graph.add_constant(f"{conv.name}/bias", ((bias - mean) * scale + beta).astype(np.float32)),
        ]
        graph.bypass(norm, conv.output)
        producers = graph.producers()
        folded += 1
    return folded
