"""Parameters and FLOPs of a network, counted as the paper counts them.

Parameters: all weights and biases, the running statistics of batch normalisation, and the dense 16-to-16
transposed convolutions of the upscaling (12,336). FLOPs: every multiplication and every addition of the
convolutions (twice the multiply-accumulates), biases, activations, attention, pooling and residual
connections; batch normalisation is free, as it folds into the convolution before it, and so is the sigmoid,
as in TensorFlow's profiler. So counted, all variants meet the published figures to their own rounding.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from edgepose.network.detection import MobileDenseNet
from edgepose.network.efficientpose import EfficientPose
from edgepose.network.layers import MBConv, SqueezeExcitation, Swish
from edgepose.network.variants import HEATMAP_STRIDE, Variant


class Complexity(NamedTuple):
    """Plain counts for one image at the variant's resolution; ``macs`` are those of the convolutions."""

    parameters: int
    macs: int
    flops: int


def complexity(variant: Variant) -> Complexity:
    """Complexity of the network that ``variant`` configures."""
    network = EfficientPose(variant).eval()
    one_cell, four_cells = (_operations(network, side) for side in (HEATMAP_STRIDE, 2 * HEATMAP_STRIDE))
    # Every map grows with the image, save those that attention has squeezed: counts are linear in the area.
    further_cells = variant.heatmap_size**2 - 1
    macs, elementwise = (
        first + further_cells * ((four - first) // 3) for first, four in zip(one_cell, four_cells, strict=True)
    )
    return Complexity(_parameters(network), macs, 2 * macs + elementwise)


def _operations(network: EfficientPose, side: int) -> tuple[int, int]:
    """Multiply-accumulates of the convolutions, and other operations, for one square image."""
    macs = elementwise = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal macs, elementwise
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            # Each number that enters a transposed convolution, or leaves a convolution, meets this many
            # weights.
            numbers = inputs[0] if isinstance(module, nn.ConvTranspose2d) else output
            macs += numbers.numel() * math.prod(module.weight.shape[1:])
            elementwise += 0 if module.bias is None else output.numel()
        elif isinstance(module, Swish):
            elementwise += output.numel() * (1 if module.beta == 1.0 else 2)
        elif isinstance(module, SqueezeExcitation):
            elementwise += 2 * output.numel()  # the mean, and the multiplication by it
        elif isinstance(module, (MBConv, MobileDenseNet)):
            elementwise += output.numel() if module.residual else 0
        elif isinstance(module, EfficientPose):
            elementwise += inputs[0].numel() if module.low_resolution is not None else 0  # average pooling

    hooks = [module.register_forward_hook(count) for module in network.modules()]
    with torch.no_grad():
        network(torch.zeros(1, 3, side, side))
    for hook in hooks:
        hook.remove()
    return macs, elementwise


def _parameters(network: nn.Module) -> int:
    count = sum(parameter.numel() for parameter in network.parameters())
    return count + sum(2 * module.num_features for module in network.modules() if isinstance(module, nn.BatchNorm2d))
