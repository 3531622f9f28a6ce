"""Drift: what one engine lost against another of the same checkpoint, on the same crops.

PCKh is compared joint by joint, so that what both find or miss does not blur the difference; the 95 % intervals are
over persons, of the paired differences. Agreement needs no labels: how many of the reference's joints the candidate
has within 0.1 and 0.5 head. Without an annotated head, a tenth of the longer side of the person's region stands for it
(before it is enlarged; of the picture where there is no region), as in a bundle's own probe: a ruler that neither
model draws. The reference's own neck and crown would be one, but where it errs they lie anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgepose.evaluation.agreement import agreement
from edgepose.evaluation.pckh import JointShares, normalised_distances, pckh_difference
from edgepose.evaluation.predictions import Predictions
from edgepose.evaluation.score import truth_distances
from edgepose.runtime.errors import UsageError
from edgepose.runtime.probe import CROP_SIDE_IN_HEADS


@dataclass(frozen=True, eq=False)
class Drift:
    """How far a candidate's joints are from a reference's.

    ``distances``: float64 [n, 16] between the two, in head lengths. ``pckh50`` and ``pckh10``: the candidate's PCKh
    less the reference's, in points (``None`` without labels). ``within01`` and ``within05``: percent of all joints,
    evaluated or not, that lie within 0.1 and 0.5 head of the reference's.
    """

    distances: np.ndarray
    pckh50: JointShares | None
    pckh10: JointShares | None
    within01: JointShares
    within05: JointShares

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON values."""
        return {
            "pckh50_points": None if self.pckh50 is None else self.pckh50.to_dict(),
            "pckh10_points": None if self.pckh10 is None else self.pckh10.to_dict(),
            "within_0.1_head": self.within01.to_dict(),
            "within_0.5_head": self.within05.to_dict(),
        }


def drift(candidate: Predictions, reference: Predictions) -> Drift:
    """Compare ``candidate`` with ``reference``.

    Raises :class:`UsageError` where they are not of the same data, crops and decoder.
    """
    if _task(candidate) != _task(reference):
        raise UsageError("two predictions of different data, crops or decoders cannot be compared", "predict again")
    heads = head_lengths(candidate)
    points50, points10 = None, None
    if candidate.dataset.labelled:
        (evaluate, ours), (_, theirs) = truth_distances(candidate), truth_distances(reference)
        points50, points10 = (pckh_difference(ours, theirs, evaluate, threshold) for threshold in (0.5, 0.1))
    return Drift(
        normalised_distances(candidate.keypoints, reference.keypoints, heads),
        points50,
        points10,
        agreement(candidate.keypoints, reference.keypoints, heads, 0.1),
        agreement(candidate.keypoints, reference.keypoints, heads, 0.5),
    )


def head_lengths(predictions: Predictions) -> np.ndarray:
    """Pixels [n] that distances are divided by: the annotated head, else a tenth of the region's longer side."""
    heads = np.array([record.head_length for record in predictions.dataset.records])
    return np.where(np.isnan(heads), predictions.sides / CROP_SIDE_IN_HEADS, heads)


def _task(predictions: Predictions) -> tuple[object, ...]:
    ids = tuple(record.id for record in predictions.dataset.records)
    return ids, predictions.dataset_sha256, predictions.crop_scale, predictions.decoder, predictions.views
