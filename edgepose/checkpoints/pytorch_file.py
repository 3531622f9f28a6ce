"""Tensors out of a PyTorch file, of either serialisation (zip, or the one before PyTorch 1.6), with no code
run.

Reads state dicts and whole modules alike; of a module only the weights are taken, under their state-dict
names.
"""

import io
import math
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from edgepose.checkpoints.inert_pickle import DamagedPickleError, Global, Record, read_pickle
from edgepose.runtime.errors import CheckpointError

ZIP_MAGIC = b"PK\x03\x04"
LEGACY_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # a pickle of 0x1950a86a20f9469cfc6c

_LEGACY_PROTOCOL = 1001
_MAX_OBJECTS = 200_000
_MAX_DIMENSIONS = 8

_ORDERED_DICT = Global("collections", "OrderedDict")
_REBUILD_TENSOR = Global("torch._utils", "_rebuild_tensor_v2")
_REBUILD_PARAMETER = Global("torch._utils", "_rebuild_parameter")
_STORAGES = {
    Global("torch", "FloatStorage"): torch.float32,
    Global("torch", "DoubleStorage"): torch.float64,
    Global("torch", "HalfStorage"): torch.float16,
    Global("torch", "BFloat16Storage"): torch.bfloat16,
    Global("torch", "LongStorage"): torch.int64,
}
# What the official whole-module files name besides: all of it stays inert.
_INERT = {
    Global("MainModel", "KitModel"),
    Global("torch.nn.backends.thnn", "_get_thnn_function_backend"),
    Global("torch.nn.modules.conv", "Conv2d"),
    Global("torch.nn.modules.batchnorm", "BatchNorm2d"),
}
_ALLOWED = {_ORDERED_DICT, _REBUILD_TENSOR, _REBUILD_PARAMETER, *_STORAGES, *_INERT}


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: torch.dtype
    numel: int


def read_pytorch(data: bytes) -> dict[str, Tensor]:
    """``{name: tensor}`` of a PyTorch file given as bytes, in the file's own dtypes.

    Raises :class:`CheckpointError` for damaged files, for pickles that ask for anything but tensors and the
    modules of the official files, and for contents that are neither a state dict nor a module.
    """
    try:
        root, storages = _read_zip(data) if data.startswith(ZIP_MAGIC) else _read_legacy(data)
        tensors, unclaimed = {}, len(data)
        for name, record in _named_records(root).items():
            tensors[name] = _rebuild(name, record, storages)
            # Any number of tensors may share one storage; weights do not.
            unclaimed -= tensors[name].nbytes
            if unclaimed < 0:
                raise DamagedPickleError("its tensors add up to more than the file holds")
        return tensors
    # The many ways in which damaged bytes fail inside the standard library.
    except (
        DamagedPickleError,
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        LookupError,
        OverflowError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise _damaged(str(error)) from error


def _damaged(problem: str) -> CheckpointError:
    return CheckpointError(f"the PyTorch file is cut short or damaged: {problem}", "copy or download it again")


def _allow(wanted: Global) -> bool:
    return wanted in _ALLOWED


def _resolve_persistent(identity: Any) -> Any:
    """What stands for a persistent id: the class of a pickled module, or a tensor storage."""
    match identity:
        case ("module", Global() as module_class, _, _):
            return module_class
        case ("storage", Global() as kind, str(key), _, int(numel), *_) if kind in _STORAGES and numel >= 0:
            return _Storage(key, _STORAGES[kind], numel)
    raise DamagedPickleError("a persistent id that PyTorch does not write")


def _read_legacy(data: bytes) -> tuple[Any, dict[str, bytes]]:
    stream = io.BytesIO(data)
    dtypes: dict[str, torch.dtype] = {}

    def resolve(identity: Any) -> Any:
        resolved = _resolve_persistent(identity)
        if isinstance(resolved, _Storage):
            dtypes[resolved.key] = resolved.dtype
        return resolved

    _, protocol, system, root, keys = (read_pickle(stream, _allow, resolve) for _ in range(5))
    if protocol != _LEGACY_PROTOCOL or not isinstance(system, dict) or system.get("little_endian") is not True:
        raise DamagedPickleError("a format version or byte order that PyTorch no longer writes")
    storages = {}
    for key in keys if isinstance(keys, list) else ():
        (numel,) = struct.unpack("<q", stream.read(8))
        size = numel * dtypes[key].itemsize if key in dtypes else -1
        if not 0 <= size <= len(data) - stream.tell():
            raise DamagedPickleError(f"storage {key} is not all there")
        storages[key] = stream.read(size)
    return root, storages


def _read_zip(data: bytes) -> tuple[Any, dict[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        pickles = [name for name in entries if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise CheckpointError("the zip archive is not a PyTorch file: it has no data.pkl", "name a checkpoint")
        folder = pickles[0].removesuffix("data.pkl")
        # PyTorch stores without compressing; so nothing can unpack to more than the file itself holds.
        packed = [name for name, entry in entries.items() if entry.compress_type != zipfile.ZIP_STORED]
        if packed:
            raise DamagedPickleError(f"{packed[0]} is compressed, as PyTorch never writes it")
        if sum(entry.file_size for entry in archive.infolist()) > len(data):
            raise DamagedPickleError("its members overlap")
        if folder + "byteorder" in entries and archive.read(folder + "byteorder") != b"little":
            raise DamagedPickleError("big-endian tensors")
        root = read_pickle(io.BytesIO(archive.read(pickles[0])), _allow, _resolve_persistent)
        prefix = folder + "data/"
        return root, {name.removeprefix(prefix): archive.read(name) for name in entries if name.startswith(prefix)}


def _named_records(root: Any) -> dict[str, Record]:
    """``{state-dict name: tensor record}`` of a pickled state dict or module."""
    if _is_module(root):
        return _module_records(root)
    contents = _contents(root)
    if contents is None:
        raise CheckpointError("the PyTorch file holds neither a state dict nor a module", _SAVE_STATE_DICT)
    for name, value in contents.items():
        if not _is_tensor(value):
            raise CheckpointError(
                f"the PyTorch file is not a state dict: its entry {name!r} is not a tensor", _SAVE_STATE_DICT
            )
    return contents


_SAVE_STATE_DICT = "save the weights alone: torch.save(network.state_dict(), ...)"


def _module_records(root: Record) -> dict[str, Record]:
    records: dict[str, Record] = {}
    pending: list[tuple[str, Any]] = [("", root)]
    visited = 0
    while pending:
        prefix, module = pending.pop()
        if not _is_module(module):
            raise DamagedPickleError(f"module '{prefix}' is none")
        for kind in ("_parameters", "_buffers", "_modules"):
            for name, value in (_contents(module.state.get(kind)) or {}).items():
                # One object may be referred to any number of times: count what is seen, not what is stored.
                visited += 1
                if visited > _MAX_OBJECTS:
                    raise DamagedPickleError(f"more than {_MAX_OBJECTS} tensors and modules")
                if kind == "_modules":
                    pending.append((f"{prefix}{name}.", value))
                elif value is not None:
                    records[f"{prefix}{name}"] = value
    return records


def _is_module(value: Any) -> bool:
    return isinstance(value, Record) and isinstance(value.state, dict) and "_modules" in value.state


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Record) and value.function in (_REBUILD_TENSOR, _REBUILD_PARAMETER)


def _contents(value: Any) -> dict[Any, Any] | None:
    if isinstance(value, Record) and value.function == _ORDERED_DICT:
        return value.items
    return value if isinstance(value, dict) else None


def _rebuild(name: str, record: Any, storages: dict[str, bytes]) -> Tensor:
    match record:
        case Record(function=Global() as function, arguments=(Record() as tensor, *_)) if (
            function == _REBUILD_PARAMETER
        ):
            record = tensor
    match record:
        case Record(
            function=Global() as function,
            arguments=(_Storage() as storage, int(offset), tuple(size), tuple(stride), *_),
        ) if function == _REBUILD_TENSOR:
            return _view(name, storage, storages.get(storage.key), offset, size, stride)
    raise DamagedPickleError(f"'{name}' is not a tensor")


def _view(
    name: str,
    storage: _Storage,
    data: bytes | None,
    offset: int,
    size: tuple[Any, ...],
    stride: tuple[Any, ...],
) -> Tensor:
    if data is None or len(data) != storage.numel * storage.dtype.itemsize:
        raise DamagedPickleError(f"the data of '{name}' is not all there")
    whole = all(isinstance(number, int) and number >= 0 for number in (offset, *size, *stride))
    if not whole or len(size) != len(stride) or len(size) > _MAX_DIMENSIONS:
        raise DamagedPickleError(f"'{name}' has a shape that no tensor has")
    last = offset + sum((side - 1) * step for side, step in zip(size, stride, strict=True))
    numel = math.prod(size)
    if numel == 0 or numel > storage.numel or last >= storage.numel:
        raise DamagedPickleError(f"'{name}' claims the shape {list(size)}, but only {storage.numel} numbers are stored")
    flat = torch.frombuffer(bytearray(data), dtype=storage.dtype)
    return flat.as_strided(size, stride, offset).clone(memory_format=torch.contiguous_format)
