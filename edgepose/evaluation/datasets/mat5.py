"""Structures of MAT-files, level 5, read without trusting them.

Only what annotations need: structure arrays, numbers and text, little or big endian, compressed or not. A structure's
fields are parsed when they are asked for, so depth and claimed sizes cost nothing.

Why not ``scipy.io.loadmat``: it ends the whole process on damaged files, which no caller can turn into an error. Seen
with SciPy 1.17.1 under CPython 3.11.7 on Linux x86-64, each file read in a process of its own: of 3000 copies of an
uncompressed MPII-like file of 2456 bytes, one random byte replaced in each, 85 ended in a segmentation fault and 5 in a
bus error (1546 raised, 1364 were read); a file of 100,000 structures in one another, which is 8 MB, did,
too. On whole files the two agree, which property tests hold.

Source: MathWorks, "MAT-File Format", chapter 1.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgepose.evaluation.datasets.fields import check_size
from edgepose.runtime.errors import DatasetError

MAX_INFLATED_BYTES = 1 << 30
_HEADER_BYTES = 128
# Types of data elements.
_INT32, _UINT32, _MATRIX, _COMPRESSED = 5, 6, 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
# Classes of arrays.
_STRUCT, _CHAR, _NUMERIC = 2, 4, range(6, 16)


class Struct:
    """One structure: :meth:`get` parses a field."""

    __slots__ = ("_fields", "_file", "_spans")

    def __init__(self, file: _MatBytes, fields: dict[str, int], spans: list[tuple[int, int]]):
        self._file = file
        self._fields = fields
        self._spans = spans

    def get(self, field: str) -> tuple[Struct, ...] | np.ndarray | str | None:
        """The value of ``field``: structures, numbers (flat) or text; ``None`` for no such field and other classes.

        Raises :class:`DatasetError` where it is damaged.
        """
        index = self._fields.get(field)
        return None if index is None else self._file.array(*self._spans[index])[1]


def read_variable(path: Path, name: str) -> tuple[Struct, ...] | np.ndarray | str | None:
    """The variable ``name`` of the MAT-file at ``path``, ``None`` where it holds none of that name.

    Raises :class:`DatasetError` for files that are damaged, of another level, or unpack to more than a gigabyte.
    """
    check_size(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}", "check the path and rights") from error
    orders = {b"\0\1IM": "<", b"\1\0MI": ">"}  # level 5; of -v7.3, which is HDF5, the version is 2
    order = orders.get(data[_HEADER_BYTES - 4 : _HEADER_BYTES])
    if order is None:
        raise DatasetError(f"{path} is not a MAT-file of level 5", "save it with -v7")
    file, position = _MatBytes(path, data, order), _HEADER_BYTES
    while position < len(data):
        kind, start, size, position = file.element(position, len(data))
        inner = file
        if kind == _COMPRESSED:
            position = start + size  # the one kind without padding
            inner = _MatBytes(path, file.inflated(start, size), order)
            kind, start, size, _ = inner.element(0, len(inner))
        if kind == _MATRIX:
            found, value = inner.array(start, start + size)
            if found == name:
                return value
    return None


class _MatBytes:
    """Bytes of data elements; every reading is checked against where its parent ends."""

    def __init__(self, path: Path, data: bytes, order: str):
        self._path = path
        self._data = data
        self._order = order
        self._tag = struct.Struct(order + "II")

    def __len__(self) -> int:
        return len(self._data)

    def element(self, position: int, end: int) -> tuple[int, int, int, int]:
        """(type, start, bytes, position of the next) of the data element at ``position``."""
        if position + 8 > end:
            raise self._damaged()
        kind, size = self._tag.unpack_from(self._data, position)
        if kind >> 16:  # a small element: its size, and up to four bytes, in the tag itself
            kind, size, start, following = kind & 0xFFFF, kind >> 16, position + 4, position + 8
        else:
            start = position + 8
            following = start + (size + 7) // 8 * 8
        if start + size > end:
            raise self._damaged()
        return kind, start, size, following

    def inflated(self, start: int, size: int) -> bytes:
        inflater = zlib.decompressobj()
        try:
            data = inflater.decompress(self._data[start : start + size], MAX_INFLATED_BYTES)
        except zlib.error as error:
            raise self._damaged() from error
        if not inflater.eof:
            raise self._damaged(f"cut short, or unpacks to more than {MAX_INFLATED_BYTES} bytes")
        return data

    def array(self, position: int, end: int) -> tuple[str, tuple[Struct, ...] | np.ndarray | str | None]:
        """Name and value of the array whose parts lie between ``position`` and ``end``."""
        if position == end:
            return "", np.zeros(0)
        kind, position = self._class(position, end)
        count, position = self._count(position, end)
        _, start, size, position = self.element(position, end)
        name = self._data[start : start + size].decode("latin-1")
        if kind == _STRUCT:
            return name, tuple(self._structs(position, end, count))
        if kind == _CHAR:
            return name, self._text(position, end) if count else ""
        if kind in _NUMERIC:
            numbers, _ = self._numbers(position, end) if count else (np.zeros(0), position)
            if numbers.size != count:
                raise self._damaged()
            return name, numbers
        return name, None

    def _class(self, position: int, end: int) -> tuple[int, int]:
        kind, start, size, following = self.element(position, end)
        if kind != _UINT32 or size != 8:
            raise self._damaged()
        return self._tag.unpack_from(self._data, start)[0] & 0xFF, following

    def _count(self, position: int, end: int) -> tuple[int, int]:
        kind, start, size, following = self.element(position, end)
        if kind != _INT32 or size % 4 or size < 8:
            raise self._damaged()
        dimensions = struct.unpack_from(f"{self._order}{size // 4}i", self._data, start)
        if min(dimensions) < 0:
            raise self._damaged()
        return math.prod(dimensions), following

    def _numbers(self, position: int, end: int, expected: int | None = None) -> tuple[np.ndarray, int]:
        kind, start, size, following = self.element(position, end)
        code = _NUMBERS.get(kind)
        if code is None or kind != (expected or kind) or size % int(code[1]):
            raise self._damaged()
        return np.frombuffer(self._data, self._order + code, size // int(code[1]), start), following

    def _text(self, position: int, end: int) -> str:
        kind, start, size, _ = self.element(position, end)
        encoding = _TEXTS.get(kind)
        if encoding is None:
            raise self._damaged()
        if encoding in ("utf-16", "utf-32"):
            encoding += "-le" if self._order == "<" else "-be"
        try:
            return self._data[start : start + size].decode(encoding)
        except UnicodeDecodeError as error:
            raise self._damaged() from error

    def _structs(self, position: int, end: int, count: int) -> Iterator[Struct]:
        widths, position = self._numbers(position, end, _INT32)
        _, start, size, position = self.element(position, end)
        width = int(widths[0]) if widths.size == 1 else 0
        if width < 1 or size % width:
            raise self._damaged()
        places = range(start, start + size, width)
        names = [self._data[at : at + width].split(b"\0")[0].decode("latin-1") for at in places]
        fields = {name: index for index, name in enumerate(names)}
        if not names:
            return
        for _ in range(count):
            spans = []
            for _ in names:
                kind, start, size, position = self.element(position, end)
                if kind != _MATRIX:
                    raise self._damaged()
                spans.append((start, start + size))
            yield Struct(self, fields, spans)

    def _damaged(self, how: str = "its parts do not fit together") -> DatasetError:
        return DatasetError(f"{self._path} is damaged: {how}", "copy or download it again")
