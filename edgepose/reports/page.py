"""The report: one HTML page that needs nothing beside itself."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from edgepose.records import Record
from edgepose.reports.charts import distribution_chart, pareto_chart, timeline_chart
from edgepose.reports.probe_pictures import probe_pictures
from edgepose.reports.published import published_points
from edgepose.runtime.errors import UsageError
from edgepose.runtime.joints import JOINTS
from edgepose.version import __version__

MAX_RECORDS = 60
# Where a run's conditions are told, in this order; the rest follow.
FIRST_CONDITIONS = ("machine", "processor", "processors", "governor", "highest_clock_mhz", "power_mode", "load_average")


def render_page(records: Sequence[Record], title: str = "edgepose bench") -> str:
    """The page of ``records``, as HTML. Raises :class:`UsageError` for none, and for more than a page can hold."""
    if not 1 <= len(records) <= MAX_RECORDS:
        raise UsageError(f"a report is made of 1 to {MAX_RECORDS} records, not {len(records)}")
    ordered = sorted(_told_apart(records), key=lambda record: record.name)
    timed = _timed(ordered)
    pictures = {id(record): probe_pictures(record) for record in ordered}
    environment = Environment(loader=PackageLoader("edgepose.reports", "."), autoescape=True, trim_blocks=True)
    environment.globals["row"] = _row
    page = environment.get_template("page.html").render(
        title=title,
        version=__version__,
        joints=[name.replace("_", " ") for name in JOINTS],
        rows=[_row(record) for record in ordered],
        untold=len(ordered) - len(timed),
        distribution=distribution_chart(timed) if timed else None,
        timelines=[
            (record.name, svg, _heat_words(record))
            for number, record in enumerate(timed)
            if (svg := timeline_chart(record, number)) is not None
        ],
        # By device, whatever the run: its line joins all that were measured on it.
        pareto=pareto_chart(_timed(sorted(records, key=lambda record: record.name)), published_points()),
        published=published_points(),
        drifts=[_drift(record) for record in ordered if record.document["drift"] is not None],
        pictures=[(record.name, pictures[id(record)]) for record in ordered if pictures[id(record)]],
        details=[_details(record) for record in ordered],
    )
    return page


def _timed(records: Sequence[Record]) -> list[Record]:
    return [record for record in records if not record.times_mean_nothing]


def _told_apart(records: Sequence[Record]) -> list[Record]:
    """``records``, with the file's name after the device's where several would have one name."""
    paths: dict[str, list[Path]] = {}
    for record in records:
        paths.setdefault(record.name, []).append(record.path)
    files = {name: iter(_file_names(ones)) for name, ones in paths.items() if len(ones) > 1}
    return [
        replace(record, document={**record.document, "device": f"{record.device} ({next(files[record.name])})"})
        if record.name in files
        else record
        for record in records
    ]


def _file_names(paths: Sequence[Path]) -> list[str]:
    """A name for each of ``paths``: its stem; its path from the last folder they share where stems are equal.

    What is equal still (one file named twice) is numbered.
    """
    names = [path.stem for path in paths]
    if len(set(names)) < len(names):
        whole = [os.path.abspath(path.with_suffix("")) for path in paths]
        shared = os.path.commonpath([os.path.dirname(path) for path in whole])
        names = [Path(os.path.relpath(path, shared)).as_posix() for path in whole]
    return [
        name if names.count(name) == 1 else f"{name} {names[: place + 1].count(name)}"
        for place, name in enumerate(names)
    ]


def _row(record: Record) -> dict[str, Any]:
    """The cells of a record in the table of all: texts, or None for what is not known."""
    document = record.document
    bundle, total, drift = document["bundle"], document["latency_ms"]["total"], document["drift"]
    temperatures = _range(document, "temperature")
    power = document["power"]
    cells = {
        "variant": " ".join(filter(None, (bundle["variant"] or bundle["name"], bundle["precision"]))),
        "threads": str(document["engine"]["threads"]),
        "p50 ms": f"{total['p50']:.2f}",
        "p95 ms": f"{total['p95']:.2f}",
        "p99 ms": f"{total['p99']:.2f}",
        "max ms": f"{total['max']:.1f}",
        "poses/s": f"{document['poses_per_s']:.1f}",
        "peak MB": None if document["memory"]["peak_mb"] is None else f"{document['memory']['peak_mb']:.0f}",
        "mJ/pose": None if power is None else f"{power['energy_per_pose_mj']:.0f}",
        "°C": None if temperatures is None else "{:.0f} → {:.0f}".format(*temperatures),
        "≤0.1 head": None if drift is None else f"{drift['within_0.1_head']['total']:.1f} %",
        "Δ@50": _points(drift, "pckh50_points"),
        "Δ@10": _points(drift, "pckh10_points"),
    }
    if record.times_mean_nothing:
        untold = ("p50 ms", "p95 ms", "p99 ms", "max ms", "poses/s", "mJ/pose")
        cells.update(dict.fromkeys(untold, document["kind"]))
    return {
        "device": record.device,
        "name": record.name,
        "cells": cells,
        "throttled": document["throttling"]["throttled"],
        "kind": document["kind"],
        "untold": record.times_mean_nothing,
        "soak": document["settings"]["scenario"] == "sustained",
        "gate": document["gate"],
        "warnings": document["warnings"],
    }


def _points(drift: dict[str, Any] | None, name: str) -> str | None:
    if drift is None or drift[name] is None:
        return None
    low, high = drift[name]["interval95"]
    return f"{drift[name]['total']:+.2f} ({low:+.2f} to {high:+.2f})"


def _range(document: dict[str, Any], kind: str) -> tuple[float, float] | None:
    """(first, highest) of the sensor of ``kind`` that gets highest."""
    columns = [
        [value for value in series["values"] if value is not None]
        for series in document["sensors"]["series"]
        if series["kind"] == kind
    ]
    columns = [column for column in columns if column]
    if not columns:
        return None
    hottest = max(columns, key=max)
    return hottest[0], max(hottest)


def _heat_words(record: Record) -> str:
    """What goes with a timeline: the throttling, and what the first and the last minute have to do with each other."""
    throttling = record.document["throttling"]
    words = []
    if throttling["throttled"]:
        words.append(
            f"THROTTLED: {', '.join(throttling['now'])}, in {throttling['share_of_samples']:.0%} of the samples"
        )
    elif throttling["throttled"] is None:
        words.append(f"throttling not known: {throttling['reason']}")
    else:
        words.append("not throttled")
    if _range(record.document, "temperature") is None:
        words.append(f"no temperature: {record.document['sensors']['absent'].get('temperature', 'could not be read')}")
    return "; ".join(words)


def _drift(record: Record) -> dict[str, Any]:
    """Each joint's agreement and change, with how loud each cell is to be (0 to 1)."""
    drift = record.document["drift"]
    lines = []
    for joint in JOINTS:
        near = drift["within_0.1_head"]["per_joint"][joint]
        changes = [drift[name] and drift[name]["per_joint"][joint] for name in ("pckh50_points", "pckh10_points")]
        lines.append(
            {
                "near": None if near is None else f"{near:.1f}",
                "loudness": 0 if near is None else round(min(1.0, (100 - near) / 50), 2),
                "changes": [None if change is None else f"{change:+.1f}" for change in changes],
            }
        )
    return {"name": record.name, "source": drift["source"], "persons": drift["persons"], "lines": lines}


def _details(record: Record) -> dict[str, Any]:
    document = record.document
    conditions = document["conditions"]
    names = [*FIRST_CONDITIONS, *(name for name in conditions if name not in FIRST_CONDITIONS)]
    return {
        "name": record.name,
        "bundle": document["bundle"],
        "engine": document["engine"],
        "settings": {name: value for name, value in document["settings"].items() if value is not None},
        "measured_at": document["measured_at"],
        "stages": document["latency_ms"],
        "untold": record.times_mean_nothing,
        "first_call_ms": document["first_call_ms"],
        "load_ms": document["load_ms"],
        "conditions": {name: conditions[name] for name in names if conditions.get(name) is not None},
        "absent": document["sensors"]["absent"],
        "memory": document["memory"],
        "power": document["power"],
        "since_boot": document["throttling"]["since_boot"],
    }
