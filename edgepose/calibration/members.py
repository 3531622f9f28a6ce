"""The files of a calibration set, in a folder, in a zip, or in memory; nothing outside them can be reached."""

from __future__ import annotations

import contextlib
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgepose.calibration.description import CROPS_FOLDER, DESCRIPTION, MAX_CROP_BYTES, MAX_CROPS
from edgepose.runtime.errors import DatasetError

# Reads a member by name, at most so many bytes.
Read = Callable[[str, int], bytes]

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
        """A reader of members. Raises :class:`DatasetError` for a damaged zip."""
        with self._archive() as archive:
            yield lambda name, limit: self._read(archive, name, limit)

    def names(self) -> set[str]:
        """The names of all members; entries for folders are none. Raises :class:`DatasetError` for one name twice."""
        with self._archive() as archive:
            names = [entry.filename for entry in archive.infolist() if entry.filename != f"{CROPS_FOLDER}/"]
        if len(set(names)) < len(names):
            raise DatasetError(f"{self.path} holds a name twice", COPY_AGAIN)
        return set(names)

    @contextlib.contextmanager
    def _archive(self) -> Iterator[zipfile.ZipFile]:
        try:
            if self.path.stat().st_size > MAX_ARCHIVE_BYTES:
                raise DatasetError(f"{self.path} is larger than any calibration set")
            with zipfile.ZipFile(self.path) as archive:
                yield archive
        except OSError as error:
            raise DatasetError(f"cannot read {self.path}: {error.strerror or error}", COPY_AGAIN) from error
        # The many ways in which a damaged zip fails inside the standard library.
        except (EOFError, NotImplementedError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            raise DatasetError(f"{self.path} is damaged: {error}", COPY_AGAIN) from error

    def _read(self, archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
        try:
            member = archive.open(name)
        except KeyError:
            raise DatasetError(f"{self.path} lacks {name!r}", COPY_AGAIN) from None
        with member:
            # Bounded whatever the header claims.
            return _bounded(member.read(limit + 1), limit, f"{self.path}: {name}")


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
    """The members of the set at ``path``; ``None`` where what lies there is no set."""
    if path.is_dir():
        return FolderMembers(path) if (path / DESCRIPTION).is_file() else None
    if path.is_file() and zipfile.is_zipfile(path):
        members = ZipMembers(path)
        return members if DESCRIPTION in members.names() else None
    return None


def _bounded(data: bytes, limit: int, where: str) -> bytes:
    if len(data) > limit:
        raise DatasetError(f"{where} has more than {limit} bytes", COPY_AGAIN)
    return data
