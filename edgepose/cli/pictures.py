"""Options that name a picture to write."""

from __future__ import annotations

from collections.abc import Iterable
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


def check_replaces_none(option: str, path: Path | None, pictures: Iterable[Path]) -> None:
    """Raise :class:`UsageError` where the picture that ``option`` names is one of the ``pictures`` to look at."""
    if path is not None and path.exists() and any(path.samefile(picture) for picture in pictures):
        raise UsageError(f"{option} {path} is one of the pictures to look at", "name another file")
