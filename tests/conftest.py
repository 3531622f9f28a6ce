"""Fixtures that several folders of tests share."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples every time, and no deadline that a busy machine could miss.
settings.register_profile("patient", deadline=None, derandomize=True)
settings.load_profile("patient")

# A shell starts what runs in the background with Ctrl-C ignored, and programs under test would inherit that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder with official weights and annotated photographs; the test is skipped where there is none."""
    folder = os.environ.get("EDGEPOSE_REFERENCE")
    if not folder:
        pytest.skip("EDGEPOSE_REFERENCE is not set: official weights and photographs are not at hand")
    path = Path(folder)
    if not path.is_dir():
        pytest.fail(f"EDGEPOSE_REFERENCE={folder} is not a folder")
    return path
