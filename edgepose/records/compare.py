"""Two records beside each other: how many times as fast, and whether that may be called a difference.

The ratio is of percentiles of the whole call; its interval comes of a moving-block bootstrap (Künsch 1989) of both
runs, as successive calls are alike. It knows what varied within the two runs, not what varies between runs: measure
twice before believing a small difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgepose.bench.bootstrap import LEVEL, SEED, Interval
from edgepose.records.reading import Record
from edgepose.runtime.errors import UsageError

RESAMPLES = 1000
# Of runs with more samples than this, each resample costs too much.
MANY_SAMPLES, FEWER_RESAMPLES = 50000, 200
_DRAWS_AT_ONCE = 1 << 20
# What must be alike in two runs on one machine; and what may differ where the bundle is the same.
MACHINE = (
    "machine",
    "architecture",
    "processors",
    "memory_mb",
    "governor",
    "highest_clock_mhz",
    "power_mode",
    "os",
    "kernel",
)
SOFTWARE = ("python", "numpy", "opencv")
# Degrees at the start, and load for each processor, that two runs may differ by.
TEMPERATURE_C, LOAD = 8.0, 0.25
FASTER, SLOWER, NONE, NOT_CALLED = "faster", "slower", "no difference", "not called"


@dataclass(frozen=True)
class Ratio:
    """How many times as fast B is as A at one percentile (above 1: faster), with its 95 % interval."""

    percentile: int
    a_ms: float
    b_ms: float
    value: float
    interval: Interval


@dataclass(frozen=True)
class Comparison:
    """``verdict``: B is 'faster' or 'slower' than A, 'no difference' was seen, or it is 'not called' for ``reasons``.

    ``subject``: what differs on purpose. The verdict is that of the median.
    """

    a: Record
    b: Record
    ratios: tuple[Ratio, ...]
    subject: tuple[str, ...]
    reasons: tuple[str, ...]
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        return {
            "a": self.a.name,
            "b": self.b.name,
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "differs": list(self.subject),
            "times_as_fast": {
                f"p{ratio.percentile}": {
                    "a_ms": round(ratio.a_ms, 4),
                    "b_ms": round(ratio.b_ms, 4),
                    "ratio": round(ratio.value, 4),
                    "interval95": [round(end, 4) for end in ratio.interval],
                }
                for ratio in self.ratios
            },
        }


def compare_records(a: Record, b: Record) -> Comparison:
    """Compare two runs. Raises :class:`UsageError` for emulated or host-simulated ones, whose times mean nothing."""
    for record in (a, b):
        if record.times_mean_nothing:
            raise UsageError(
                f"{record.path} is {record.document['kind']}: its times are not a device's, and compared with none",
                "compare records of real devices",
            )
    ratios = tuple(_ratio(a, b, percentile) for percentile in (50, 95))
    subject, reasons = _differences(a.document, b.document)
    low, high = ratios[0].interval
    if reasons:
        verdict = NOT_CALLED
    elif low > 1:
        verdict = FASTER
    elif high < 1:
        verdict = SLOWER
    else:
        verdict = NONE
    return Comparison(a, b, ratios, tuple(subject), tuple(reasons), verdict)


def _ratio(a: Record, b: Record, percentile: int) -> Ratio:
    rng = np.random.Generator(np.random.PCG64(SEED + percentile))
    drawn = [_resampled(np.array(record.document["samples_ms"]["total"]), percentile, rng) for record in (a, b)]
    count = min(len(one) for one in drawn)
    low, high = np.quantile(drawn[0][:count] / drawn[1][:count], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    a_ms, b_ms = (record.document["latency_ms"]["total"][f"p{percentile}"] for record in (a, b))
    return Ratio(percentile, a_ms, b_ms, a_ms / b_ms, Interval(float(low), float(high)))


def _resampled(samples: np.ndarray, percentile: int, rng: np.random.Generator) -> np.ndarray:
    """The ``percentile`` of each of many resamples of ``samples`` [n], in blocks of about the root of n."""
    count = len(samples)
    length = max(1, round(count**0.5))
    blocks = -(-count // length)
    resamples = RESAMPLES if count <= MANY_SAMPLES else FEWER_RESAMPLES
    values = []
    # In parts, so that memory stays bounded however many samples there are.
    part = max(1, _DRAWS_AT_ONCE // count)
    for start in range(0, resamples, part):
        starts = rng.integers(count, size=(min(part, resamples - start), blocks, 1))
        indices = ((starts + np.arange(length)) % count).reshape(len(starts), -1)[:, :count]
        values.append(np.percentile(samples[indices], percentile, axis=1))
    return np.concatenate(values)


def _differences(a: dict[str, Any], b: dict[str, Any]) -> tuple[list[str], list[str]]:
    """(what differs on purpose, why no difference may be called)."""
    reasons = []
    subject = []
    same_bundle = a["bundle"]["sha256"] == b["bundle"]["sha256"]
    if not same_bundle:
        subject.append(f"bundle: {a['bundle']['name']} and {b['bundle']['name']}")
    for name in MACHINE:
        values = a["conditions"].get(name), b["conditions"].get(name)
        if values[0] != values[1] and None not in values:
            reasons.append(f"{name.replace('_', ' ')} differs: {values[0]} and {values[1]}")
    software = [(name, a["conditions"].get(name), b["conditions"].get(name)) for name in SOFTWARE]
    software.append(("engine library", a["engine"]["library"], b["engine"]["library"]))
    for name, one, other in software:
        if one != other:
            (subject if same_bundle else reasons).append(f"{name} differs: {one} and {other}")
    for name, one, other in (
        ("threads", a["engine"]["threads"], b["engine"]["threads"]),
        ("options of the engine", _engine_options(a), _engine_options(b)),
        ("clock of libedgetpu", _tpu_clock(a), _tpu_clock(b)),
        ("speed of the USB link in Mbit/s", _usb_links(a), _usb_links(b)),
        ("decoder", a["engine"]["decoder"], b["engine"]["decoder"]),
        ("scenario", a["settings"]["scenario"], b["settings"]["scenario"]),
        ("source of the frames", a["capture"]["from"], b["capture"]["from"]),
        ("frames", sorted(set(a["capture"]["frames"])), sorted(set(b["capture"]["frames"]))),
    ):
        if one != other:
            reasons.append(f"{name} differs: {one} and {other}")
    for name, document in (("A", a), ("B", b)):
        if document["throttling"]["throttled"]:
            reasons.append(f"{name} throttled: {', '.join(document['throttling']['now'])}")
        if document["warm_up"]["steady"] is False:
            reasons.append(f"{name} was not steady when it was measured")
    reasons += _apart(a, b, "temperature_c", TEMPERATURE_C, "degrees at the start")
    processors = a["conditions"].get("processors") or 1
    reasons += _apart(a, b, "load_average", LOAD * processors, "load average at the start")
    return subject, reasons


def _engine_options(document: dict[str, Any]) -> str:
    return " ".join(document["engine"].get("options", [])) or "none"


def _tpu_clock(document: dict[str, Any]) -> str | None:
    return None if document["edgetpu"] is None else document["edgetpu"]["clock"]


def _usb_links(document: dict[str, Any]) -> list[float | None]:
    return [one["values"][0] for one in document["sensors"]["series"] if one["kind"] == "usb_link" and one["values"]]


def _apart(a: dict[str, Any], b: dict[str, Any], name: str, allowed: float, words: str) -> list[str]:
    values = a["conditions"].get(name), b["conditions"].get(name)
    if None in values or abs(values[0] - values[1]) <= allowed:
        return []
    return [f"{words}: {values[0]} and {values[1]}"]
