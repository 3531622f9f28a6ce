"""Records of version 1, which ``bench --json`` wrote before records had versions, as records of version 2.

What they did not hold is null. They told no jitter, no p95 and no intervals, but they kept every sample.
"""

from __future__ import annotations

from typing import Any

from edgepose.bench.statistics import summarise
from edgepose.runtime.bench_record import MEASURED, PARTS, SCHEMA, SIMULATED

NOT_SAMPLED = "records of version 1 have no sensors"


def is_version_1(document: dict[str, Any]) -> bool:
    """Whether ``document`` is what version 1 looked like; it did not say so."""
    return "schema" not in document and document.get("kind") in (MEASURED, SIMULATED) and "samples_ms" in document


def from_version_1(document: dict[str, Any]) -> dict[str, Any]:
    """A record of the present version. Raises ``KeyError``, ``TypeError`` or ``ValueError`` for what is none."""
    samples = {part: [float(one) for one in document["samples_ms"][part]] for part in PARTS if part != "capture"}
    target, precision = document["bundle"].rsplit("-", 1)
    return {
        "schema": SCHEMA,
        "kind": document["kind"],
        "measured_at": None,
        "edgepose": None,
        "device": None,
        "bundle": {
            "name": document["bundle"],
            "variant": None,
            "target": None,
            "precision": precision if target else None,
            "sha256": document["bundle_sha256"],
            "engine_bytes": None,
            "macs": None,
        },
        "engine": {
            "library": document["engine_library"],
            "threads": document["threads"],
            "decoder": document["decoder"],
            "fallback": document.get("fallback"),
        },
        "settings": {
            "scenario": "single_stream",
            **dict.fromkeys(
                (
                    "max_warm_up_s",
                    "steady_window_calls",
                    "steady_tolerance_percent",
                    "steady_tolerance_us",
                    "min_duration_s",
                    "min_calls",
                    "max_calls",
                    "sample_interval_s",
                )
            ),
        },
        "capture": {"from": "memory", "frames": document["frames"]},
        "conditions": {**document["conditions"], "emulator": None},
        "load_ms": None,
        "first_call_ms": None,
        "warm_up": {"steady": None, "samples_ms": []},
        "latency_ms": {part: summarise(one) for part, one in samples.items()},
        "samples_ms": samples,
        "starts_ms": None,
        "duration_s": None,
        "poses_per_s": 1e3 * len(samples["total"]) / sum(samples["total"]),
        "harness_overhead_us": None,
        "memory": {
            "peak_mb": document["peak_memory_mb"],
            **dict.fromkeys(("growth_mb", "samples_mb", "least_available_mb")),
        },
        "throttling": {
            "throttled": None,
            "now": [],
            "since_boot": [],
            "share_of_samples": None,
            "reason": NOT_SAMPLED,
        },
        "power": None,
        "edgetpu": document.get("edgetpu"),
        "sensors": {"times_s": [], "took_ms": [], "series": [], "absent": {"all": NOT_SAMPLED}},
        "drift": None,
        "gate": None,
        "warnings": [],
    }
