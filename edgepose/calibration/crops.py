"""From a picture and a person's region to the square that a network would look at."""

from __future__ import annotations

import cv2
import numpy as np

from edgepose.calibration.description import MAX_SIDE
from edgepose.evaluation.datasets.regions import Region, enlarged, square_around


def cut_square(image: np.ndarray, region: Region | None, crop_scale: float) -> tuple[np.ndarray, float] | None:
    """The square around ``region``, its side ``crop_scale`` times the region's longer one; all of ``image`` for None.

    ``image``: uint8 [H, W, 3]. Returns (uint8 [S, S, 3], pixels of the crop per pixel of the picture): black outside
    the picture, at most 640 pixels a side (INTER_AREA), never enlarged. ``None`` where the square lies outside.
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
    if scale < 1:
        inside = cv2.resize(inside, size, interpolation=cv2.INTER_AREA)
    square = np.zeros((min(side, MAX_SIDE), min(side, MAX_SIDE), 3), np.uint8)
    place = square[y0 : y0 + size[1], x0 : x0 + size[0]]
    place[:] = inside[: place.shape[0], : place.shape[1]]
    return square, scale
