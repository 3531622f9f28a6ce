"""Options that name a picture to write."""

from __future__ import annotations

from pathlib import Path

from edgepose.runtime.errors import UsageError

PICTURES = (".png", ".jpg", ".jpeg")


def check_picture(option: str, path: Path | None) -> None:
    """Raise :class:`UsageError` where the picture that ``option`` names cannot be one: before the work, not after."""
    if path is None:
        return
    if path.suffix.lower() not in PICTURES:
        raise UsageError(f"{option} {path}: pictures are written as .png or .jpg", "name one of these")
    if path.is_dir():
        raise UsageError(f"{option} {path} is a folder", "name a file")
    if not path.resolve().parent.is_dir():
        raise UsageError(f"{option} {path}: there is no folder {path.resolve().parent}", "make it first")
