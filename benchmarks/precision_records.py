"""The records of quantisation and of the network's speed, as the page on precisions and its plots read them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.bundles import ALL_VARIANTS
from benchmarks.measuring import ratio_of_medians

# Figures of a row, and whether more of it is worse.
LOSSES = {"loss50": "loss of PCKh@50, points", "loss10": "loss of PCKh@10, points"}
AGREEMENT = {"within01": "joints within 0.1 head of the float engine's, %"}


class Measured(NamedTuple):
    """A figure, its 95 % interval, and the bound it is to keep (None: reported only)."""

    value: float
    low: float
    high: float
    bound: float | None

    @property
    def span(self) -> tuple[float, float]:
        """How far the interval reaches below and above the value."""
        return self.value - self.low, self.high - self.value


@dataclass(frozen=True)
class Row:
    """What one precision of a variant lost: ``figures`` by the names in :data:`LOSSES` and :data:`AGREEMENT`."""

    name: str
    title: str
    kind: str
    seeds: int
    figures: dict[str, Measured]
    integer_macs: float | None

    @property
    def holds(self) -> bool | None:
        """Whether every bound is kept; None where there is none."""
        verdicts = [
            one.value >= one.bound if name in AGREEMENT else one.value <= one.bound
            for name, one in self.figures.items()
            if one.bound is not None
        ]
        return all(verdicts) if verdicts else None


@dataclass(frozen=True)
class VariantRecord:
    """``rows`` by precision and ``peers`` by calibrator of a variant; PCKh of its float engine."""

    variant: str
    pckh50: float
    pckh10: float
    persons: int
    rows: list[Row]
    peers: list[Row]
    measured_at: str


@dataclass(frozen=True)
class Speed:
    """How many times faster than the official file of ``variant`` an engine is: ratio, and 95 % interval."""

    variant: str
    engine: str
    ratio: float
    low: float
    high: float


def read_records(results: Path) -> list[VariantRecord]:
    """What there is of ``quantisation-*.json`` in ``results``, in the order of :data:`ALL_VARIANTS`.

    The rows of ``half-precision-*.json`` are added to those of their variant.
    """
    records, halves = (
        [_record(json.loads(path.read_text("utf-8"))) for path in sorted(results.glob(f"{name}-*.json"))]
        for name in ("quantisation", "half-precision")
    )
    for half in halves:
        for record in records:
            if record.variant == half.variant:
                record.rows.extend(half.rows)
    return sorted(records, key=lambda record: ALL_VARIANTS.index(record.variant))


def read_speeds(results: Path) -> list[Speed]:
    """The ratios on one thread in ``network.json``, where there is one."""
    path = results / "network.json"
    if not path.exists():
        return []
    speeds = []
    for label, samples in json.loads(path.read_text("utf-8"))["samples"].items():
        variant, _, threads = label.partition(", ")
        for engine in samples if threads == "1 thread" else ():
            if engine != "official":
                ratio, (low, high) = ratio_of_medians(samples["official"], samples[engine])
                speeds.append(Speed(variant, engine, ratio, low, high))
    return speeds


def _record(document: dict[str, Any]) -> VariantRecord:
    samples = document["samples"]
    counts = samples["float"]
    pckh50, pckh10 = (100 * sum(counts[name]) / sum(counts["evaluated"]) for name in ("found50", "found10"))
    rows, peers = ([_row(*item) for item in samples[part].items()] for part in ("precisions", "peers"))
    measured_at = document["environment"]["measured_at"]
    return VariantRecord(samples["variant"], pckh50, pckh10, len(counts["evaluated"]), rows, peers, measured_at)


def _row(name: str, row: dict[str, Any]) -> Row:
    bounds = row.get("bounds") or {}
    figures = {}
    for figure in (*LOSSES, *AGREEMENT):
        low, high = row[figure]["interval95"]
        figures[figure] = Measured(row[figure]["value"], low, high, bounds.get(figure))
    return Row(name, row["title"], row["kind"], len(row["loss50"]["seeds"]), figures, row.get("integer_macs"))
