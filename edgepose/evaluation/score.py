"""PCKh of predictions on a labelled data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgepose.evaluation.datasets import PoseDataset
from edgepose.evaluation.pckh import JointShares, normalised_distances, pckh
from edgepose.evaluation.predictions import Predictions
from edgepose.runtime.errors import DatasetError


@dataclass(frozen=True, eq=False)
class Score:
    """PCKh@50 and PCKh@10 of ``predictions``, which name their decoder and their data.

    ``evaluate``: bool [n, 16], the joints that count; ``distances``: float64 [n, 16] head lengths from the truth,
    infinite where a joint was not found, NaN where it is not evaluated.
    """

    predictions: Predictions
    evaluate: np.ndarray
    distances: np.ndarray
    pckh50: JointShares
    pckh10: JointShares

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON values."""
        return {
            "persons": self.pckh50.persons,
            "joints": self.pckh50.joints,
            "pckh50": self.pckh50.to_dict(),
            "pckh10": self.pckh10.to_dict(),
        }


def score(predictions: Predictions) -> Score:
    """Score joints found already. Raises :class:`DatasetError` where their data set has no labels."""
    marked, distances = truth_distances(predictions)
    return Score(predictions, marked, distances, pckh(distances, marked, 0.5), pckh(distances, marked, 0.1))


def truth_distances(predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """``evaluate`` and ``distances`` of a :class:`Score`. Raises :class:`DatasetError` as :func:`score` does."""
    require_labels(predictions.dataset)
    records = predictions.dataset.records
    truth = np.stack([record.keypoints for record in records])
    heads = np.array([record.head_length for record in records])
    marked = np.stack([record.evaluate for record in records])
    distances = normalised_distances(predictions.keypoints, truth, heads)
    distances[~marked] = np.nan
    return marked, distances


def require_labels(dataset: PoseDataset) -> None:
    """Raise :class:`DatasetError` where a record of ``dataset`` has no joint to compare with."""
    if not dataset.labelled:
        raise DatasetError(
            f"data set {dataset.name!r} has records without labelled joints",
            "PCKh needs labels; without any, a reference gives the agreement alone: see docs/evaluate.md",
        )
