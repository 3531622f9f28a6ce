"""Boards and images for the tests of TensorRT."""

import numpy as np
import pytest
from board_double import BoardDouble


@pytest.fixture
def new_board(tmp_path):
    """``new_board("8.2")`` is a Jetson Nano with that TensorRT and no engines."""

    def new(version="8.2", **changes):
        return BoardDouble(version, tmp_path / "engines", **changes)

    return new


@pytest.fixture
def image():
    pixels = np.random.RandomState(1).randint(0, 256, (1, 3, 32, 32))
    return (pixels / 255.0).astype(np.float32)


@pytest.fixture
def told(caplog):
    """The sentences that the back end announced so far, as one text."""
    caplog.set_level("INFO", logger="edgepose.tensorrt")
    return lambda: "\n".join(record.getMessage() for record in caplog.records)
