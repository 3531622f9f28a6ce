"""The device half's own tests under every Python from 3.6 to 3.13 that this machine has.

Each gets an environment of its own with numpy, OpenCV, and the engine libraries that exist for it.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from python_environments import environment_python

ROOT = Path(__file__).parent.parent
VERSIONS = ["3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13"]
# The last that have wheels for Python 3.6; pip of that age knows no newer wheel tags.
PINS = {"3.6": ["numpy==1.19.5", "opencv-python-headless==4.5.4.60", "onnxruntime==1.10.0"]}
REQUIREMENTS = ["numpy", "opencv-python-headless", "onnxruntime"]
TEST_TOOLS = ["pytest", "hypothesis"]
LITERT = {"3.6": None, "3.7": "tflite-runtime", "3.8": "tflite-runtime"}
# Without these, some tests skip and say so; the others still run.
OPTIONAL = ["scipy"]
EXAMPLES = "12"
TEST_SECONDS = 300


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_device_half(version, tmp_path, record_property):
    litert = LITERT.get(version, "ai-edge-litert")
    optional = OPTIONAL if litert is None else [litert, *OPTIONAL]
    python = environment_python(version, PINS.get(version, REQUIREMENTS) + TEST_TOOLS, optional)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("EDGEPOSE_", "PYTEST_"))}
    environment.update(
        PYTHONPATH=str(ROOT), PYTHONDONTWRITEBYTECODE="1", EDGEPOSE_TEST_EXAMPLES=EXAMPLES, OMP_NUM_THREADS="1"
    )
    done = subprocess.run(
        [
            python,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            f"--basetemp={tmp_path / 'tests'}",
            "tests/runtime",
            "tests/bench",
        ],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TEST_SECONDS,
    )
    outcome = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""
    record_property("outcome", outcome)
    sys.stdout.write(f"Python {version}: {outcome}\n")
    assert done.returncode == 0, "\n".join(done.stdout.splitlines()[-60:])
    assert re.search(r"\d{3} passed", outcome), f"suspiciously few tests ran: {outcome}"
