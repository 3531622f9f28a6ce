"""Records from files: checked against their schema, and old versions brought up to the present one."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import fastjsonschema

from edgepose.bench.statistics import summarise
from edgepose.records.upgrade import from_version_1, is_version_1
from edgepose.runtime.bench_record import MEASURED, SCHEMA
from edgepose.runtime.errors import RecordError
from edgepose.runtime.joints import JOINTS

SCHEMA_FILE = Path(__file__).parent / f"bench-record-{SCHEMA}.json"
MAX_RECORD_BYTES = 1 << 29
# Beyond this no figure of a record means anything, and arithmetic ends in infinity.
LARGEST = 1e15
# Devices round to the fourth digit what they wrote rounded already.
ROUNDING = 1e-4
PER_JOINT = ("per_joint", "per_joint_interval95")
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
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError) as error:
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
    for name, value in document.items():
        _require_usable(value, f"{where}: {name}")
    _require_consistent(document, where)
    return document


def _require_usable(value: Any, place: str) -> None:
    """Refuse what JSON allows and no program can use: numbers beyond all measure, and halves of characters."""
    if isinstance(value, dict):
        for name, inner in value.items():
            _require_usable(name, place)
            _require_usable(inner, f"{place}.{name}")
    elif isinstance(value, list):
        for inner in value:
            _require_usable(inner, place)
    elif isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise RecordError(f"{place} holds half a character: {value[:100]!r}", MEASURE_AGAIN) from error
    elif value is not None and not abs(value) <= LARGEST:
        raise RecordError(f"{place} holds a number that cannot be", MEASURE_AGAIN)


def _require_consistent(document: dict[str, Any], where: str) -> None:
    """What a schema cannot say: that what belongs together is there, and agrees."""
    problem = _problem_of_latencies(document) or _problem_of_sensors(document) or _problem_of_drift(document["drift"])
    if problem is not None:
        raise RecordError(f"{where}: {problem}", MEASURE_AGAIN)


def _problem_of_latencies(document: dict[str, Any]) -> str | None:
    samples, summaries = document["samples_ms"], document["latency_ms"]
    counts = {name: len(one) for name, one in samples.items()}
    counts |= {f"latency_ms.{name}": one["samples"] for name, one in summaries.items()}
    if document["starts_ms"] is not None:
        counts["starts_ms"] = len(document["starts_ms"])
    if len(set(counts.values())) != 1 or samples.keys() != summaries.keys():
        return f"not as many samples in every part: {counts}"
    if min(samples["total"]) <= 0:
        return "samples_ms.total holds a call that took no time"
    for part, told in summaries.items():
        for name, value in summarise(samples[part]).items():
            pair = (told[name], value) if isinstance(value, list) else ([told[name]], [value])
            if not all(_is_about(*ends) for ends in zip(*pair, strict=True)):
                return f"latency_ms.{part}.{name} is {told[name]}, but {value} of its samples"
    return None


def _is_about(told: float | None, true: float | None) -> bool:
    return told == true if told is None or true is None else math.isclose(told, true, rel_tol=1e-6, abs_tol=ROUNDING)


def _problem_of_sensors(document: dict[str, Any]) -> str | None:
    sensors, throttling = document["sensors"], document["throttling"]
    if {len(sensors["took_ms"]), *(len(one["values"]) for one in sensors["series"])} - {len(sensors["times_s"])}:
        return "sensors have not one value for each time"
    if throttling["throttled"] and throttling["share_of_samples"] is None:
        return "throttling.share_of_samples is null, but throttled is true"
    return None


def _problem_of_drift(drift: dict[str, Any] | None) -> str | None:
    if drift is None:
        return None
    for name, one in drift.items():
        if isinstance(one, dict) and any(one[each].keys() != set(JOINTS) for each in PER_JOINT):
            return f"drift.{name} is not of the sixteen joints"
    for crop in drift["crops"]:
        if "picture_jpeg" in crop and not ("picture_scale" in crop and _is_base64(crop["picture_jpeg"])):
            return f"the picture of {crop['name']} in drift.crops is damaged, or has no picture_scale"
    return None


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    return True


@lru_cache(maxsize=1)
def _validator() -> Any:
    return fastjsonschema.compile(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")
