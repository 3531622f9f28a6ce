"""What engines lost against the float one: the mean over calibration seeds, its interval over persons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from edgepose.bench.bootstrap import share_intervals
from edgepose.evaluation.drift import drift
from edgepose.evaluation.predictions import Predictions
from edgepose.evaluation.score import truth_distances


class Estimate(NamedTuple):
    """The mean of a figure over the seeds, its 95 % interval, and the figure of each seed."""

    value: float
    low: float
    high: float
    seeds: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Comparison:
    """How far engines of several seeds are from the float one.

    ``loss50`` and ``loss10``: points of PCKh that are lost, negative where they are gained; ``within01``: percent of
    the float engine's joints within 0.1 head. ``persons``: for each person, how many joints were found, as JSON values.
    """

    loss50: Estimate
    loss10: Estimate
    within01: Estimate
    persons: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Figures and persons as JSON values."""
        estimates = {name: getattr(self, name) for name in ("loss50", "loss10", "within01")}
        rounded = {
            name: {
                "value": round(one.value, 6),
                "interval95": [round(one.low, 3), round(one.high, 3)],
                "seeds": [round(value, 3) for value in one.seeds],
            }
            for name, one in estimates.items()
        }
        return {**rounded, "persons": self.persons}


def compare(candidates: Sequence[Predictions], reference: Predictions) -> Comparison:
    """Compare ``candidates``, one a seed, with ``reference`` on the same persons.

    The interval is paired, over persons, each of whom counts with the mean over the seeds: of the seeds at hand.
    """
    counted = joints_found(reference)
    found: dict[str, list[np.ndarray]] = {name: [] for name in ("found50", "found10", "within01")}
    for candidate in candidates:
        counts = joints_found(candidate)
        for name in ("found50", "found10"):
            found[name].append(counts[name])
        distances = drift(candidate, reference).distances
        found["within01"].append((distances <= 0.1).sum(1))
        compared = (~np.isnan(distances)).sum(1)
    joints = {"found50": counted["evaluated"], "found10": counted["evaluated"], "within01": compared}
    figures = {}
    for name, rows in found.items():
        numerators = np.array(rows) if name == "within01" else counted[name] - np.array(rows)
        (interval,) = share_intervals(numerators.mean(0)[:, None], joints[name][:, None])
        assert interval is not None
        seeds = 100 * numerators.sum(1) / joints[name].sum()
        figures[name] = Estimate(float(seeds.mean()), *interval, tuple(map(float, seeds)))
    persons = {name: np.array(rows).tolist() for name, rows in found.items()}
    return Comparison(figures["found50"], figures["found10"], figures["within01"], persons)


def joints_found(predictions: Predictions) -> dict[str, np.ndarray]:
    """For each person [n]: ``evaluated`` joints, and how many of them lie within 0.5 and 0.1 head of the truth."""
    evaluate, distances = truth_distances(predictions)
    return {
        "evaluated": evaluate.sum(1),
        "found50": ((distances <= 0.5) & evaluate).sum(1),
        "found10": ((distances <= 0.1) & evaluate).sum(1),
    }
