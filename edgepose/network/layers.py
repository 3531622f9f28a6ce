"""Layers that the backbones and the detection blocks share.

All of them take and give float32 tensors [N, C, H, W]. They are written so that an export has few nodes:
padding is a constant, no shape is computed inside the graph.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgepose.runtime.upsampling import BILINEAR_KERNEL

BATCH_NORM_EPSILON = 1e-3  # of the official models (Keras)
BATCH_NORM_MOMENTUM = 0.01  # Keras counts the other way round: 0.99
E_SWISH_BETA = 1.25


class Swish(nn.Module):
    """``beta * x * sigmoid(x)``: swish at ``beta`` 1, E-swish (Alcaide 2018; eq. 3 of the paper) at 1.25."""

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__()
        self.beta = beta

    def forward(self, x: Tensor) -> Tensor:
        """Elementwise, any shape."""
        swish = x * torch.sigmoid(x)
        return swish if self.beta == 1.0 else swish * self.beta


class ConvNorm(nn.Module):
    """Convolution with TensorFlow's 'SAME' padding, then batch normalisation.

    At stride 2 that padding is asymmetric (the extra row and column come last); the amounts here hold for
    even heights and widths, which the network makes sure of.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        before, after = (kernel - stride) // 2, (kernel - stride + 1) // 2
        self.asymmetric_padding = None if before == after else (before, after, before, after)
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel,
            stride,
            padding=before if self.asymmetric_padding is None else 0,
            groups=groups,
            bias=False,
        )
        self.norm = nn.BatchNorm2d(out_channels, eps=BATCH_NORM_EPSILON, momentum=BATCH_NORM_MOMENTUM)

    def forward(self, x: Tensor) -> Tensor:
        """[N, in_channels, H, W] to [N, out_channels, H / stride, W / stride]."""
        if self.asymmetric_padding is not None:
            x = F.pad(x, self.asymmetric_padding)
        return self.norm(self.conv(x))


class SqueezeExcitation(nn.Module):
    """Channel attention (Hu et al. 2018): ``x * sigmoid(expand(activation(reduce(mean(x)))))``."""

    def __init__(self, channels: int, reduced_channels: int, activation: nn.Module) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, reduced_channels, 1)
        self.activation = activation
        self.expand = nn.Conv2d(reduced_channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, channels, H, W] to the same shape."""
        squeezed = x.mean((2, 3), keepdim=True)
        return x * torch.sigmoid(self.expand(self.activation(self.reduce(squeezed))))


class MBConv(nn.Module):
    """Mobile inverted bottleneck (Sandler et al. 2018): expand, depthwise, squeeze-and-excite, project.

    Without expansion (``expanded_channels`` equal to ``in_channels``) the first convolution is left out;
    ``reduced_channels`` None leaves squeeze-and-excitation out. ``residual`` adds the input to the output, as
    EfficientNet does between equal shapes; Mobile DenseNets concatenate instead.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: int,
        expanded_channels: int,
        reduced_channels: int | None,
        activation: nn.Module,
        stride: int = 1,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.residual = residual
        self.activation = activation
        self.expand = ConvNorm(in_channels, expanded_channels, 1) if expanded_channels != in_channels else None
        self.depthwise = ConvNorm(expanded_channels, expanded_channels, kernel, stride, groups=expanded_channels)
        self.squeeze_excitation = (
            None if reduced_channels is None else SqueezeExcitation(expanded_channels, reduced_channels, activation)
        )
        self.project = ConvNorm(expanded_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, in_channels, H, W] to [N, out_channels, H / stride, W / stride]."""
        y = x if self.expand is None else self.activation(self.expand(x))
        y = self.activation(self.depthwise(y))
        if self.squeeze_excitation is not None:
            y = self.squeeze_excitation(y)
        y = self.project(y)
        return x + y if self.residual else y


def bilinear_kernel(channels: int) -> Tensor:
    """Weight [channels, channels, 4, 4] of the stride-2 transposed convolution that doubles maps bilinearly.

    Channel-diagonal, the outer product of (1/4, 3/4, 3/4, 1/4) with itself: what every official file holds.
    """
    taps = torch.tensor(BILINEAR_KERNEL)
    weight = torch.zeros(channels, channels, len(taps), len(taps))
    weight[range(channels), range(channels)] = torch.outer(taps, taps)
    return weight


class BilinearUpscaling(nn.Sequential):
    """Transposed convolutions (4x4, stride 2), each initialised to double maps bilinearly (Figure 2, part
    6)."""

    def __init__(self, channels: int, doublings: int) -> None:
        super().__init__(*(nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1) for _ in range(doublings)))
        for parameter in self.parameters():
            nn.init.zeros_(parameter)
            if parameter.dim() == 4:
                parameter.data.copy_(bilinear_kernel(channels))
