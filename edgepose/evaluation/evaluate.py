"""PCKh of a bundle on a labelled data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgepose.evaluation.datasets import PoseDataset
from edgepose.evaluation.pckh import JointShares, normalised_distances, pckh
from edgepose.evaluation.predictions import CROP_RULE, Predictions, Progress, predict
from edgepose.runtime.errors import DatasetError
from edgepose.runtime.estimator import PoseEstimator


@dataclass(frozen=True, eq=False)
class Evaluation:
    """PCKh@50 and PCKh@10 of ``predictions``, which name their decoder and their data.

    ``distances``: float64 [n, 16] head lengths from the truth, infinite where a joint was not found, NaN
    where it is not evaluated.
    """

    predictions: Predictions
    distances: np.ndarray
    pckh50: JointShares
    pckh10: JointShares

    def to_dict(self) -> dict[str, Any]:
        """The whole record as JSON values; each person's joints are among them."""
        predictions = self.predictions
        return {
            "bundle": predictions.bundle,
            "bundle_sha256": predictions.bundle_sha256,
            "decoder": predictions.decoder,
            "crop_rule": CROP_RULE,
            "dataset": predictions.dataset.name,
            "dataset_sha256": predictions.dataset_sha256,
            "persons": self.pckh50.persons,
            "joints": self.pckh50.joints,
            "pckh50": _shares(self.pckh50),
            "pckh10": _shares(self.pckh10),
            "poses": [
                {
                    "id": record.id,
                    "keypoints": _rounded(points),
                    "scores": np.round(scores.astype(float), 4).tolist(),
                }
                for record, points, scores in zip(
                    predictions.dataset.records, predictions.keypoints, predictions.scores, strict=True
                )
            ],
        }


def evaluate(estimator: PoseEstimator, dataset: PoseDataset, progress: Progress | None = None) -> Evaluation:
    """Find the joints of every record and score them; ``progress`` gets records done and their total.

    Raises :class:`DatasetError` before any work where ``dataset`` has no labels.
    """
    _require_labels(dataset)
    return score(predict(estimator, dataset, progress))


def score(predictions: Predictions) -> Evaluation:
    """Score joints found already. Raises :class:`DatasetError` where their data set has no labels."""
    _require_labels(predictions.dataset)
    records = predictions.dataset.records
    truth = np.stack([record.keypoints for record in records])
    heads = np.array([record.head_length for record in records])
    marked = np.stack([record.evaluate for record in records])
    distances = normalised_distances(predictions.keypoints, truth, heads)
    distances[~marked] = np.nan
    return Evaluation(predictions, distances, pckh(distances, marked, 0.5), pckh(distances, marked, 0.1))


def _require_labels(dataset: PoseDataset) -> None:
    if not dataset.labelled:
        raise DatasetError(
            f"data set {dataset.name!r} has records without labelled joints",
            "PCKh needs labels; see the edgepose annotations format in edgepose/evaluation/datasets.py",
        )


def _shares(shares: JointShares) -> dict[str, Any]:
    return {
        "total": round(shares.total, 2),
        "interval95": [round(shares.interval.low, 2), round(shares.interval.high, 2)],
        "per_joint": {name: None if value is None else round(value, 2) for name, value in shares.per_joint.items()},
    }


def _rounded(points: np.ndarray) -> list[list[float | None]]:
    return [[None, None] if np.isnan(point).any() else [round(float(value), 2) for value in point] for point in points]
