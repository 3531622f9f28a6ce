"""Pictures and sets that several tests make."""

import cv2
import numpy as np
import pytest

from edgepose.calibration import CalibrationCrop, write_calibration_set


def labels(first=0.0):
    """Joints of a person, the last one not annotated and the first not to be evaluated."""
    keypoints = (np.arange(32, dtype=np.float32).reshape(16, 2) + first) / 8
    keypoints[15] = np.nan
    return keypoints, np.array([False, *[True] * 14, False])


def crops(count=3, side=20, seed=0):
    """Squares of noise: a known head, nothing known, then joints."""
    random = np.random.default_rng(seed)
    for index in range(count):
        image = random.integers(0, 256, (side + index, side + index, 3)).astype(np.uint8)
        head = None if index == 1 else 5.25 + index
        yield CalibrationCrop(f"person {index}", image, head, *labels(index) if index > 1 else (None, None))


@pytest.fixture
def made_set(tmp_path):
    """``made_set("set.zip")`` writes a set of three crops and returns its path."""

    def make(name, count=3):
        path = tmp_path / name
        write_calibration_set(path, "small", "ours", {"count": count, "seed": 0}, crops(count))
        return path

    return make


@pytest.fixture
def photographs(tmp_path):
    """A folder of twelve pictures of different brightness and size."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    for index in range(12):
        picture = np.full((60 + 10 * (index % 4), 100, 3), 15 + 20 * index, np.uint8)
        picture[::2, :: 1 + index % 3] = 0
        assert cv2.imwrite(str(folder / f"{index:02d}.png"), picture)
    return folder
