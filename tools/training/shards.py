"""Training examples, drawn once and kept: shards of pictures with the maps and features to learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import safetensors.numpy
import torch
import torch.nn.functional as F

from edgepose.figures import render_figure
from edgepose.network.variants import HEATMAP_STRIDE
from edgepose.runtime.atomic import write_bytes
from tools.training.teacher import Teacher

EXAMPLES = 256  # of one shard
SIGMA = 1.0  # cells; of the Gaussians around the joints of figures
FIRST_SEED = 10_000_000  # of figures to train on; those of the demonstration and evaluation sets lie below
_FULL_SIZE = 224  # at which the teacher looks at photographs


def figure_shard(number: int, size: int, teacher: Teacher | None) -> dict[str, np.ndarray]:
    """Shard ``number`` of rendered figures: maps are Gaussians around the true joints.

    ``images`` uint8 [n, size, size, 3] RGB, ``maps`` float16 [n, 16, size / 8, size / 8], and with a ``teacher``
    ``features`` float16 [n, C, size / 8, size / 8] of its backbone.
    """
    seeds = range(FIRST_SEED + number * EXAMPLES, FIRST_SEED + (number + 1) * EXAMPLES)
    images = np.empty((EXAMPLES, size, size, 3), np.uint8)
    maps = np.empty((EXAMPLES, 16, size // HEATMAP_STRIDE, size // HEATMAP_STRIDE), np.float16)
    for index, seed in enumerate(seeds):
        figure = render_figure(seed, size, "any")
        images[index] = figure.image[:, :, ::-1]
        maps[index] = gaussian_maps(figure.keypoints, size // HEATMAP_STRIDE)
    hints = {} if teacher is None else {"features": teacher.features(images)}
    return {"images": images, "maps": maps, **hints}


def photograph_shard(number: int, size: int, teacher: Teacher, photographs: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Shard ``number`` of views of ``photographs``: the maps are those that the teacher sees, as for figures."""
    rng = np.random.default_rng([2021, number])
    views = np.empty((EXAMPLES, _FULL_SIZE, _FULL_SIZE, 3), np.uint8)
    for index in range(EXAMPLES):
        photograph = photographs[(number * EXAMPLES + index) % len(photographs)]
        views[index] = random_view(rng, photograph, _FULL_SIZE)
    cells = size // HEATMAP_STRIDE
    maps, features = teacher.maps_and_features(views)
    if size == _FULL_SIZE:
        return {"images": views, "maps": maps, "features": features}
    smaller = F.interpolate(torch.from_numpy(maps).float(), (cells, cells), mode="bilinear", antialias=True)
    images = np.stack([cv2.resize(view, (size, size), interpolation=cv2.INTER_AREA) for view in views])
    return {"images": images, "maps": smaller.half().numpy(), "features": teacher.features(images)}


def random_view(rng: np.random.Generator, photograph: np.ndarray, size: int) -> np.ndarray:
    """``photograph``, uint8 [S, S, 3], turned, scaled, moved and at times mirrored; uint8 [size, size, 3]."""
    side = len(photograph)
    turn = rng.uniform(-180, 180) if rng.random() < 0.1 else np.clip(rng.normal(0, 18), -45, 45)
    scale = size / side * float(np.exp(rng.uniform(-0.25, 0.25)))
    place = cv2.getRotationMatrix2D((side / 2, side / 2), float(turn), scale)
    place[:, 2] += size / 2 - side / 2 + rng.uniform(-0.06, 0.06, 2) * size
    view = cv2.warpAffine(photograph, place, (size, size), flags=cv2.INTER_AREA)
    return view[:, ::-1] if rng.random() < 0.5 else view


def gaussian_maps(keypoints: np.ndarray, cells: int) -> np.ndarray:
    """Float32 [16, cells, cells]: a Gaussian of ``SIGMA`` cells around each of ``keypoints`` [16, 2], pixels."""
    centres = np.arange(cells, dtype=np.float32) + 0.5
    points = np.asarray(keypoints, np.float32) / HEATMAP_STRIDE
    x, y = (np.exp(-((centres - points[:, axis, None]) ** 2) / (2 * SIGMA**2)) for axis in (0, 1))
    return y[:, :, None] * x[:, None, :]


def read_photographs(folder: Path, side: int = 288) -> list[np.ndarray]:
    """The persons of the data set in ``folder``, each in its square, uint8 RGB [side, side, 3]."""
    from edgepose.calibration.crops import cut_square
    from edgepose.evaluation.datasets import open_dataset
    from edgepose.runtime.images import read_image

    squares = []
    for record in open_dataset(folder).records:
        cut = cut_square(read_image(record.image), record.region, 1.0)
        if cut is not None:
            interpolation = cv2.INTER_AREA if len(cut.image) > side else cv2.INTER_LINEAR
            squares.append(cv2.resize(cut.image, (side, side), interpolation=interpolation)[:, :, ::-1])
    return squares


def write_shard(path: Path, arrays: dict[str, Any]) -> None:
    """Write a shard, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, safetensors.numpy.save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))
