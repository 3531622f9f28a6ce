"""The weights of an official TFLite file, read from its flatbuffer, in a network of ours.

Its converter folded every batch normalisation into the convolution before it and rounded the result to float16.
"""

from pathlib import Path

import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema
from torch import nn

from edgepose.checkpoints.official_names import official_layer_names
from edgepose.network.efficientpose import EfficientPose
from edgepose.network.layers import ConvNorm
from edgepose.network.variants import get_variant

_CONVOLUTIONS = (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.DEPTHWISE_CONV_2D)


def folded_convolutions(path: Path) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """``{official layer name: (weight in PyTorch's axis order, bias)}`` of every convolution in the file."""
    contents = path.read_bytes()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(contents, 0))
    (graph,) = model.subgraphs

    def operator_kind(operator: schema.OperatorT) -> int:
        code = model.operatorCodes[operator.opcodeIndex]
        return max(code.builtinCode, code.deprecatedBuiltinCode)

    float16_of = {
        operator.outputs[0]: operator.inputs[0]
        for operator in graph.operators
        if operator_kind(operator) == schema.BuiltinOperator.DEQUANTIZE
    }

    def constant(index: int) -> torch.Tensor:
        tensor = graph.tensors[float16_of[index]]
        data = np.frombuffer(bytes(model.buffers[tensor.buffer].data), np.float16)
        return torch.from_numpy(data.reshape(tensor.shape).astype(np.float32))

    convolutions = {}
    for operator in graph.operators:
        if operator_kind(operator) not in _CONVOLUTIONS:
            continue
        _, weight, bias = operator.inputs
        layer = graph.tensors[bias].name.decode().rpartition("/")[0]
        # [out, h, w, in], and [1, h, w, channels] of depthwise ones, which have their channels last.
        depthwise = operator_kind(operator) == schema.BuiltinOperator.DEPTHWISE_CONV_2D
        axes = (3, 0, 1, 2) if depthwise else (0, 3, 1, 2)
        convolutions[layer] = constant(weight).permute(axes), constant(bias)
    return convolutions


def network_from_tflite(path: Path, variant: str) -> EfficientPose:
    """Our network with exactly the weights of an official TFLite file; its batch normalisations only add the bias."""
    network = EfficientPose(get_variant(variant)).eval()
    names = official_layer_names(network)
    convolutions = folded_convolutions(path)
    with torch.no_grad():
        for module_path, module in network.named_modules():
            if isinstance(module, ConvNorm):
                weight, bias = convolutions.pop(names[f"{module_path}.conv"])
                module.conv.weight.copy_(weight)
                module.norm.reset_parameters()
                module.norm.running_var.fill_(1 - module.norm.eps)
                module.norm.bias.copy_(bias)
            elif isinstance(module, nn.Conv2d) and module.bias is not None:
                weight, bias = convolutions.pop(names[module_path])
                module.weight.copy_(weight)
                module.bias.copy_(bias)
    assert not set(convolutions) - {"pass1_skeleton_pafs", "pass2_detection1_confs"}, "layers that ours lacks"
    return network
