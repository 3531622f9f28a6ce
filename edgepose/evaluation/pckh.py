"""PCKh: the share of joints found within a given part of the head's length.

Andriluka et al. 2014, "2D Human Pose Estimation: New Benchmark and State of the Art Analysis": a joint is
found where its distance to the truth is at most ``threshold`` times the length of the person's head segment.
PCKh@50 is threshold 0.5; EfficientPose (Groos et al. 2020, section 4.2) reports PCKh@10, threshold 0.1,
beside it. The total is over joints, each evaluated joint of each person counting once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgepose.evaluation.bootstrap import Interval, share_interval
from edgepose.runtime.errors import DatasetError
from edgepose.runtime.joints import JOINTS


@dataclass(frozen=True)
class JointShares:
    """Percent of joints: in total, its 95 % interval over persons, and per joint (``None``: no such)."""

    threshold: float
    total: float
    interval: Interval
    per_joint: dict[str, float | None]
    joints: int
    persons: int


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
    if not counted.any():
        raise DatasetError("there is no joint to score", "use a data set with labelled joints")
    if np.isnan(distances[counted]).any():
        raise DatasetError("a joint that is to be scored has no true position")
    # NaN compares as not found; such joints are not counted.
    found = (distances <= threshold) & counted
    hits, wanted = found.sum(0), counted.sum(0)
    return JointShares(
        threshold=threshold,
        total=float(100 * hits.sum() / wanted.sum()),
        interval=share_interval(found.sum(1), counted.sum(1)),
        per_joint={
            name: float(100 * hits[joint] / wanted[joint]) if wanted[joint] else None
            for joint, name in enumerate(JOINTS)
        },
        joints=int(wanted.sum()),
        persons=int(counted.any(1).sum()),
    )
