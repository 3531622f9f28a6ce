"""From a picture and a person's region to the square that a network would look at."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from edgepose.calibration.description import MAX_SIDE
from edgepose.evaluation.datasets.regions import Region, enlarged, square_around


class Cut(NamedTuple):
    """A square cut out of a picture.

    ``image``: uint8 [S, S, 3]. ``scale``: pixels of the crop per pixel of the picture. ``stretch``: the same along x
    and y, as resizing to whole pixels made it. ``shift``: x and y of the picture's corner in the crop.
    """

    image: np.ndarray
    scale: float
    stretch: np.ndarray
    shift: np.ndarray

    def to_crop(self, points: np.ndarray) -> np.ndarray:
        """Where ``points`` [n, 2] of the picture lie in the crop, float32; pixels from the corner, NaN stays."""
        return (points * self.stretch + self.shift).astype(np.float32)


def cut_square(image: np.ndarray, region: Region | None, crop_scale: float) -> Cut | None:
    """The square around ``region``, its side ``crop_scale`` times the region's longer one; all of ``image`` for None.

    ``image``: uint8 [H, W, 3]. The crop is black outside the picture, at most 640 pixels a side (INTER_AREA), never
    enlarged. ``None`` where the square lies outside.
    """
    height, width = image.shape[:2]
    left, top, side, _ = square_around(*((0, 0, width, height) if region is None else enlarged(region, crop_scale)))
    inside = image[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
    if inside.size == 0:
        return None
    scale = min(1.0, MAX_SIDE / side)
    x0, y0 = round(max(-left, 0) * scale), round(max(-top, 0) * scale)
    # Only what is visible is resized: a region far larger than its picture costs no memory.
    size = (max(1, round(inside.shape[1] * scale)), max(1, round(inside.shape[0] * scale)))
    stretch = np.array(size) / inside.shape[1::-1]
    if scale < 1:
        inside = cv2.resize(inside, size, interpolation=cv2.INTER_AREA)
    square = np.zeros((min(side, MAX_SIDE), min(side, MAX_SIDE), 3), np.uint8)
    place = square[y0 : y0 + size[1], x0 : x0 + size[0]]
    place[:] = inside[: place.shape[0], : place.shape[1]]
    return Cut(square, scale, stretch, (x0, y0) - np.maximum((left, top), 0) * stretch)
