"""Bounds that a measurement must keep: ``bench`` ends with exit code 3 where it does not."""

from typing import NamedTuple, Optional

from edgepose.runtime.errors import UsageError

# None: not asked. ``max_drift``: points of PCKh@50, and of @10, that may be lost against the float model.
Limits = NamedTuple(
    "Limits", [("max_drift", Optional[float]), ("max_p95_ms", Optional[float]), ("max_rss_mb", Optional[float])]
)
NO_LIMITS = Limits(None, None, None)
OPTIONS = ("--max-drift", "--max-p95-ms", "--max-rss-mb")


def require_possible(limits):
    """Raise :class:`UsageError` for a bound that no figure could be held against."""
    for option, value in zip(OPTIONS, limits):
        if value is not None and not 0 <= value < 1e9:
            raise UsageError("{} {:g} cannot be".format(option, value), "a number from 0 on")


def require_measurable(limits, labelled, times_count, memory_known):
    """Raise :class:`UsageError` for a bound that cannot be, or that nothing is measured for: it would hold for nothing.

    ``labelled``: whether true joints are known; ``times_count``: whether times are the machine's own.
    """
    require_possible(limits)
    if limits.max_drift is not None and not labelled:
        raise UsageError(
            "--max-drift bounds a loss of PCKh, and the probe of this bundle has no true joints",
            "measure on a data set with --dataset",
        )
    if limits.max_p95_ms is not None and not times_count:
        raise UsageError(
            "--max-p95-ms can neither hold nor fail: the times are an emulator's, or a CPU's for an accelerator"
        )
    if limits.max_rss_mb is not None and not memory_known:
        raise UsageError("--max-rss-mb cannot be checked: this system does not tell a process's memory")


def check_gate(limits, losses, p95_ms, peak_mb):
    """Hold figures against ``limits``: ``{"held": bool, "bounds": [{"measure", "value", "at_most", "held"}]}``.

    ``losses``: points lost of PCKh@50 and @10. None where nothing is asked. Point estimates decide, as in ``evaluate``.
    """
    asked = []
    if limits.max_drift is not None:
        asked += [("points of PCKh@{} lost".format(at), loss, limits.max_drift) for at, loss in zip((50, 10), losses)]
    if limits.max_p95_ms is not None:
        asked.append(("p95 of the latency in ms", p95_ms, limits.max_p95_ms))
    if limits.max_rss_mb is not None:
        asked.append(("peak memory in MB", peak_mb, limits.max_rss_mb))
    if not asked:
        return None
    bounds = [
        {"measure": name, "value": round(value, 4), "at_most": bound, "held": value <= bound}
        for name, value, bound in asked
    ]
    return {"held": all(bound["held"] for bound in bounds), "bounds": bounds}


def broken_bounds(gate):
    """One line that says which bounds of ``gate`` are not kept."""
    return "; ".join(
        "{measure}: {value:.2f}, at most {at_most:g}".format(**bound) for bound in gate["bounds"] if not bound["held"]
    )
