"""Evaluate a bundle: PCKh on labelled data, and drift where there is a float reference, in all and in parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import numpy as np

from edgepose.bench.conditions import conditions
from edgepose.evaluation.datasets import PersonRecord, PoseDataset
from edgepose.evaluation.drift import Drift, drift
from edgepose.evaluation.predictions import Predictions, Progress, predict_all
from edgepose.evaluation.score import Score, require_labels, score
from edgepose.runtime.estimator import ON_CPU, PoseEstimator
from edgepose.version import __version__

SCHEMA = 1
EVERYONE = "all"
# Told apart wherever a data set says who is upright, and has both.
PARTS: dict[str, Callable[[PersonRecord], bool]] = {
    "upright": lambda record: record.upright is True,
    "other": lambda record: record.upright is False,
}


@dataclass(frozen=True, eq=False)
class Part:
    """Figures of some persons: ``score`` where the data has labels, ``drift`` where there is a reference."""

    persons: int
    score: Score | None
    drift: Drift | None

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON values."""
        scores = {"joints": 0, "pckh50": None, "pckh10": None} if self.score is None else self.score.to_dict()
        return {**scores, "persons": self.persons, "drift": None if self.drift is None else self.drift.to_dict()}


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What :func:`evaluate` measured. ``parts``: 'all', and 'upright' and 'other' where the data
    says who is which, and has both."""

    predictions: Predictions
    reference: Predictions | None
    parts: dict[str, Part]
    measured_at: str
    machine: dict[str, Any]

    @property
    def kind(self) -> str:
        """``measured``, or ``host-simulated`` where the CPU did an accelerator's work."""
        return "host-simulated" if self.predictions.library.endswith(ON_CPU) else "measured"

    def to_dict(self) -> dict[str, Any]:
        """The whole record as JSON values; each person's joints are among them."""
        return {
            "schema": SCHEMA,
            "conditions": {
                **self.predictions.conditions(),
                "reference": None if self.reference is None else _engine(self.reference),
                "kind": self.kind,
                "measured_at": self.measured_at,
                "edgepose": __version__,
                "machine": self.machine,
            },
            "results": {name: part.to_dict() for name, part in self.parts.items()},
            "poses": [self._pose(index) for index in range(len(self.predictions.dataset.records))],
        }

    def _pose(self, index: int) -> dict[str, Any]:
        pose: dict[str, Any] = {
            "id": self.predictions.dataset.records[index].id,
            "keypoints": _rounded(self.predictions.keypoints[index]),
            "scores": np.round(self.predictions.scores[index].astype(float), 4).tolist(),
        }
        if self.reference is not None:
            pose["reference_keypoints"] = _rounded(self.reference.keypoints[index])
        return pose


def evaluate(
    estimator: PoseEstimator,
    dataset: PoseDataset,
    reference: PoseEstimator | None = None,
    progress: Progress | None = None,
    crop_scale: float | None = None,
) -> Evaluation:
    """Find the joints of every record with ``estimator``, and with ``reference`` where there is one, and compare.

    ``progress`` gets records done and their total; ``crop_scale`` None is what the data set says. Raises
    :class:`DatasetError` before any work where ``dataset`` lacks labels: some of its records, or all of them and there
    is no reference to agree with.
    """
    unlabelled = not any(record.evaluate.any() for record in dataset.records)
    if not unlabelled or reference is None:
        require_labels(dataset)
    machine, measured_at = conditions(), datetime.now(timezone.utc).isoformat(timespec="seconds")
    estimators = [estimator] if reference is None else [estimator, reference]
    predictions, *others = predict_all(estimators, dataset, progress, crop_scale)
    peer = others[0] if others else None
    parts = {EVERYONE: _part(predictions, peer)}
    if dataset.tells_upright and all(any(map(keep, dataset.records)) for keep in PARTS.values()):
        for name, keep in PARTS.items():
            part = f"{dataset.name}, {name}"
            parts[name] = _part(predictions.select(keep, part), None if peer is None else peer.select(keep, part))
    return Evaluation(predictions, peer, parts, measured_at, machine)


def _part(predictions: Predictions, reference: Predictions | None) -> Part:
    return Part(
        persons=len(predictions.dataset.records),
        score=score(predictions) if predictions.dataset.labelled else None,
        drift=None if reference is None else drift(predictions, reference),
    )


def _engine(predictions: Predictions) -> dict[str, Any]:
    return {
        "bundle": predictions.bundle,
        "bundle_sha256": predictions.bundle_sha256,
        "library": predictions.library,
    }


def _rounded(points: np.ndarray) -> list[list[float | None]]:
    return [[None, None] if np.isnan(point).any() else [round(float(value), 2) for value in point] for point in points]
