"""The official network as a teacher: what it sees in a picture, for another network to learn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from edgepose.checkpoints import build_network, load_checkpoint
from edgepose.network import EfficientPose
from edgepose.network.variants import Variant

_BATCH = 16


class Teacher:
    """A trained network of ``variant``, read from ``path``."""

    def __init__(self, path: str, variant: Variant, device: str = "cpu"):
        network = build_network(variant, load_checkpoint(path, variant))
        self._network: EfficientPose = network.to(device, memory_format=torch.channels_last)
        self._device = device

    def maps_and_features(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of RGB ``images`` uint8 [n, H, W, 3]: confidence maps float16 [n, 16, H/8, W/8], and :meth:`features`."""
        kept: list[np.ndarray] = []
        hook = self._network.high_resolution.register_forward_hook(lambda *call: kept.append(_halves(call[2])))
        maps = self._run(images, self._network.low_resolution_heatmaps)
        hook.remove()
        return maps, np.concatenate(kept)

    def features(self, images: np.ndarray) -> np.ndarray:
        """What the backbone makes of ``images``, float16 [n, C, H/8, W/8]."""
        return self._run(images, self._network.high_resolution)

    def _run(self, images: np.ndarray, part: Callable[[Tensor], Tensor]) -> np.ndarray:
        results = []
        with torch.inference_mode():
            for start in range(0, len(images), _BATCH):
                batch = torch.from_numpy(np.ascontiguousarray(images[start : start + _BATCH])).to(self._device)
                results.append(_halves(part(normalised(batch, self._network.variant))))
        return np.concatenate(results)


def normalised(images: Tensor, variant: Variant) -> Tensor:
    """Network input float32 [n, 3, H, W], channels last in memory, of uint8 or float ``images`` [n, H, W, 3], 0 to
    255."""
    scale, offset = (
        torch.tensor(values, device=images.device)
        for values in (variant.normalisation.scale, variant.normalisation.offset)
    )
    return (images * scale + offset).permute(0, 3, 1, 2)


def _halves(values: Tensor) -> np.ndarray:
    return values.half().cpu().numpy()
