"""Estimators' joints on every record of a data set."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgepose.evaluation.datasets import PersonRecord, PoseDataset
from edgepose.evaluation.datasets.regions import check_crop_scale, enlarged
from edgepose.runtime.errors import DatasetError, SourceError
from edgepose.runtime.estimator import PoseEstimator
from edgepose.runtime.images import read_image
from edgepose.runtime.joints import JOINTS

# Called with the number of records done and their total.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a bundle found in a data set.

    ``keypoints``: float32 [n, 16, 2] in pixels of each picture, NaN where the decoder found none; ``scores``:
    float32 [n, 16]; ``sides``: float64 [n], pixels of the longer side of each person's region before it was
    enlarged by ``crop_scale``; ``library``: the engine's; ``views``: what the heatmaps were averaged over, empty for
    one view; ``dataset_sha256``: over the records and the bytes of their pictures.
    """

    dataset: PoseDataset
    keypoints: np.ndarray
    scores: np.ndarray
    sides: np.ndarray
    crop_scale: float
    bundle: str
    bundle_sha256: str
    library: str
    decoder: str
    views: str
    dataset_sha256: str

    def select(self, keep: Callable[[PersonRecord], bool], name: str) -> Predictions:
        """Predictions of the records that ``keep`` accepts. Raises :class:`DatasetError` for none."""
        kept = np.array([keep(record) for record in self.dataset.records])
        return replace(
            self,
            dataset=self.dataset.select(keep, name),
            keypoints=self.keypoints[kept],
            scores=self.scores[kept],
            sides=self.sides[kept],
        )

    def conditions(self) -> dict[str, Any]:
        """What these joints depend on, as JSON values."""
        return {
            "bundle": self.bundle,
            "bundle_sha256": self.bundle_sha256,
            "library": self.library,
            "decoder": self.decoder,
            "views": self.views or "one",
            "crop_rule": crop_rule(self.crop_scale),
            "crop_scale": self.crop_scale,
            "dataset": self.dataset.name,
            "dataset_sha256": self.dataset_sha256,
        }


def crop_rule(scale: float) -> str:
    """What a crop of ``scale`` shows the network, in words."""
    return f"annotated square x{scale:g} about its centre, in whole pixels, black outside the picture; " + (
        "the whole picture where there is none"
    )


def predict(
    estimator: PoseEstimator,
    dataset: PoseDataset,
    progress: Progress | None = None,
    crop_scale: float | None = None,
) -> Predictions:
    """Run ``estimator`` on the region of every record of ``dataset``, ``crop_scale`` times as large.

    ``None`` is what the data set says: :attr:`PoseDataset.crop_scale`. Raises :class:`SourceError` for a picture that
    cannot be read, :class:`DatasetError` for a region outside it, :class:`UsageError` for a ``crop_scale`` outside 0.5
    to 3, and whatever else the estimator raises.
    """
    (predictions,) = predict_all([estimator], dataset, progress, crop_scale)
    return predictions


def predict_all(
    estimators: Sequence[PoseEstimator],
    dataset: PoseDataset,
    progress: Progress | None = None,
    crop_scale: float | None = None,
) -> list[Predictions]:
    """:func:`predict` with several estimators on the same crops; each picture is read once."""
    check_crop_scale(crop_scale)
    crop_scale = dataset.crop_scale if crop_scale is None else crop_scale
    total = len(dataset.records)
    keypoints = np.empty((len(estimators), total, len(JOINTS), 2), np.float32)
    scores = np.empty((len(estimators), total, len(JOINTS)), np.float32)
    sides = np.empty(total)
    digest = hashlib.sha256()
    picture = None
    for index, record in enumerate(dataset.records):
        if picture is None or picture.path != record.image:
            picture = _Picture(record.image, read_image(record.image), record.image.read_bytes())
        digest.update(_record_digest(record, picture))
        region = None if record.region is None else enlarged(record.region, crop_scale)
        sides[index] = max(picture.pixels.shape[:2] if record.region is None else record.region[2:])
        for number, estimator in enumerate(estimators):
            try:
                pose = estimator(picture.pixels, region=region)
            except SourceError as error:  # of its region; it knows neither person nor file
                raise DatasetError(
                    f"person {record.id!r} of {record.image}: {error.message}", error.hint or "correct the annotation"
                ) from error
            keypoints[number, index], scores[number, index] = pose.keypoints, pose.scores
        if progress is not None:
            progress(index + 1, total)
    return [
        Predictions(
            dataset,
            keypoints[number],
            scores[number],
            sides,
            crop_scale,
            bundle=estimator.bundle.manifest.name,
            bundle_sha256=estimator.bundle.sha256,
            library=estimator.library,
            decoder=estimator.decoder,
            views=getattr(estimator, "views", ""),  # of an AugmentedEstimator
            dataset_sha256=digest.hexdigest(),
        )
        for number, estimator in enumerate(estimators)
    ]


class _Picture(NamedTuple):
    path: Path
    pixels: np.ndarray
    file: bytes


def _record_digest(record: PersonRecord, picture: _Picture) -> bytes:
    """SHA-256 over everything in ``record`` that a figure depends on, the picture's bytes included."""
    digest = hashlib.sha256(repr((record.id, record.region, record.head_length)).encode())
    digest.update(record.keypoints.tobytes() + record.evaluate.tobytes())
    digest.update(picture.file)
    return digest.digest()
