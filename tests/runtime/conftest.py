"""Fixtures of the device half. Everything here runs under Python 3.6 with numpy, OpenCV and pytest alone."""

import os
import tempfile

import pytest
from tiny_bundles import ENGINES, probe_members, require_library, squares, tiny_bundle


@pytest.fixture(params=ENGINES)
def engine(request):
    """'onnx' and 'tflite' in turn, where this Python has their library."""
    require_library(request.param)
    return request.param


@pytest.fixture
def any_engine():
    """The first engine that this Python has a library for."""
    for name in ENGINES:
        try:
            require_library(name)
        except pytest.skip.Exception:
            continue
        return name
    return pytest.skip("no engine library here")


@pytest.fixture
def write_bundle(tmp_path):
    """``write_bundle(data)`` -> the path of a bundle that holds those bytes."""

    def write(data, name="tiny.edgepose"):
        path = str(tmp_path / name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    return write


@pytest.fixture
def bundle_path(any_engine, write_bundle):
    """The path of a bundle that runs here, with a probe that it passes."""
    frame = squares(64, 64)
    places = [(23, 23), (23, 39), (39, 23)]
    return write_bundle(tiny_bundle(any_engine, probe=probe_members([places[j % 3] for j in range(16)], frame)))


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    """Change into ``tmp_path`` for the test."""
    monkeypatch.chdir(str(tmp_path))
    return tmp_path


@pytest.fixture
def socket_folder(monkeypatch):
    """Change into a folder for the test whose path is short: those of Unix sockets have 107 bytes at most."""
    with tempfile.TemporaryDirectory(prefix="pose") as folder:
        with monkeypatch.context() as patch:
            patch.chdir(folder)
            yield folder


@pytest.fixture
def read_only_folder(tmp_path):
    """A folder that nothing can be written to; skipped for users whom permissions do not bind."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    folder.chmod(0o555)
    if os.access(str(folder), os.W_OK):
        pytest.skip("this user may write everywhere")
    yield folder
    folder.chmod(0o755)
