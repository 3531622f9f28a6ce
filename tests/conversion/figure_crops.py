"""Calibration sets of rendered figures."""

from pathlib import Path

import numpy as np

from edgepose.calibration import CalibrationCrop, write_calibration_set
from edgepose.figures import demo_set


def write_figures(path: Path, count: int, labelled: bool = True) -> str:
    """A calibration set of rendered figures."""
    every = np.ones(16, bool)
    crops = (
        CalibrationCrop(f"figure {index}", figure.image, figure.head_length, figure.keypoints, every)
        if labelled
        else CalibrationCrop(f"figure {index}", figure.image, None)
        for index, figure in enumerate(demo_set(count))
    )
    write_calibration_set(path, path.stem, "rendered", {"count": count}, crops)
    return str(path)
