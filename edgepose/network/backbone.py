"""The feature extractor: the first blocks of an EfficientNet or EfficientNet-Lite (Table 1 of the paper)."""

from collections import OrderedDict

from torch import Tensor, nn

from edgepose.network.layers import ConvNorm, MBConv, Swish
from edgepose.network.variants import BackboneSpec

SQUEEZE_RATIO = 4  # channels going into a block per channel of its squeeze-and-excitation


class Stem(ConvNorm):
    """The 3x3 stride-2 convolution that every EfficientNet begins with, and its activation."""

    def __init__(self, channels: int, activation: nn.Module) -> None:
        super().__init__(3, channels, kernel=3, stride=2)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """[N, 3, H, W] to [N, channels, H / 2, W / 2]."""
        return self.activation(super().forward(x))


class Backbone(nn.Sequential):
    """``stem``, ``block1`` ... ``block<last_block>``; image [N, 3, H, W] to features [N, C, H/s, W/s].

    s is 4 after block 2 and 8 after block 3; ``out_channels`` is C. ``last_residual`` False leaves out the
    residual connection of the very last layer.
    """

    def __init__(self, spec: BackboneSpec, last_block: int, last_residual: bool = True) -> None:
        activation = nn.ReLU6() if spec.lite else Swish()
        parts: OrderedDict[str, nn.Module] = OrderedDict(stem=Stem(spec.stem_channels, activation))
        channels = spec.stem_channels
        for number, block in enumerate(spec.blocks(last_block), 1):
            layers = nn.Sequential()
            for repeat in range(block.repeats):
                very_last = number == last_block and repeat == block.repeats - 1
                layers.append(
                    MBConv(
                        channels,
                        block.channels,
                        kernel=block.kernel,
                        expanded_channels=channels * block.expansion,
                        reduced_channels=None if spec.lite else channels // SQUEEZE_RATIO,
                        activation=activation,
                        stride=block.stride if repeat == 0 else 1,
                        residual=repeat > 0 and (last_residual or not very_last),
                    )
                )
                channels = block.channels
            parts[f"block{number}"] = layers
        super().__init__(parts)
        self.out_channels = channels
