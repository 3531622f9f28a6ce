"""The bytes of a bundle: the same every time, plain, and a zip that every Python can run."""

import io
import signal
import subprocess
import sys
import zipfile

import pytest

from edgepose.conversion.bundle_writer import bundle_bytes, device_sources
from edgepose.conversion.manifest_writer import manifest_document
from edgepose.network.variants import get_variant
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.errors import BundleError


def document(**changes):
    fields = {
        "name": "rt-host-fp32",
        "variant": get_variant("RT"),
        "target": "host",
        "precision": "fp32",
        "engine_format": "tflite",
        "upsampling": 8,
        "macs": 1,
        "provenance": {},
        "measured": {},
    }
    return manifest_document(**{**fields, **changes})


def test_the_same_contents_are_the_same_plain_bytes():
    data = bundle_bytes(document(), {"engine.tflite": b"engine"})
    assert data == bundle_bytes(document(), {"engine.tflite": b"engine"})
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.comment == b""  # Python 3.6 and 3.7 cannot run an archive that has one
        for entry in archive.infolist():
            assert entry.compress_type == zipfile.ZIP_STORED
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)


def test_what_is_written_opens_and_holds_the_device_half(tmp_path):
    path = tmp_path / "rt.edgepose"
    path.write_bytes(bundle_bytes(document(), {"engine.tflite": b"engine"}))
    bundle = Bundle.open(path)
    assert bundle.engine_bytes() == b"engine"
    for name, source in device_sources().items():
        assert bundle.read(name) == source


def test_ctrl_c_while_modules_load_ends_the_program_without_a_traceback(tmp_path):
    (tmp_path / "__main__.py").write_bytes(device_sources()["__main__.py"])
    (tmp_path / "edgepose").mkdir()
    interrupted = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"
    (tmp_path / "edgepose" / "__init__.py").write_text(interrupted)
    ended = subprocess.run([sys.executable, str(tmp_path)], capture_output=True)
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, b"")


def test_a_document_that_is_no_manifest_is_refused():
    with pytest.raises(BundleError, match="name holds characters"):
        bundle_bytes(document(name="Größe"), {"engine.tflite": b""})
    with pytest.raises(BundleError, match="does not list"):
        bundle_bytes(document(), {})
