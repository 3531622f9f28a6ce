"""Built engines, kept under everything that they depend on."""

import contextlib
import hashlib
import json
import os
import shutil
import stat
from typing import NamedTuple, Optional, Tuple

from edgepose.runtime.atomic import write_bytes
from edgepose.runtime.errors import EdgeposeError

SCHEMA = 1
MAX_ENGINE_BYTES = 1 << 30
MAX_HEADER_BYTES = 1 << 16
# What changes the key: raised when edgepose builds otherwise.
RECIPE = 1
# How reading a damaged or foreign file fails.
DAMAGE = (OSError, ValueError, KeyError, TypeError, RecursionError)

# Everything that an engine depends on.
EngineKey = NamedTuple(
    "EngineKey",
    [
        ("onnx_sha256", str),
        ("tensorrt", str),
        ("compute_capability", Tuple[int, int]),
        ("board", str),
        ("precision", str),
        ("dla", Optional[int]),
    ],
)
_EngineRecord = NamedTuple(
    "_EngineRecord",
    [
        ("key", EngineKey),
        ("jetpack", Optional[str]),
        ("l4t", Optional[str]),
        ("cuda", int),  # 10020 is 10.2
        ("edgepose", str),
        ("seconds", float),  # that the build took
        ("workspace_mb", int),  # that it was allowed
        ("bytes", int),
        ("layers", int),  # of the network, and how many of them the DLA does
        ("layers_on_dla", int),
        ("path", str),
        ("built", bool),  # now, or found
    ],
)


class EngineRecord(_EngineRecord):
    """The manifest of a built engine."""

    __slots__ = ()

    def to_dict(self):
        """As JSON values."""
        return dict(self._asdict(), key=self.key._asdict())


class EngineCache(object):
    """A folder of engines. An entry is a JSON line, the record, and the engine; it appears whole or not at all."""

    def __init__(self, folder):
        self.folder = folder

    def prepare(self, room):
        """Make the folder. Raises :class:`EdgeposeError` where it cannot be, or has less than ``room`` bytes free.

        Asked before a build of minutes, whose engine could not be kept.
        """
        hint = "name another folder in EDGEPOSE_ENGINES"
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            free = shutil.disk_usage(self.folder).free
        except OSError as error:
            raise EdgeposeError("cannot make {} for engines: {}".format(self.folder, error.strerror), hint)
        if not os.access(self.folder, os.W_OK):
            raise EdgeposeError("cannot write to {}, where engines are kept".format(self.folder), hint)
        if free < room:
            raise EdgeposeError(
                "{:.0f} MB are free in {}; an engine wants {:.0f}".format(free / 1e6, self.folder, room / 1e6),
                "free space, or " + hint,
            )

    def path(self, key):
        """Where the engine of ``key`` is kept: named by its ONNX first, then by all of it."""
        return os.path.join(self.folder, "{}-{}.engine".format(key.onnx_sha256[:16], _digest(key)[:16]))

    def get(self, key):
        """(engine bytes, :class:`EngineRecord`) for ``key``, or (None, why there is none)."""
        path = self.path(key)
        try:
            header, data = _read(path)
        except FileNotFoundError:
            return None, self._why_none_fits(key)
        except DAMAGE as error:
            return None, "the engine kept for it is damaged: {}".format(error)
        if _key(header["key"]) != key:
            return None, "the engine kept for it is another one's"
        record = dict(header["record"], key=key, path=path, bytes=len(data), built=False)
        try:
            return data, EngineRecord(**record)
        except TypeError:
            return None, "the engine kept for it was written by another edgepose"

    def put(self, record, data):
        """Keep ``data`` under the key of ``record``."""
        rest = {
            name: value for name, value in record._asdict().items() if name not in ("key", "path", "bytes", "built")
        }
        _write(self.path(record.key), {"key": record.key._asdict(), "record": rest}, data)

    def timings(self, key):
        """Kernel timings of earlier builds on this board, as TensorRT serialised them; empty bytes for none."""
        try:
            return _read(self._timings_path(key))[1]
        except DAMAGE:
            return b""

    def put_timings(self, key, data):
        """Keep them. They save time and no more: where they cannot be written, nothing is lost."""
        with contextlib.suppress(EdgeposeError):
            _write(self._timings_path(key), {}, data)

    def _timings_path(self, key):
        words = [key.tensorrt, key.compute_capability, key.board]
        digest = hashlib.sha256(json.dumps(words).encode()).hexdigest()
        return os.path.join(self.folder, "timings-{}.cache".format(digest[:16]))

    def _why_none_fits(self, key):
        """What changed since an engine of the same ONNX was built, in words."""
        names = sorted(os.listdir(self.folder)) if os.path.isdir(self.folder) else []
        for name in names:
            if not name.startswith(key.onnx_sha256[:16]) or not name.endswith(".engine"):
                continue
            try:
                other = _key(_read(os.path.join(self.folder, name))[0]["key"])
            except DAMAGE:
                continue
            changed = [
                "{} was {}".format(field.replace("_", " "), _word(before))
                for field, before, now in zip(EngineKey._fields, other, key)
                if before != now
            ]
            if changed:
                return "the engine built before does not fit: {}".format(", ".join(changed))
        return "none was built yet"


def _digest(key):
    return hashlib.sha256(json.dumps([RECIPE, key], sort_keys=True).encode()).hexdigest()


def _key(document):
    values = dict(document, compute_capability=tuple(document["compute_capability"]))
    return EngineKey(**values)


def _word(value):
    return ".".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _write(path, header, data):
    header = dict(header, schema=SCHEMA, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
    write_bytes(path, json.dumps(header, sort_keys=True).encode("ascii") + b"\n" + data)


def _read(path):
    """(header, data). Raises OSError, and ValueError for what is damaged, or another user's."""
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        # An engine is code: one that somebody else put there is not run.
        if not stat.S_ISREG(status.st_mode) or status.st_uid not in (0, os.getuid()):
            raise ValueError("it is not this user's file")
        if status.st_size > MAX_ENGINE_BYTES:
            raise ValueError("it has {} bytes".format(status.st_size))
        header = json.loads(file.readline(MAX_HEADER_BYTES).decode("ascii"))
        data = file.read(MAX_ENGINE_BYTES)
    if header["schema"] != SCHEMA:
        raise ValueError("it is of schema {!r}".format(header["schema"]))
    if len(data) != header["bytes"] or hashlib.sha256(data).hexdigest() != header["sha256"]:
        raise ValueError("it does not match its SHA-256")
    return header, data
