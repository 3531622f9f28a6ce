"""Pictures and sets that several tests make."""

import cv2
import numpy as np
import pytest

from edgepose.calibration import CalibrationCrop, write_calibration_set


def crops(count=3, side=20, seed=0):
    random = np.random.default_rng(seed)
    for index in range(count):
        image = random.integers(0, 256, (side + index, side + index, 3)).astype(np.uint8)
        yield CalibrationCrop(f"person {index}", image, None if index == 1 else 5.25 + index)


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
