"""Writing calibration sets: the same crops and recipe give the same bytes, and all of them or none."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from edgepose.calibration.calibration_set import CalibrationCrop, CalibrationSet, encoded, load
from edgepose.calibration.description import CROPS_FOLDER, DESCRIPTION, MAX_CROPS, MAX_SIDE, CropEntry, Description
from edgepose.calibration.members import ZIP, FolderMembers, ZipMembers, members_at
from edgepose.new_folder import NewFolder
from edgepose.runtime.atomic import atomic_path
from edgepose.runtime.errors import DatasetError, UsageError

_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold; the real one would change the bytes


def write_calibration_set(
    path: str | Path, name: str, licence: str, recipe: dict[str, Any], crops: Iterable[CalibrationCrop]
) -> CalibrationSet:
    """Write a set to ``path``, a ``.zip`` or else a folder, and open it.

    ``recipe`` is of JSON values. A set that is there already is replaced. Raises :class:`UsageError` where ``path``
    holds something else, :class:`DatasetError` for no crops, too many, or one that cannot be in a set.
    """
    path = Path(path)
    check_output(path)
    if path.suffix.lower() == ZIP:
        with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            _write(lambda member, data: _add(archive, member, data), name, licence, recipe, crops)
        return load(ZipMembers(path), str(path))
    with NewFolder(path) as folder:
        (folder / CROPS_FOLDER).mkdir()
        _write(lambda member, data: (folder / member).write_bytes(data), name, licence, recipe, crops)
    return load(FolderMembers(path), str(path))


def check_output(path: Path) -> None:
    """Raise :class:`UsageError` where a set cannot be written to ``path`` without losing something else."""
    if not path.resolve().parent.is_dir():
        raise UsageError(f"there is no folder {path.resolve().parent}", "make it, or name another place")
    if not path.exists() and not path.is_symlink():
        return
    zipped = path.suffix.lower() == ZIP
    if path.is_dir() and not zipped and not any(path.iterdir()):
        return
    if path.is_dir() == zipped or not _is_set(path):
        kind = "in a zip" if zipped else "in a folder"
        raise UsageError(f"{path} is there already and is not a calibration set {kind}", "name another place")


def _is_set(path: Path) -> bool:
    try:
        return members_at(path) is not None
    except DatasetError:  # damaged: nobody can say what it was
        return False


def _write(
    add: Callable[[str, bytes], Any], name: str, licence: str, recipe: dict[str, Any], crops: Iterable[CalibrationCrop]
) -> None:
    entries: list[CropEntry] = []
    for crop in crops:
        if len(entries) == MAX_CROPS:
            raise DatasetError(f"a calibration set holds at most {MAX_CROPS} crops", "choose fewer with --count")
        image = crop.image
        if image.dtype != np.uint8 or image.shape != (len(image), len(image), 3) or not 1 <= len(image) <= MAX_SIDE:
            raise DatasetError(f"crop {crop.id!r} is {image.dtype} {image.shape}, not uint8 [S, S, 3], S to {MAX_SIDE}")
        entry, data = encoded(crop, len(entries))
        entries.append(entry)
        add(entry.file, data)
    if not entries:
        raise DatasetError("a calibration set of no crops calibrates nothing", "name a source that holds persons")
    try:
        description = Description(name, licence, recipe, tuple(entries)).to_bytes()
    except ValueError as error:
        raise DatasetError(f"the set holds a number that is not finite: {error}") from error
    Description.from_bytes(description, "the set")  # what could not be opened again is not written
    add(DESCRIPTION, description)


def _add(archive: zipfile.ZipFile, member: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(member, _DATE)
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, data)  # stored: PNG is compressed already
