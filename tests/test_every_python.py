"""The device half's own tests under every Python from 3.6 to 3.13 that this machine has.

Each gets an environment of its own with numpy, OpenCV, and the engine libraries that exist for it, kept between runs in
the folder ``EDGEPOSE_DEVICE_PYTHONS`` (else the user's cache). What cannot be had is skipped and says why.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import platformdirs
import pytest

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
BUILD_SECONDS, TEST_SECONDS = 600, 300


def find_python(version):
    """Path of a Python of that version, from pyenv or the search path; None where there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    releases = [path for path in pyenv.glob(f"{version}.*/bin/python") if os.access(path, os.X_OK)]
    if releases:
        return str(max(releases, key=lambda path: [int(part) for part in re.findall(r"\d+", path.parts[-3])]))
    return shutil.which(f"python{version}")


def environments_folder():
    """Where the environments are kept."""
    named = os.environ.get("EDGEPOSE_DEVICE_PYTHONS")
    return Path(named) if named else Path(platformdirs.user_cache_dir("edgepose-device-pythons"))


def environment_python(version, python):
    """The Python of an environment with what the device half's tests need; built where it is not there yet."""
    wanted = PINS.get(version, REQUIREMENTS) + TEST_TOOLS
    litert = LITERT.get(version, "ai-edge-litert")
    optional = OPTIONAL if litert is None else [litert, *OPTIONAL]
    digest = hashlib.sha256("\n".join([python, *wanted, *optional]).encode()).hexdigest()[:12]
    folder = environments_folder() / f"python{version}-{digest}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Built beside its place and moved there whole: an interrupted build leaves nothing that looks finished.
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".building-") as building:
            built = Path(building) / "environment"
            run_or_skip([python, "-m", "venv", str(built)], f"Python {version} makes no virtual environments")
            pip = [str(built / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            if version == "3.6":
                run_or_skip([*pip, "pip==21.3.1"], "pip cannot be updated")
            run_or_skip([*pip, "--only-binary=:all:", *wanted], f"not all of {', '.join(wanted)} can be installed")
            for package in optional:
                subprocess.run([*pip, "--only-binary=:all:", package], capture_output=True, timeout=BUILD_SECONDS)
            if not folder.exists():
                built.rename(folder)
    return str(folder / "bin" / "python")


def run_or_skip(command, reason):
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS)
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        pytest.skip(f"{reason}: {' '.join(last)}")


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_device_half(version, tmp_path, record_property):
    python = find_python(version)
    if python is None:
        pytest.skip(f"there is no Python {version} on this machine")
    python = environment_python(version, python)
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
