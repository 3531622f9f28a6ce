"""The EfficientPose family as one table: Table 2 of the paper, and the official Lite variants.

Groos, Ramampiaro, Ihlen: EfficientPose: Scalable single-person pose estimation. Applied Intelligence 51
(2021). Everything that tells one variant from another stands here; no other module knows a variant by its
name.
"""

import dataclasses
import math
from dataclasses import dataclass

from edgepose.runtime.errors import UsageError, did_you_mean

LAST_HIGH_RESOLUTION_BLOCK = 3
LAST_LOW_RESOLUTION_BLOCK = 2
HEATMAP_STRIDE = 8  # input pixels per heatmap cell

_STEM_CHANNELS = 32
_CHANNEL_DIVISOR = 8


@dataclass(frozen=True)
class BlockSpec:
    """One row of Table 1: ``repeats`` MBConv layers, the first of which has ``stride``."""

    channels: int
    repeats: int
    kernel: int
    stride: int
    expansion: int


# Blocks 1 to 3 of EfficientNet-B0 (Tan and Le 2019, Table 1; Table 1 of the paper at width = depth = 1).
_BASE_BLOCKS = (
    BlockSpec(channels=16, repeats=1, kernel=3, stride=1, expansion=1),
    BlockSpec(channels=24, repeats=2, kernel=3, stride=2, expansion=6),
    BlockSpec(channels=40, repeats=2, kernel=5, stride=2, expansion=6),
)


@dataclass(frozen=True)
class BackboneSpec:
    """An EfficientNet by its compound scaling: ``width`` multiplies channels, ``depth`` multiplies repeats.

    ``lite``: the EfficientNet-Lite form, whose stem and first block are not scaled in width and depth
    respectively, and which has ReLU6 in place of swish and no squeeze-and-excitation.
    """

    name: str
    width: float
    depth: float
    lite: bool = False

    @property
    def stem_channels(self) -> int:
        """Channels of the stride-2 stem convolution."""
        return _STEM_CHANNELS if self.lite else self._scaled_channels(_STEM_CHANNELS)

    def blocks(self, last: int) -> tuple[BlockSpec, ...]:
        """Blocks 1 to ``last``, scaled."""
        scaled = []
        for number, block in enumerate(_BASE_BLOCKS[:last], 1):
            fixed = self.lite and number == 1
            repeats = block.repeats if fixed else math.ceil(self.depth * block.repeats)
            scaled.append(dataclasses.replace(block, channels=self._scaled_channels(block.channels), repeats=repeats))
        return tuple(scaled)

    def _scaled_channels(self, channels: int) -> int:
        """Nearest multiple of 8 that is not more than 10 % below (EfficientNet's rounding)."""
        scaled = channels * self.width
        rounded = max(_CHANNEL_DIVISOR, int(scaled + _CHANNEL_DIVISOR / 2) // _CHANNEL_DIVISOR * _CHANNEL_DIVISOR)
        return rounded + _CHANNEL_DIVISOR if rounded < 0.9 * scaled else rounded


@dataclass(frozen=True)
class Normalisation:
    """How a byte of an RGB image becomes network input: ``byte * scale + offset``, a number per channel."""

    name: str
    scale: tuple[float, float, float]
    offset: tuple[float, float, float]


@dataclass(frozen=True)
class PublishedFigures:
    """What the authors report.

    ``parameters`` in millions, ``flops`` in 10^9 (multiplications and additions each count), and PCKh in per
    cent at 0.5 and 0.1 head lengths on the MPII validation set (their split, their still-image decoder).
    """

    parameters: float
    flops: float
    pckh50: float
    pckh10: float
    source: str


@dataclass(frozen=True)
class Variant:
    """Configuration of one EfficientPose network.

    The last five fields are the switches of the ablations (Tables 6 to 9) and of training; change them with
    :func:`dataclasses.replace`. ``intermediate_outputs`` adds the heads that only training reads (the part
    affinity fields and the confidence maps of all passes but the last); neither the paper's parameter counts,
    nor the official PyTorch files, nor the Lite files have them.
    """

    name: str
    resolution: int  # side of the square input, pixels
    high_resolution: BackboneSpec
    low_resolution: BackboneSpec | None  # sees the input at half resolution
    detection_width: int  # channels that an E-MBConv of the detection blocks puts out
    detection_blocks: int  # Mobile DenseNets per pass
    normalisation: Normalisation
    published: PublishedFigures
    cross_resolution: bool = True
    skeleton_estimation: bool = True
    detection_passes: int = 2
    upscaling: bool = True
    intermediate_outputs: bool = False

    def __post_init__(self) -> None:
        if self.detection_passes not in (1, 2, 3):
            raise UsageError(f"{self.name}: {self.detection_passes} detection passes asked for; there can be 1, 2 or 3")
        if self.cross_resolution and self.low_resolution is None:
            raise UsageError(f"{self.name} has no low-resolution backbone to cross with")

    @property
    def lite(self) -> bool:
        """Whether this is a Lite variant: ReLU6 throughout and no squeeze-and-excitation."""
        return self.high_resolution.lite

    @property
    def heatmap_size(self) -> int:
        """Side of the square low-resolution maps, in cells."""
        return self.resolution // HEATMAP_STRIDE


_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
_IMAGENET = Normalisation(
    name="imagenet",
    scale=(1 / 255 / _IMAGENET_STD[0], 1 / 255 / _IMAGENET_STD[1], 1 / 255 / _IMAGENET_STD[2]),
    offset=(
        -_IMAGENET_MEAN[0] / _IMAGENET_STD[0],
        -_IMAGENET_MEAN[1] / _IMAGENET_STD[1],
        -_IMAGENET_MEAN[2] / _IMAGENET_STD[2],
    ),
)
_SIGNED_UNIT = Normalisation(name="signed-unit", scale=(1 / 127.5, 1 / 127.5, 1 / 127.5), offset=(-1.0, -1.0, -1.0))

_B0 = BackboneSpec("EfficientNet-B0", width=1.0, depth=1.0)
_B1 = BackboneSpec("EfficientNet-B1", width=1.0, depth=1.1)
_B2 = BackboneSpec("EfficientNet-B2", width=1.1, depth=1.2)
_B3 = BackboneSpec("EfficientNet-B3", width=1.2, depth=1.4)
_B4 = BackboneSpec("EfficientNet-B4", width=1.4, depth=1.8)
_B5 = BackboneSpec("EfficientNet-B5", width=1.6, depth=2.2)
_B7 = BackboneSpec("EfficientNet-B7", width=2.0, depth=3.1)
_LITE0 = BackboneSpec("EfficientNet-Lite0", width=1.0, depth=1.0, lite=True)
_LITE2 = BackboneSpec("EfficientNet-Lite2", width=1.1, depth=1.2, lite=True)
_LITE4 = BackboneSpec("EfficientNet-Lite4", width=1.4, depth=1.8, lite=True)

_TABLE_3 = "Groos et al. 2021, Table 3"
_LITE_TABLE = "README of github.com/daniegr/EfficientPose"


def _variant(
    name: str,
    resolution: int,
    backbones: tuple[BackboneSpec, BackboneSpec | None],
    detection: tuple[int, int],
    published: tuple[float, float, float, float],
) -> Variant:
    high, low = backbones
    width, blocks = detection
    return Variant(
        name=name,
        resolution=resolution,
        high_resolution=high,
        low_resolution=low,
        detection_width=width,
        detection_blocks=blocks,
        normalisation=_SIGNED_UNIT if high.lite else _IMAGENET,
        published=PublishedFigures(*published, source=_LITE_TABLE if high.lite else _TABLE_3),
        cross_resolution=low is not None,
    )


VARIANTS: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        # name, side, (high, low resolution backbone), (detection width, blocks per pass), (M, G, PCKh@50,
        # @10)
        _variant("RT", 224, (_B0, None), (40, 1), (0.46, 0.87, 82.9, 23.6)),
        _variant("I", 256, (_B2, _B0), (48, 1), (0.72, 1.67, 85.2, 26.5)),
        _variant("II", 368, (_B4, _B0), (56, 2), (1.73, 7.70, 88.2, 30.2)),
        _variant("III", 480, (_B5, _B1), (64, 3), (3.23, 23.35, 89.5, 30.9)),
        _variant("IV", 600, (_B7, _B3), (80, 4), (6.56, 72.89, 89.8, 35.6)),
        _variant("RT_LITE", 224, (_LITE0, None), (40, 1), (0.40, 0.86, 80.6, 23.1)),
        _variant("I_LITE", 256, (_LITE2, None), (48, 1), (0.59, 1.54, 83.7, 27.7)),
        _variant("II_LITE", 368, (_LITE4, None), (56, 2), (1.46, 7.25, 87.1, 30.8)),
    )
}


def get_variant(name: str) -> Variant:
    """The variant of that name (``-`` for ``_`` and any case accepted).

    Raises :class:`UsageError` for an unknown name, with the nearest known one.
    """
    variant = VARIANTS.get(name.strip().upper().replace("-", "_"))
    if variant is None:
        raise UsageError(
            f"there is no variant '{name}'{did_you_mean(name, VARIANTS)}",
            "the variants are " + ", ".join(VARIANTS),
        )
    return variant
