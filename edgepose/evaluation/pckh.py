"""PCKh: the share of joints found within a given part of the head's length.

Andriluka et al. 2014, "2D Human Pose Estimation: New Benchmark and State of the Art Analysis": a joint is
found where its distance to the truth is at most ``threshold`` times the length of the person's head segment.
PCKh@50 is threshold 0.5; EfficientPose (Groos et al. 2020, section 4.2) reports PCKh@10, threshold 0.1,
beside it. The total is over joints, each evaluated joint of each person counting once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgepose.bench.bootstrap import Interval, share_intervals
from edgepose.runtime.errors import DatasetError
from edgepose.runtime.joints import JOINTS


@dataclass(frozen=True)
class JointShares:
    """Percent of joints: in total and per joint (``None``: no such), with 95 % intervals over persons."""

    threshold: float
    total: float
    interval: Interval
    per_joint: dict[str, float | None]
    per_joint_intervals: dict[str, Interval | None]
    joints: int
    persons: int

    def to_dict(self) -> dict[str, Any]:
        """The shares as JSON values, in hundredths of a percent."""
        return {
            "joints": self.joints,
            "total": round(self.total, 2),
            "interval95": _rounded(self.interval),
            "per_joint": {name: None if value is None else round(value, 2) for name, value in self.per_joint.items()},
            "per_joint_interval95": {
                name: None if interval is None else _rounded(interval)
                for name, interval in self.per_joint_intervals.items()
            },
        }


def normalised_distances(points: np.ndarray, truth: np.ndarray, head_lengths: np.ndarray) -> np.ndarray:
    """Distances in head lengths [n, 16] of ``points`` to ``truth``, both [n, 16, 2]; ``head_lengths`` [n].

    A point that was not found (NaN) is infinitely far; where ``truth`` is NaN the distance is NaN.
    """
    truth = np.asarray(truth, np.float64)
    distances = np.linalg.norm(np.asarray(points, np.float64) - truth, axis=2)
    distances /= np.asarray(head_lengths, np.float64)[:, None]
    return np.where(np.isnan(truth).any(2), np.nan, np.where(np.isnan(distances), np.inf, distances))


def pckh(distances: np.ndarray, evaluate: np.ndarray, threshold: float = 0.5) -> JointShares:
    """PCKh of the joints marked in ``evaluate`` [n, 16], from their :func:`normalised_distances`.

    Raises :class:`DatasetError` where no joint is marked, or a marked one has no truth.
    """
    return joint_shares(distances, evaluate, threshold)


def joint_shares(distances: np.ndarray, counted: np.ndarray, threshold: float) -> JointShares:
    """Shares of the ``counted`` joints [n, 16] that lie within ``threshold`` head lengths, edge included."""
    _require_truth(distances, counted)
    # NaN compares as not found; such joints are not counted.
    return _shares((distances <= threshold) & counted, counted, threshold)


def pckh_difference(
    distances: np.ndarray, reference: np.ndarray, evaluate: np.ndarray, threshold: float
) -> JointShares:
    """PCKh of one model less that of another on the same joints, in points, paired: positive where the first is better.

    ``distances`` and ``reference`` [n, 16] are the two models' distances from the truth. Raises as :func:`pckh` does.
    """
    _require_truth(distances, evaluate)
    _require_truth(reference, evaluate)
    found, found_by_reference = ((one <= threshold) & evaluate for one in (distances, reference))
    return _shares(found.astype(int) - found_by_reference, evaluate, threshold)


def _require_truth(distances: np.ndarray, counted: np.ndarray) -> None:
    if not counted.any():
        raise DatasetError("there is no joint to score", "use a data set with labelled joints")
    if np.isnan(distances[counted]).any():
        raise DatasetError("a joint that is to be scored has no true position")


def _shares(hits: np.ndarray, counted: np.ndarray, threshold: float) -> JointShares:
    """Shares of ``hits`` (1, 0, or -1 in a difference) among ``counted``, both [n, 16]."""
    found, wanted = hits.sum(0), counted.sum(0)
    # The last column is of all joints together.
    with_sum, counted_with_sum = (np.column_stack([one, one.sum(1)]) for one in (hits, counted))
    *intervals, interval = share_intervals(with_sum, counted_with_sum)
    assert interval is not None
    return JointShares(
        threshold=threshold,
        total=float(100 * found.sum() / wanted.sum()),
        interval=interval,
        per_joint={
            name: float(100 * found[joint] / wanted[joint]) if wanted[joint] else None
            for joint, name in enumerate(JOINTS)
        },
        per_joint_intervals=dict(zip(JOINTS, intervals, strict=True)),
        joints=int(wanted.sum()),
        persons=int(counted.any(1).sum()),
    )


def _rounded(interval: Interval) -> list[float]:
    return [round(interval.low, 2), round(interval.high, 2)]
