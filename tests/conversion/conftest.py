"""Networks that several tests of the conversion share."""

import numpy as np
import pytest
from python_environments import environment_python
from random_networks import random_network

from edgepose.network.efficientpose import EfficientPose


@pytest.fixture(scope="session")
def rt() -> EfficientPose:
    return random_network("RT")


@pytest.fixture
def images() -> np.ndarray:
    """Two images of noise for RT, float32 [2, 3, 224, 224]."""
    return np.random.default_rng(7).standard_normal((2, 3, 224, 224), dtype=np.float32)


@pytest.fixture(scope="session")
def python_with_tflite_runtime() -> str:
    """A Python 3.9 with the predecessor of LiteRT, as devices of its time have it."""
    return environment_python("3.9", ["numpy<2", "tflite-runtime==2.7.0"])
