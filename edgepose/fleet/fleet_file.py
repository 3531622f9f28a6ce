"""A fleet file: devices and the bundles that each is to bench, in TOML.

::

    schema = 1
    bundles = ["rt-raspberry-pi-4-fp32.edgepose"]     # for every device that names none of its own

    [[device]]
    host = "pi@nursery.local"                         # what ssh is given
    name = "nursery"                                  # in records and reports; the host where left out
    python = "~/pose/bin/python"                      # python3 where left out
    folder = "/var/tmp"                               # where the bundle is put; the home folder where left out
    threads = 4
    dla = 0                                           # options of the engine: tpu, allow_cpu, dla, cuda_graph, simulate
    bundles = ["rt-raspberry-pi-4-int8.edgepose"]

Paths of bundles are relative to the file.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from edgepose.fleet.device import Device, Job
from edgepose.runtime.backends.tensorrt import TensorRtOptions
from edgepose.runtime.engine_options import option_words
from edgepose.runtime.errors import EdgeposeError, UsageError, did_you_mean

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SCHEMA = 1
MAX_DEVICES = 200
FIELDS = {
    "host": str,
    "name": str,
    "python": str,
    "folder": str,
    "threads": int,
    "bundles": list,
    # Options of the engine.
    "tpu": str,
    "allow_cpu": bool,
    "dla": int,
    "cuda_graph": bool,
    "simulate": bool,
}


def read_fleet(path: Path) -> list[Job]:
    """The jobs that the fleet file at ``path`` asks for.

    Raises :class:`EdgeposeError` where it cannot be read, :class:`UsageError` for what it does not mean.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EdgeposeError(f"cannot read {path}: {error.strerror or error}", "check the path and rights") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}") from error
    if document.get("schema") != SCHEMA:
        raise UsageError(f"{path}: schema is {document.get('schema')!r}", f"this edgepose reads {SCHEMA}")
    _require_known(path, "", document, ("schema", "bundles", "device"))
    devices = document.get("device")
    if not isinstance(devices, list) or not 1 <= len(devices) <= MAX_DEVICES:
        raise UsageError(f"{path} names no device", "begin each with [[device]]")
    common = _bundles(path, "", document.get("bundles", []))
    jobs: list[Job] = []
    for number, entry in enumerate(devices, start=1):
        jobs += _jobs(path, f"device {number}: ", entry, common)
    names = [job.name for job in jobs]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{path} asks for {name} twice", "give devices of one host names of their own")
    return jobs


def _jobs(path: Path, where: str, entry: Any, common: list[Path]) -> list[Job]:
    if not isinstance(entry, dict):
        raise UsageError(f"{path}: {where}is not a table", "begin each device with [[device]]")
    _require_known(path, where, entry, FIELDS)
    for name, value in entry.items():
        if type(value) is not FIELDS[name]:
            raise UsageError(f"{path}: {where}{name} is {value!r}, not a {FIELDS[name].__name__}")
    if "host" not in entry:
        raise UsageError(f"{path}: {where}has no host", "host = 'user@host'")
    device = Device(**{name: entry[name] for name in ("host", "name", "python", "folder") if name in entry})
    bundles = _bundles(path, where, entry.get("bundles", [])) or common
    if not bundles:
        raise UsageError(f"{path}: {where}there is no bundle to bench", "bundles = ['FILE.edgepose']")
    options = _engine_options(entry)
    return [Job(device, bundle, threads=entry.get("threads"), engine_options=options) for bundle in bundles]


def _engine_options(entry: dict[str, Any]) -> tuple[str, ...]:
    tensorrt = TensorRtOptions(dla=entry.get("dla"), cuda_graph=entry.get("cuda_graph", False))
    words = option_words(entry.get("tpu"), entry.get("allow_cpu", False), tensorrt, entry.get("simulate", False))
    return tuple(words)


def _bundles(path: Path, where: str, entries: Any) -> list[Path]:
    if not isinstance(entries, list) or not all(isinstance(one, str) and one for one in entries):
        raise UsageError(f"{path}: {where}bundles is not a list of paths")
    return [path.parent / one for one in entries]


def _require_known(path: Path, where: str, table: dict[str, Any], known: Any) -> None:
    for name in table:
        if name not in known:
            raise UsageError(f"{path}: {where}there is no field {name!r}{did_you_mean(name, known)}", ", ".join(known))
