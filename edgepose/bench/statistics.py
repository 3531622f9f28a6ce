"""What a list of durations amounts to."""

import math


def percentile(samples, percent):
    """The ``percent``-th percentile (0 to 100) of ``samples``, by nearest rank: always a value that was measured.

    The smallest sample that at least ``percent`` % of the samples do not exceed (Hyndman & Fan 1996, definition 1).
    Raises ``ValueError`` for no samples.
    """
    if not samples:
        raise ValueError("there is no percentile of no samples")
    rank = math.ceil(percent / 100 * len(samples))
    return sorted(samples)[min(max(rank, 1), len(samples)) - 1]


def summarise(samples):
    """``{"samples": n, "p50", "p90", "p99", "max", "mean"}`` of durations, in the unit they came in."""
    return {
        "samples": len(samples),
        "p50": percentile(samples, 50),
        "p90": percentile(samples, 90),
        "p99": percentile(samples, 99),
        "max": max(samples),
        "mean": sum(samples) / len(samples),
    }
