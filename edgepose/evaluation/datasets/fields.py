"""Checked values of data-set files: errors name the file, the person and the field, and say what belongs there."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from edgepose.runtime.errors import DatasetError

MAX_ANNOTATION_BYTES = 256 << 20
MAX_RECORDS = 1_000_000
MAX_COORDINATE = 1e5  # pixels


@dataclass(frozen=True)
class Place:
    """Where a value stands (``text``), and where to read what belongs there (``hint``)."""

    text: str
    hint: str

    def require(self, condition: bool, field: str, problem: str) -> None:
        """Raise :class:`DatasetError` unless ``condition`` holds."""
        if not condition:
            raise DatasetError(f"{self.text}: {field} {problem}", self.hint)

    def number(self, value: Any, field: str) -> float:
        """``value`` as a float; refuses what is no number, not finite, or out of all proportion."""
        self.require(isinstance(value, (int, float)) and not isinstance(value, bool), field, "holds what is no number")
        self.require(abs(value) <= MAX_COORDINATE, field, f"holds {value!r}, which is out of range")
        return float(value)

    def numbers(self, value: Any, count: int, field: str) -> list[float]:
        """``value`` as ``count`` floats."""
        self.require(isinstance(value, list) and len(value) == count, field, f"is not a list of {count} numbers")
        return [self.number(one, field) for one in value]

    def file_name(self, value: Any, field: str) -> str:
        """``value`` as the name of a file that cannot lead outside its folder."""
        self.require(isinstance(value, str) and bool(value), field, "is missing")
        parts = PurePosixPath(value)
        self.require(
            not parts.is_absolute() and ".." not in parts.parts and "\0" not in value and "\\" not in value,
            field,
            f"{value!r} points outside the data set",
        )
        return value


@dataclass
class PictureFolder:
    """The folder that the pictures of one annotation file lie in; gathers the names that are not there."""

    folder: Path
    _known: dict[str, bool] = field(default_factory=dict)

    def find(self, name: str) -> Path:
        """The path of the picture ``name``, which :meth:`refuse_missing` will miss if it is not there."""
        if name not in self._known:
            self._known[name] = is_file(self.folder / name)
        return self.folder / name

    def refuse_missing(self) -> None:
        """Raise :class:`DatasetError` where a picture that :meth:`find` was asked for is not there."""
        missing = [name for name, there in self._known.items() if not there]
        if missing:
            raise DatasetError(
                f"{len(missing)} of {len(self._known)} pictures are not in {self.folder}; the first is {missing[0]!r}",
                "complete the folder, or name another one with --images",
            )


def picture_folder(annotations: Path, images: Path | None, candidates: list[Path], name: str) -> PictureFolder:
    """``images``, or the first of ``candidates`` that holds the picture ``name``.

    Raises :class:`DatasetError` where there is no such folder.
    """
    if images is not None:
        if not images.is_dir():
            raise DatasetError(f"there is no folder {images}", "name the folder of the pictures with --images")
        return PictureFolder(images)
    for folder in candidates:
        if is_file(folder / name):
            return PictureFolder(folder)
    raise DatasetError(
        f"cannot find the pictures of {annotations}: {name!r} is not in {' nor in '.join(map(str, candidates))}",
        "name their folder with --images",
    )


def is_file(path: Path) -> bool:
    """Whether ``path`` is a file; a name that no file can have is none.

    Raises :class:`DatasetError` where nobody may look.
    """
    try:
        return path.is_file()
    except PermissionError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror}", "check the rights of its folder") from error
    except OSError:
        return False


def files_in(folder: Path) -> list[Path]:
    """The files in ``folder``, by name. Raises :class:`DatasetError` where it cannot be read."""
    try:
        return sorted(file for file in folder.iterdir() if file.is_file())
    except OSError as error:
        raise DatasetError(f"cannot read {folder}: {error.strerror or error}", "check the path and rights") from error


def check_size(path: Path) -> None:
    """Raise :class:`DatasetError` where ``path`` is larger than annotations are."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}", "check the path and rights") from error
    if size > MAX_ANNOTATION_BYTES:
        raise DatasetError(f"{path} has {size} bytes; at most {MAX_ANNOTATION_BYTES} are read")


def read_json(path: Path) -> Any:
    """The JSON document at ``path``. Raises :class:`DatasetError` for anything else."""
    check_size(path)
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}", "check the path and rights") from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is not JSON: {error}", "see docs/calibrate.md for the formats") from error


def check_count(path: Path, count: int, what: str = "records") -> None:
    """Raise :class:`DatasetError` for no records, and for more than are read."""
    if not 1 <= count <= MAX_RECORDS:
        raise DatasetError(f"{path}: has {count} {what}, not 1 to {MAX_RECORDS}")
