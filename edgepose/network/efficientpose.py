"""EfficientPose: the whole network (Figure 2 of the paper)."""

from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgepose.network.backbone import Backbone
from edgepose.network.detection import DetectionPass
from edgepose.network.layers import BilinearUpscaling
from edgepose.network.variants import (
    HEATMAP_STRIDE,
    LAST_HIGH_RESOLUTION_BLOCK,
    LAST_LOW_RESOLUTION_BLOCK,
    Variant,
)
from edgepose.runtime.errors import UsageError
from edgepose.runtime.joints import JOINTS

PAF_CHANNELS = 28  # x and y of 14 part affinity fields
UPSCALING_DOUBLINGS = 3  # 2**3 = HEATMAP_STRIDE


class EfficientPoseOutputs(NamedTuple):
    """What :meth:`EfficientPose.forward` gives.

    * ``pafs``: part affinity fields [N, 28, H/8, W/8]; None without skeleton estimation or intermediate
      outputs.
    * ``confidence_maps``: maps [N, 16, H/8, W/8], one a detection pass; the last alone without intermediate
      outputs.
    * ``upscaled``: the last maps at input resolution [N, 16, H, W]; None without upscaling.
    """

    pafs: Tensor | None
    confidence_maps: tuple[Tensor, ...]
    upscaled: Tensor | None


class EfficientPose(nn.Module):
    """Single-person pose estimation network of one :class:`Variant`; ``variant`` keeps the configuration.

    Input: float32 [N, 3, H, W], RGB, normalised as ``variant.normalisation`` says, H and W multiples of 8
    (``variant.resolution`` in training and in every published figure).
    """

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.variant = variant
        self.high_resolution = Backbone(variant.high_resolution, LAST_HIGH_RESOLUTION_BLOCK)
        self.low_resolution = None
        feature_channels = self.high_resolution.out_channels
        if variant.cross_resolution and variant.low_resolution is not None:
            # The official graphs take the low-level features before their last addition.
            self.low_resolution = Backbone(variant.low_resolution, LAST_LOW_RESOLUTION_BLOCK, last_residual=False)
            feature_channels += self.low_resolution.out_channels

        # Without skeleton estimation the image features enter the first pass twice, as Table 7's counts show.
        channels = feature_channels
        self.skeleton_pass = None
        if variant.skeleton_estimation:
            maps = PAF_CHANNELS if variant.intermediate_outputs else None
            self.skeleton_pass = _detection_pass(variant, feature_channels, maps)
            channels = self.skeleton_pass.out_channels
        self.detection_passes = nn.ModuleList()
        for number in range(1, variant.detection_passes + 1):
            is_read = number == variant.detection_passes or variant.intermediate_outputs
            detection_pass = _detection_pass(variant, channels + feature_channels, len(JOINTS) if is_read else None)
            self.detection_passes.append(detection_pass)
            channels = detection_pass.out_channels
        self.upscaling = BilinearUpscaling(len(JOINTS), UPSCALING_DOUBLINGS) if variant.upscaling else None

    def forward(self, image: Tensor) -> EfficientPoseOutputs:
        """All outputs for ``image``. Raises :class:`UsageError` where its shape does not fit."""
        pafs = None
        confidence_maps = []
        for detection_pass, features in self._passes(image):
            if detection_pass.head is None:
                continue
            maps = detection_pass.head(features)
            if detection_pass is self.skeleton_pass:
                pafs = maps
            else:
                confidence_maps.append(maps)
        upscaled = None if self.upscaling is None else self.upscaling(confidence_maps[-1])
        return EfficientPoseOutputs(pafs, tuple(confidence_maps), upscaled)

    def low_resolution_heatmaps(self, image: Tensor) -> Tensor:
        """The confidence maps of the last pass alone, [N, 16, H/8, W/8]: all that an engine needs."""
        last_pass, features = self._passes(image)[-1]
        return cast(nn.Conv2d, last_pass.head)(features)

    def upscale(self, maps: Tensor) -> Tensor:
        """Confidence maps [N, 16, h, w] at input resolution [N, 16, 8h, 8w].

        Raises :class:`UsageError` in a network configured without upscaling.
        """
        if self.upscaling is None:
            raise UsageError(f"this {self.variant.name} network is configured without upscaling")
        return self.upscaling(maps)

    def intermediate_heads(self) -> list[str]:
        """Paths of the layers that only training reads: the heads of every pass but the last."""
        last_head = f"detection_passes.{len(self.detection_passes) - 1}.head"
        return [path for path, _ in self.named_modules() if path.endswith(".head") and path != last_head]

    def _passes(self, image: Tensor) -> list[tuple[DetectionPass, Tensor]]:
        """Every pass, skeleton first, with the features it puts out."""
        image_features = self._image_features(image)
        refined = image_features
        done: list[tuple[DetectionPass, Tensor]] = []
        if self.skeleton_pass is not None:
            refined = self.skeleton_pass(image_features)
            done.append((self.skeleton_pass, refined))
        for detection_pass in cast(list[DetectionPass], self.detection_passes):
            refined = detection_pass(torch.cat((refined, image_features), dim=1))
            done.append((detection_pass, refined))
        return done

    def _image_features(self, image: Tensor) -> Tensor:
        # Under the tracing exporter sizes are tensors, and checking them would only warn.
        if not torch.jit.is_tracing():
            _check_shape(image)
        features = self.high_resolution(image)
        if self.low_resolution is None:
            return features
        return torch.cat((features, self.low_resolution(F.avg_pool2d(image, 2))), dim=1)


def _detection_pass(variant: Variant, in_channels: int, maps: int | None) -> DetectionPass:
    return DetectionPass(in_channels, variant.detection_width, variant.detection_blocks, maps, variant.lite)


def _check_shape(image: Tensor) -> None:
    shape = list(image.shape)
    if len(shape) != 4 or shape[1] != 3 or shape[2] % HEATMAP_STRIDE or shape[3] % HEATMAP_STRIDE:
        raise UsageError(
            f"the network takes images [N, 3, H, W] with H and W multiples of {HEATMAP_STRIDE}, not {shape}"
        )
