"""Write a bundle: the engine, its manifest, the probe, and the device half's own source, in one runnable zip."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import edgepose
from edgepose.runtime.bundle import MANIFEST
from edgepose.runtime.manifest import Manifest, to_bytes

_MAIN = b"""import signal
import sys

# Ctrl-C while modules load, which takes seconds on a small board, ends the program without a traceback.
if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
try:
    from edgepose.runtime.main import main
except ImportError as error:
    sys.exit(
        "error: {}\\nhint: {} -m pip install numpy opencv-python-headless".format(error, sys.executable)
    )
sys.exit(main(bundle_path=sys.path[0]))
"""
# What the device half consists of, relative to the package.
_DEVICE_SOURCES = ("__init__.py", "version.py", "runtime", "bench")
# The zip format's first possible time: the same inputs must give the same bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def device_sources() -> dict[str, bytes]:
    """The device half's source files by archive name, ``__main__.py`` included."""
    root = Path(edgepose.__file__).parent
    sources = {"__main__.py": _MAIN}
    for name in _DEVICE_SOURCES:
        path = root / name
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            sources[f"edgepose/{file.relative_to(root).as_posix()}"] = file.read_bytes()
    return sources


def bundle_bytes(document: dict[str, Any], members: dict[str, bytes]) -> bytes:
    """The bytes of a bundle.

    ``document`` is a manifest without its ``members`` table, which is filled in here; ``members`` maps archive names
    to contents (engine and probe; the device half's source is added). Raises :class:`BundleError` where the document
    is not a valid manifest.
    """
    return seal(document, {**device_sources(), **members})


def seal(document: dict[str, Any], contents: dict[str, bytes]) -> bytes:
    """The bytes of a bundle of exactly ``contents``, by archive name, and of the manifest ``document``.

    Nothing is compressed, so that the bytes do not depend on a zlib version. Raises :class:`BundleError` where the
    document is not a valid manifest.
    """
    table = {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in contents.items()}
    manifest = to_bytes({**document, "members": table})
    Manifest.from_bytes(manifest)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in [(MANIFEST, manifest), *sorted(contents.items())]:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3  # Unix, wherever it is written
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return buffer.getvalue()
