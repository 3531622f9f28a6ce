"""Environments of other Pythons that this machine has, for tests that run code in them.

They are kept between runs in the folder ``EDGEPOSE_DEVICE_PYTHONS`` (else the user's cache). What cannot be had skips
the test that asks for it, and says why.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import platformdirs
import pytest

BUILD_SECONDS = 600


def find_python(version):
    """Path of a Python of that version, from pyenv or the search path; None where there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    releases = [path for path in pyenv.glob(f"{version}.*/bin/python") if os.access(path, os.X_OK)]
    if releases:
        return str(max(releases, key=lambda path: [int(part) for part in re.findall(r"\d+", path.parts[-3])]))
    return shutil.which(f"python{version}")


def environment_python(version, wanted, optional=()):
    """The Python of an environment with the packages ``wanted``, and of ``optional`` what exists for it.

    Built where it is not there yet; the test is skipped where it cannot be.
    """
    python = find_python(version)
    if python is None:
        pytest.skip(f"there is no Python {version} on this machine")
    digest = hashlib.sha256("\n".join([python, *wanted, *optional]).encode()).hexdigest()[:12]
    folder = _environments_folder() / f"python{version}-{digest}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Built beside its place and moved there whole: an interrupted build leaves nothing that looks finished.
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".building-") as building:
            built = Path(building) / "environment"
            _run_or_skip([python, "-m", "venv", str(built)], f"Python {version} makes no virtual environments")
            pip = [str(built / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            if version == "3.6":
                _run_or_skip([*pip, "pip==21.3.1"], "pip cannot be updated")
            _run_or_skip([*pip, "--only-binary=:all:", *wanted], f"not all of {', '.join(wanted)} can be installed")
            for package in optional:
                subprocess.run([*pip, "--only-binary=:all:", package], capture_output=True, timeout=BUILD_SECONDS)
            if not folder.exists():
                built.rename(folder)
    return str(folder / "bin" / "python")


def _environments_folder():
    named = os.environ.get("EDGEPOSE_DEVICE_PYTHONS")
    return Path(named) if named else Path(platformdirs.user_cache_dir("edgepose-device-pythons"))


def _run_or_skip(command, reason):
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS)
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        pytest.skip(f"{reason}: {' '.join(last)}")
