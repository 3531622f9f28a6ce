"""The official PyTorch files (RT to IV): https://github.com/daniegr/EfficientPose, models/pytorch.

They are whole modules that MMdnn generated from the TensorFlow graphs. They hold neither the heads of earlier
passes nor the upscaling, which their code builds anew at each call: the constant that our network is
initialised to.
"""

from collections.abc import Iterable

from torch import nn

from edgepose.checkpoints.official_names import official_layer_names
from edgepose.checkpoints.source_tensors import SourceTensor, layer_tensors, weighted_layers
from edgepose.network.efficientpose import EfficientPose


def pytorch_tensors(network: EfficientPose) -> dict[str, SourceTensor]:
    """What the official PyTorch file of ``network`` holds: ``{state-dict key: source tensor}``."""
    names = official_layer_names(network)
    expected = {}
    for path, layer in weighted_layers(network).items():
        if isinstance(layer, nn.ConvTranspose2d):
            continue
        for key, tensor in layer_tensors(path, layer).items():
            name = f"{names[path]}_{_operation(layer)}.{key.rpartition('.')[2]}"
            expected[key] = SourceTensor(name, tuple(tensor.shape), tuple(range(tensor.dim())))
    return expected


def is_official_pytorch(names: Iterable[str]) -> bool:
    """Whether tensors of these names come from an official PyTorch file."""
    return any(name.endswith("_FusedBatchNorm_1.weight") for name in names)


def _operation(layer: nn.Module) -> str:
    """The TensorFlow operation that MMdnn appended to the layer's name."""
    if isinstance(layer, nn.Conv2d):
        return "depthwise" if layer.groups > 1 else "convolution"
    return "FusedBatchNorm_1"
