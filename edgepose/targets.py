"""Devices that edgepose converts for, read from ``targets/*.toml``: one file a device, checked on load."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from edgepose.data_files import data_folder
from edgepose.runtime.errors import EdgeposeError, UsageError, did_you_mean
from edgepose.runtime.manifest import PRECISIONS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ENGINES = ("tflite", "onnx", "tensorrt", "edgetpu")
FAMILIES = ("host", "raspberry-pi", "jetson", "coral")

# Every field of a target file and its type; [precision.*] is checked apart.
_FIELDS: dict[str, dict[str, type]] = {
    "": {"name": str, "title": str, "family": str, "engines": list, "ready": bool},
    "hardware": {"compute": str, "memory_mb": list, "detect": list},
    "software": {"os": str, "python": str, "runtime": str},
    "policy": {"auto": str},
    "facts": {"notes": str, "sources": list},
}


@dataclass(frozen=True)
class PrecisionSupport:
    """Whether a device computes at a precision, and why or why not."""

    supported: bool
    reason: str


@dataclass(frozen=True)
class TensorRtStack:
    """What builds engines on a device: its GPU, the TensorRT of its oldest and newest JetPack, its DLA cores."""

    compute_capability: tuple[int, int]
    oldest: tuple[int, int]
    newest: tuple[int, int]
    dla_cores: int


@dataclass(frozen=True)
class Target:
    """One device: what it is, which engines and precisions it has, and whether edgepose converts for it yet."""

    name: str
    title: str
    family: str
    engines: tuple[str, ...]
    ready: bool
    compute: str
    memory_mb: tuple[int, ...]
    detect: tuple[str, ...]
    os: str
    python: str
    runtime: str
    auto_precision: str
    precisions: dict[str, PrecisionSupport]
    notes: str
    sources: tuple[str, ...]
    tensorrt: TensorRtStack | None = None

    def resolve_precision(self, requested: str) -> str:
        """The precision to convert at for ``requested`` (``auto`` included).

        Raises :class:`UsageError` for a word that is no precision, and for a precision the device does not have.
        """
        if requested == "auto":
            return self.auto_precision
        if requested not in PRECISIONS:
            choices = ("auto", *PRECISIONS)
            raise UsageError(
                f"unknown precision '{requested}'{did_you_mean(requested, choices)}",
                f"choose one of {', '.join(choices)}",
            )
        support = self.precisions[requested]
        if not support.supported:
            raise UsageError(f"{self.name} has no {requested}: {support.reason}", "or leave it to --precision auto")
        return requested

    def resolve_engine(self, requested: str | None) -> str:
        """The engine format to convert to. Raises :class:`UsageError` for one that the device does not run."""
        if requested is None:
            return self.engines[0]
        if requested not in self.engines:
            raise UsageError(
                f"{self.name} does not run '{requested}' engines{did_you_mean(requested, self.engines)}",
                f"choose one of {', '.join(self.engines)}",
            )
        return requested


@lru_cache(maxsize=1)
def all_targets() -> dict[str, Target]:
    """Every target by name, sorted. Raises :class:`EdgeposeError` naming the file and field that is wrong."""
    targets = {}
    for path in sorted(data_folder("targets").glob("*.toml")):
        target = read_target(path)
        targets[target.name] = target
    return targets


def get_target(name: str) -> Target:
    """The target called ``name``. Raises :class:`UsageError` with the nearest name for an unknown one."""
    targets = all_targets()
    if name not in targets:
        raise UsageError(f"unknown target '{name}'{did_you_mean(name, targets)}", "see 'edgepose targets' for the list")
    return targets[name]


def read_target(path: Path) -> Target:
    """Read and check one target file. Raises :class:`EdgeposeError` naming the file and field that is wrong."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise EdgeposeError(f"{path}: not a target file: {error}") from error
    tables = {section: _table(path, document, section) for section in _FIELDS}
    top = tables[""]
    if top["name"] != path.stem:
        raise EdgeposeError(f"{path}: name is '{top['name']}', but the file is called {path.stem}")
    _one_of(path, "family", top["family"], FAMILIES)
    if not top["engines"]:
        raise EdgeposeError(f"{path}: engines is empty")
    for engine in top["engines"]:
        _one_of(path, "engines", engine, ENGINES)
    precisions = _precisions(path, document)
    auto = tables["policy"]["auto"]
    _one_of(path, "policy.auto", auto, [name for name, support in precisions.items() if support.supported])
    unknown = set(document) - {*_FIELDS, *_FIELDS[""], "precision", "tensorrt"}
    if unknown:
        raise EdgeposeError(f"{path}: unknown field '{sorted(unknown)[0]}'")
    return Target(
        name=top["name"],
        title=top["title"],
        family=top["family"],
        engines=tuple(top["engines"]),
        ready=top["ready"],
        compute=tables["hardware"]["compute"],
        memory_mb=tuple(tables["hardware"]["memory_mb"]),
        detect=tuple(tables["hardware"]["detect"]),
        os=tables["software"]["os"],
        python=tables["software"]["python"],
        runtime=tables["software"]["runtime"],
        auto_precision=auto,
        precisions=precisions,
        notes=tables["facts"]["notes"],
        sources=tuple(tables["facts"]["sources"]),
        tensorrt=_tensorrt(path, document) if "tensorrt" in top["engines"] else None,
    )


def _tensorrt(path: Path, document: dict[str, Any]) -> TensorRtStack:
    table = document.get("tensorrt")
    if not isinstance(table, dict) or set(table) != {"compute_capability", "oldest", "newest", "dla_cores"}:
        raise EdgeposeError(f"{path}: [tensorrt] does not hold exactly compute_capability, oldest, newest, dla_cores")
    versions = {}
    for field in ("compute_capability", "oldest", "newest"):
        match = re.fullmatch(r"(\d+)\.(\d+)", str(table[field]))
        if match is None:
            raise EdgeposeError(f"{path}: tensorrt.{field} is {table[field]!r}, not a text such as '8.2'")
        versions[field] = (int(match[1]), int(match[2]))
    if type(table["dla_cores"]) is not int or table["dla_cores"] < 0:
        raise EdgeposeError(f"{path}: tensorrt.dla_cores is {table['dla_cores']!r}, not a number of cores")
    return TensorRtStack(**versions, dla_cores=table["dla_cores"])


def _table(path: Path, document: dict[str, Any], section: str) -> dict[str, Any]:
    table = document if not section else document.get(section)
    if not isinstance(table, dict):
        raise EdgeposeError(f"{path}: [{section}] is missing")
    prefix = f"{section}." if section else ""
    for field, kind in _FIELDS[section].items():
        if field not in table:
            raise EdgeposeError(f"{path}: {prefix}{field} is missing")
        if type(table[field]) is not kind:
            raise EdgeposeError(f"{path}: {prefix}{field} is not of type {kind.__name__}")
    if section and (unknown := set(table) - set(_FIELDS[section])):
        raise EdgeposeError(f"{path}: unknown field '{prefix}{sorted(unknown)[0]}'")
    return table


def _precisions(path: Path, document: dict[str, Any]) -> dict[str, PrecisionSupport]:
    table = document.get("precision")
    if not isinstance(table, dict) or set(table) != set(PRECISIONS):
        raise EdgeposeError(f"{path}: [precision] does not hold exactly {', '.join(PRECISIONS)}")
    supports = {}
    for name in PRECISIONS:
        entry = table[name]
        if set(entry) != {"supported", "reason"} or type(entry["supported"]) is not bool or not entry["reason"]:
            raise EdgeposeError(f"{path}: [precision.{name}] needs 'supported' (true or false) and 'reason' (a text)")
        supports[name] = PrecisionSupport(entry["supported"], entry["reason"])
    return supports


def _one_of(path: Path, field: str, value: Any, choices: Any) -> None:
    if value not in choices:
        raise EdgeposeError(f"{path}: {field} is {value!r}, not one of {', '.join(choices)}")
