"""Zips that are read and never unpacked: no name twice, no member larger than its reader allows."""

import contextlib
import io
import os
import stat
import struct
import zipfile
import zlib
from typing import Dict  # noqa: F401 - in a type comment

# What the bundle writer says of a member, here and there (PKWARE's APPNOTE, 4.3.7 and 4.3.12): stored, of 1980-01-01.
_MEMBER = struct.Struct("<5H3L2H")
_PLACE = struct.Struct("<3H2L")
_END = struct.Struct("<4s4H2LH")
_VERSION, _DATE, _UNIX, _MODE = 20, 33, 3, 0o644 << 16


class Archive(object):
    """An open zip: ``names`` of its members, and :meth:`read`."""

    def __init__(self, path, archive, error_class, hint):
        self._path, self._archive, self._error_class, self._hint = path, archive, error_class, hint
        self._entries = {}  # type: Dict[str, zipfile.ZipInfo]
        for entry in archive.infolist():
            if entry.filename in self._entries:
                raise self._error("holds {!r} twice".format(entry.filename))
            self._entries[entry.filename] = entry
        self.names = set(self._entries)

    def read(self, name, limit):
        """The bytes of member ``name``, of which there are at most ``limit``; refuses what is not there, or larger."""
        if name not in self._entries:
            raise self._error("lacks its member {!r}".format(name))
        entry = self._entries[name]
        if entry.file_size > limit:
            raise self._error(
                "member {!r} claims {} bytes where at most {} can be".format(name, entry.file_size, limit)
            )
        # Bounded by what the reader allows, whatever the zip header claims.
        with self._archive.open(entry) as member:
            data = member.read(limit + 1)
        if len(data) > limit:
            raise self._error("member {!r} has more than {} bytes".format(name, limit))
        return data

    def require_sealed(self):
        """Refuse a zip that says anything else around its members than the bundle writer does, to the bit."""
        file, directory = self._archive.fp, b""
        for entry in self._archive.infolist():
            name = entry.filename.encode("utf-8")
            sizes = entry.CRC, entry.compress_size, entry.file_size, len(name), 0
            member = _MEMBER.pack(_VERSION, 0, zipfile.ZIP_STORED, 0, _DATE, *sizes) + name
            file.seek(entry.header_offset)
            if file.read(4 + len(member)) != b"PK\3\4" + member:
                raise self._error("the header of its member {!r} is damaged".format(entry.filename))
            place = _PLACE.pack(0, 0, 0, _MODE, entry.header_offset)
            directory += b"PK\1\2" + bytes((_VERSION, _UNIX)) + member[: _MEMBER.size] + place + name
        start, count = self._archive.start_dir, len(self._entries)
        end = _END.pack(b"PK\5\6", 0, 0, count, count, len(directory), start, 0)
        file.seek(start)
        if file.read() != directory + end:
            raise self._error("its table of members is damaged")

    def _error(self, problem):
        return self._error_class("{}: {}".format(self._path, problem), self._hint)


@contextlib.contextmanager
def open_archive(path, kind, max_bytes, error_class, hint):
    """Yield the :class:`Archive` at ``path``, a zip that is to be a ``kind`` (words for people).

    Raises ``error_class`` for what is no zip of at most ``max_bytes``, and for members that turn out to be damaged in
    the block; ``hint`` says how to come by another file.
    """
    path = os.fspath(path)
    try:
        # Asked before opening: a pipe would wait for its writer.
        if not stat.S_ISREG(os.stat(path).st_mode) and not os.path.isdir(path):
            raise error_class("{} is not a regular file".format(path), "name {}".format(kind))
        with io.open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > max_bytes:
                raise error_class("{} has {} bytes; it cannot be {}".format(path, size, kind))
            with zipfile.ZipFile(file) as archive:
                yield Archive(path, archive, error_class, hint)
    except FileNotFoundError:
        raise error_class("there is no file {}".format(path), "check the path")
    except IsADirectoryError:
        raise error_class("{} is a folder, not {}".format(path, kind), "name the file")
    except zipfile.BadZipFile:
        raise error_class("{} is not {}, or is cut short or damaged".format(path, kind), hint)
    # The many ways in which a damaged zip fails inside the standard library.
    except (EOFError, NotImplementedError, RuntimeError, ValueError, zlib.error) as error:
        raise error_class("{} is damaged: {}".format(path, error), hint)
    except OSError as error:
        raise error_class("cannot read {}: {}".format(path, error.strerror or error), "check the path and rights")
