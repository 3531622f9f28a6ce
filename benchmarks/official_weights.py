"""The weights inside official TFLite files, as a network of ours: of II and II_LITE there is no other file at hand.

The converter that wrote those files folded every batch normalisation into the convolution before it and rounded the
result to float16.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema
from torch import Tensor, nn

from edgepose.checkpoints.official_names import official_layer_names
from edgepose.network import EfficientPose
from edgepose.network.layers import ConvNorm
from edgepose.network.variants import get_variant

# Heads of the official files that compute nothing of the pose.
UNREAD_HEADS = {"pass1_skeleton_pafs", "pass2_detection1_confs"}

Folded = dict[str, tuple[Tensor, Tensor]]


def tflite_network(path: Path, variant: str) -> EfficientPose:
    """The network of ``variant`` with the weights of the official TFLite file at ``path``."""
    network = EfficientPose(get_variant(variant)).eval()
    install(network, read_tflite(path))
    return network


def read_tflite(path: Path) -> Folded:
    """``{official layer name: (weight, bias)}`` of every convolution of an official TFLite file."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
    (graph,) = model.subgraphs

    def is_kind(operator: schema.OperatorT, kind: int) -> bool:
        code = model.operatorCodes[operator.opcodeIndex]
        return max(code.builtinCode, code.deprecatedBuiltinCode) == kind

    float16_of = {
        operator.outputs[0]: operator.inputs[0]
        for operator in graph.operators
        if is_kind(operator, schema.BuiltinOperator.DEQUANTIZE)
    }

    def constant(index: int) -> Tensor:
        tensor = graph.tensors[float16_of[index]]
        data = np.frombuffer(bytes(model.buffers[tensor.buffer].data), np.float16)
        return torch.from_numpy(data.reshape(tensor.shape).astype(np.float32))

    convolutions = {}
    for operator in graph.operators:
        depthwise = is_kind(operator, schema.BuiltinOperator.DEPTHWISE_CONV_2D)
        if depthwise or is_kind(operator, schema.BuiltinOperator.CONV_2D):
            _, weight, bias = operator.inputs
            layer = graph.tensors[bias].name.decode().rpartition("/")[0]
            # Stored [out, h, w, in], and depthwise ones [1, h, w, channels].
            axes = (3, 0, 1, 2) if depthwise else (0, 3, 1, 2)
            convolutions[layer] = constant(weight).permute(axes), constant(bias)
    return convolutions


def install(network: EfficientPose, convolutions: Folded) -> None:
    """Give ``network`` these convolutions in place of its own; its batch normalisations only add the bias then."""
    names = official_layer_names(network)
    unused = set(convolutions) - UNREAD_HEADS
    for path, module in network.named_modules():
        if isinstance(module, ConvNorm):
            weight, bias = convolutions[names[f"{path}.conv"]]
            module.norm.reset_running_stats()
            _set(module.conv.weight, weight)
            _set(module.norm.weight, torch.full_like(bias, (1 + module.norm.eps) ** 0.5))
            _set(module.norm.bias, bias)
            unused.discard(names[f"{path}.conv"])
        elif isinstance(module, nn.Conv2d) and module.bias is not None:
            weight, bias = convolutions[names[path]]
            _set(module.weight, weight)
            _set(module.bias, bias)
            unused.discard(names[path])
    if unused:
        raise ValueError(f"the network has no convolution {sorted(unused)[0]!r}")


def _set(target: Tensor, values: Tensor) -> None:
    if target.shape != values.shape:
        raise ValueError(f"a tensor of {list(target.shape)} cannot take {list(values.shape)}")
    with torch.no_grad():
        target.copy_(values)
