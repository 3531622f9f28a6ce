"""Records from files: checked against their schema, and old versions brought up to the present one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import fastjsonschema

from edgepose.records.upgrade import from_version_1, is_version_1
from edgepose.runtime.bench_record import MEASURED, SCHEMA
from edgepose.runtime.errors import RecordError

SCHEMA_FILE = Path(__file__).parent / f"bench-record-{SCHEMA}.json"
MAX_RECORD_BYTES = 1 << 29
MEASURE_AGAIN = "write it again with 'edgepose bench FILE --output RECORD'"


@dataclass(frozen=True, eq=False)
class Record:
    """One checked record: ``document`` is the whole, of the present schema version; ``path`` is where it lay."""

    path: Path
    document: dict[str, Any]

    @property
    def device(self) -> str:
        """What to call the device: its label, else its board."""
        return str(self.document["device"] or self.document["conditions"]["machine"])

    @property
    def name(self) -> str:
        """Device and bundle, in words."""
        return f"{self.device}, {self.document['bundle']['name']}"

    @property
    def times_mean_nothing(self) -> bool:
        """Whether its times are an emulator's, or a CPU's for an accelerator: they are compared with none."""
        return bool(self.document["kind"] != MEASURED)


def read_records(paths: Iterable[Path]) -> list[Record]:
    """The records at ``paths``: files, and folders with ``*.json`` in them. Raises as :func:`read_record` does."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(path.glob("*.json"))
            if not found:
                raise RecordError(
                    f"the folder {path} holds no *.json", "name the folder that 'bench --device' wrote to"
                )
            files += found
        else:
            files.append(path)
    return [read_record(path) for path in files]


def read_record(path: Path) -> Record:
    """The record at ``path``. Raises :class:`RecordError` for what is none, is damaged, or is of an unknown version."""
    try:
        if path.stat().st_size > MAX_RECORD_BYTES:
            raise RecordError(f"{path} has {path.stat().st_size} bytes; no record is that large")
        document = json.loads(path.read_bytes().decode("utf-8"), parse_constant=_no_constant)
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror or error}", "check the path and rights") from error
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path} is not JSON, or is cut short: {error}", MEASURE_AGAIN) from error
    return Record(path, check_record(document, str(path)))


def check_record(document: Any, where: str) -> dict[str, Any]:
    """``document``, checked and of the present version; ``where`` names it in errors (:class:`RecordError`)."""
    if not isinstance(document, dict):
        raise RecordError(f"{where} is not a bench record", MEASURE_AGAIN)
    if is_version_1(document):
        try:
            document = from_version_1(document)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise RecordError(f"{where} is not a whole record of version 1: {error!r}", MEASURE_AGAIN) from error
    elif "schema" not in document or "samples_ms" not in document:
        raise RecordError(f"{where} is not a bench record", MEASURE_AGAIN)
    elif document["schema"] != SCHEMA:
        raise RecordError(
            f"{where} is a bench record of version {document['schema']!r}; this edgepose reads 1 to {SCHEMA}",
            "use the edgepose that wrote it, or a newer one",
        )
    try:
        _validator()(document)
    except fastjsonschema.JsonSchemaValueException as error:
        raise RecordError(f"{where}: {error.message[:300].replace('data.', '', 1)}", MEASURE_AGAIN) from error
    _require_consistent(document, where)
    return document


def _require_consistent(document: dict[str, Any], where: str) -> None:
    """What a schema cannot say: that lists which belong together are of one length."""
    counts = {name: len(one) for name, one in document["samples_ms"].items()}
    counts |= {f"latency_ms.{name}": one["samples"] for name, one in document["latency_ms"].items()}
    if document["starts_ms"] is not None:
        counts["starts_ms"] = len(document["starts_ms"])
    if len(set(counts.values())) != 1:
        raise RecordError(f"{where}: not as many samples in every part: {counts}", MEASURE_AGAIN)
    sensors = document["sensors"]
    if {len(sensors["took_ms"]), *(len(one["values"]) for one in sensors["series"])} - {len(sensors["times_s"])}:
        raise RecordError(f"{where}: sensors have not one value for each time", MEASURE_AGAIN)


@lru_cache(maxsize=1)
def _validator() -> Any:
    return fastjsonschema.compile(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")
