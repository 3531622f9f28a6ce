"""Every crop of a set in one picture, for people who would rather look than read."""

from __future__ import annotations

import math

import cv2
import numpy as np

from edgepose.calibration.calibration_set import CalibrationSet

TILE = 96  # pixels


def contact_sheet(calibration_set: CalibrationSet) -> np.ndarray:
    """uint8 [H, W, 3], BGR: the crops in order, left to right, on a ground about half as high as wide."""
    columns = max(1, math.ceil(math.sqrt(2 * len(calibration_set))))
    rows = math.ceil(len(calibration_set) / columns)
    sheet = np.full((rows * TILE, columns * TILE, 3), 255, np.uint8)
    for index, crop in enumerate(calibration_set.crops()):
        row, column = divmod(index, columns)
        # One pixel of ground keeps neighbours apart.
        tile = cv2.resize(crop.image, (TILE - 1, TILE - 1), interpolation=cv2.INTER_AREA)
        sheet[row * TILE : (row + 1) * TILE - 1, column * TILE : (column + 1) * TILE - 1] = tile
    return sheet
