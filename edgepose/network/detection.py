"""The detection blocks: Mobile DenseNets of E-MBConv layers, iterated in passes (Figures 2 and 3e)."""

import torch
from torch import Tensor, nn

from edgepose.network.layers import E_SWISH_BETA, MBConv, Swish

EXPANSION = 6
KERNEL = 5
SQUEEZE_RATIO = 4  # channels put out per channel of the squeeze-and-excitation


class MobileDenseNet(nn.Module):
    """Three E-MBConv layers, each but the second fed with all outputs so far.

    [N, in_channels, H, W] to [N, 3 * width, H, W], the newest features first. ``residual`` adds the input to
    the output; ``in_channels`` must then be 3 * width.
    """

    def __init__(self, in_channels: int, width: int, lite: bool, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        self.out_channels = 3 * width
        self.mbconv1 = _e_mbconv(in_channels, width, lite)
        self.mbconv2 = _e_mbconv(width, width, lite)
        self.mbconv3 = _e_mbconv(2 * width, width, lite)

    def forward(self, x: Tensor) -> Tensor:
        """[N, in_channels, H, W] to [N, 3 * width, H, W]."""
        first = self.mbconv1(x)
        second = torch.cat((self.mbconv2(first), first), dim=1)
        third = torch.cat((self.mbconv3(second), second), dim=1)
        return third + x if self.residual else third


class DetectionPass(nn.Module):
    """One pass of the iterative detection: ``blocks`` Mobile DenseNets, residual from the second on.

    ``forward`` gives the features that the next pass refines; ``head`` maps them to ``maps`` output channels,
    or is None where nobody reads them.
    """

    def __init__(self, in_channels: int, width: int, blocks: int, maps: int | None, lite: bool) -> None:
        super().__init__()
        self.blocks = nn.Sequential()
        channels = in_channels
        for number in range(blocks):
            block = MobileDenseNet(channels, width, lite, residual=number > 0)
            self.blocks.append(block)
            channels = block.out_channels
        self.out_channels = channels
        self.head = None if maps is None else nn.Conv2d(channels, maps, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, in_channels, H, W] to [N, 3 * width, H, W]: features, not maps."""
        return self.blocks(x)


def _e_mbconv(in_channels: int, width: int, lite: bool) -> MBConv:
    """MBConv with E-swish, also inside its squeeze-and-excitation; Lite: with ReLU6 and without the latter.

    The expansion counts the channels that go out, not those that come in.
    """
    return MBConv(
        in_channels,
        width,
        kernel=KERNEL,
        expanded_channels=EXPANSION * width,
        reduced_channels=None if lite else width // SQUEEZE_RATIO,
        activation=nn.ReLU6() if lite else Swish(E_SWISH_BETA),
    )
