"""The files of a calibration set, in a folder, in a zip, or in memory; nothing outside them can be reached."""

from __future__ import annotations

import contextlib
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from edgepose.calibration.description import CROPS_FOLDER, DESCRIPTION, MAX_CROP_BYTES, MAX_CROPS
from edgepose.runtime.archive import Archive, open_archive
from edgepose.runtime.errors import DatasetError

# Reads a member by name, at most so many bytes.
Read = Callable[[str, int], bytes]

ZIP = ".zip"
MAX_ARCHIVE_BYTES = MAX_CROPS * MAX_CROP_BYTES
COPY_AGAIN = "copy the set again, or make it again with 'edgepose calibrate'"


@dataclass(frozen=True)
class FolderMembers:
    """Members in a folder. Hidden files, which systems leave behind, are not members."""

    path: Path

    @contextlib.contextmanager
    def opened(self) -> Iterator[Read]:
        """A reader of members. Raises :class:`DatasetError` for what cannot be read."""
        yield self._read

    def names(self) -> set[str]:
        """The names of all members, ``/`` between folders."""
        found = [file for file in self.path.iterdir() if file.name != CROPS_FOLDER]
        if (self.path / CROPS_FOLDER).is_dir():
            found += (self.path / CROPS_FOLDER).iterdir()
        return {file.relative_to(self.path).as_posix() for file in found if not file.name.startswith(".")}

    def _read(self, name: str, limit: int) -> bytes:
        path = self.path / name
        try:
            if not stat.S_ISREG(path.lstat().st_mode):
                raise DatasetError(f"{path} is not a regular file", COPY_AGAIN)
            with path.open("rb") as file:
                return _bounded(file.read(limit + 1), limit, str(path))
        except OSError as error:
            raise DatasetError(f"cannot read {path}: {error.strerror or error}", COPY_AGAIN) from error


@dataclass(frozen=True)
class ZipMembers:
    """Members of a zip, which is read, never unpacked."""

    path: Path

    @contextlib.contextmanager
    def opened(self) -> Iterator[Read]:
        """A reader of members. Raises :class:`DatasetError` for a damaged zip, and for one with a name twice."""
        with self._archive() as archive:
            yield archive.read

    def names(self) -> set[str]:
        """The names of all members; entries for folders are none. Raises :class:`DatasetError` as :meth:`opened`."""
        with self._archive() as archive:
            return archive.names - {f"{CROPS_FOLDER}/"}

    def _archive(self) -> AbstractContextManager[Archive]:
        return open_archive(self.path, "a calibration set", MAX_ARCHIVE_BYTES, DatasetError, COPY_AGAIN)


@dataclass(frozen=True)
class MemoryMembers:
    """Members at hand."""

    files: dict[str, bytes]

    @contextlib.contextmanager
    def opened(self) -> Iterator[Read]:
        """A reader of members."""
        yield lambda name, _: self.files[name]

    def names(self) -> set[str]:
        """The names of all members."""
        return set(self.files)


Members = FolderMembers | ZipMembers | MemoryMembers


def members_at(path: Path) -> Members | None:
    """The members of the set at ``path``; ``None`` where what lies there is no set.

    Raises :class:`DatasetError` for a zip that is damaged, or one by its name alone.
    """
    if path.is_dir():
        return FolderMembers(path) if (path / DESCRIPTION).is_file() else None
    if path.is_file() and (path.suffix.lower() == ZIP or zipfile.is_zipfile(path)):
        members = ZipMembers(path)
        return members if DESCRIPTION in members.names() else None
    return None


def _bounded(data: bytes, limit: int, where: str) -> bytes:
    if len(data) > limit:
        raise DatasetError(f"{where} has more than {limit} bytes", COPY_AGAIN)
    return data
