"""An estimator's joints on every record of a data set."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgepose.evaluation.datasets import PersonRecord, PoseDataset
from edgepose.runtime.estimator import PoseEstimator
from edgepose.runtime.images import read_image
from edgepose.runtime.joints import JOINTS

# Called with the number of records done and their total.
Progress = Callable[[int, int], None]

CROP_RULE = "annotated square in whole pixels, x1.0, black outside the picture; the whole picture without one"


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a bundle found in a data set.

    ``keypoints``: float32 [n, 16, 2] in pixels of each picture, NaN where the decoder found none; ``scores``:
    float32 [n, 16]; ``dataset_sha256``: over the records and the bytes of their pictures.
    """

    dataset: PoseDataset
    keypoints: np.ndarray
    scores: np.ndarray
    bundle: str
    bundle_sha256: str
    decoder: str
    dataset_sha256: str

    def select(self, keep: Callable[[PersonRecord], bool], name: str) -> Predictions:
        """Predictions of the records that ``keep`` accepts. Raises :class:`DatasetError` for none."""
        kept = np.array([keep(record) for record in self.dataset.records])
        return Predictions(
            self.dataset.select(keep, name),
            self.keypoints[kept],
            self.scores[kept],
            self.bundle,
            self.bundle_sha256,
            self.decoder,
            self.dataset_sha256,
        )


def predict(estimator: PoseEstimator, dataset: PoseDataset, progress: Progress | None = None) -> Predictions:
    """Run ``estimator`` on the region of every record of ``dataset``.

    Raises :class:`SourceError` for a picture that cannot be read, and whatever the estimator raises.
    """
    total = len(dataset.records)
    keypoints = np.empty((total, len(JOINTS), 2), np.float32)
    scores = np.empty((total, len(JOINTS)), np.float32)
    digest = hashlib.sha256()
    for index, record in enumerate(dataset.records):
        digest.update(_record_digest(record))
        pose = estimator(read_image(record.image), region=record.region)
        keypoints[index], scores[index] = pose.keypoints, pose.scores
        if progress is not None:
            progress(index + 1, total)
    return Predictions(
        dataset,
        keypoints,
        scores,
        bundle=estimator.bundle.manifest.name,
        bundle_sha256=estimator.bundle.sha256,
        decoder=estimator.decoder,
        dataset_sha256=digest.hexdigest(),
    )


def _record_digest(record: PersonRecord) -> bytes:
    """SHA-256 over everything in ``record`` that a figure depends on, the picture's bytes included."""
    digest = hashlib.sha256(repr((record.id, record.region, record.head_length)).encode())
    digest.update(record.keypoints.tobytes() + record.evaluate.tobytes())
    digest.update(record.image.read_bytes())
    return digest.digest()
