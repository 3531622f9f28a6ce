"""Where the data files that ship with edgepose lie: ``targets/`` and ``calibration/``."""

from __future__ import annotations

from pathlib import Path

from edgepose.runtime.errors import EdgeposeError

_PACKAGE = Path(__file__).resolve().parent


def data_folder(name: str) -> Path:
    """The folder of shipped data called ``name``: beside the package in a checkout, inside it in a wheel.

    Raises :class:`EdgeposeError` where the installation has neither.
    """
    for folder in (_PACKAGE / "data" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise EdgeposeError(f"this installation of edgepose lacks its folder {name!r}", "install edgepose again")
