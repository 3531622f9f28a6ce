"""A data set as a probe set: crops of its persons, the float model's joints and the true ones, to take to a device."""

from __future__ import annotations

import json
import math
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgepose.calibration.crops import cut_square
from edgepose.evaluation.datasets import PersonRecord, PoseDataset
from edgepose.runtime.atomic import atomic_path
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.errors import DatasetError
from edgepose.runtime.estimator import PoseEstimator
from edgepose.runtime.images import read_image
from edgepose.runtime.probe import CROP_SIDE_IN_HEADS, POSES_MEMBER


def write_probe_set(path: Path, bundle: Bundle, reference: Bundle, dataset: PoseDataset) -> None:
    """Write the persons of ``dataset`` for ``bundle`` to the zip at ``path``: :mod:`edgepose.runtime.probe_set`.

    The same persons give the same bytes, by which a record knows the set.
    ``reference`` finds the float model's joints, with the decoder of ``bundle``; both look at the same crops, as large
    as the data set says. Raises :class:`DatasetError` for a person outside the picture, and as its pictures'
    readers do.
    """
    decoder = bundle.manifest.decoder.default
    crops = []
    with (
        atomic_path(str(path)) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,
        PoseEstimator(reference, decoder=decoder) as estimator,
    ):
        for number, record in enumerate(dataset.records):
            entry, image = _crop(record, dataset.crop_scale, estimator)
            entry["member"] = f"crops/{number:05d}.png"
            archive.writestr(zipfile.ZipInfo(entry["member"]), cv2.imencode(".png", image)[1].tobytes())
            crops.append(entry)
        document = {"source": dataset.name, "decoder": decoder, "bundle_sha256": bundle.sha256, "crops": crops}
        archive.writestr(zipfile.ZipInfo(POSES_MEMBER), json.dumps(document, allow_nan=False))


def _crop(record: PersonRecord, scale: float, estimator: PoseEstimator) -> tuple[dict[str, Any], np.ndarray]:
    picture = read_image(record.image)
    cut = cut_square(picture, record.region, scale)
    if cut is None:
        raise DatasetError(f"person {record.id!r} lies outside {record.image}", "correct the annotation")
    pose = estimator(cut.image)
    truth = np.where(record.evaluate[:, None], cut.to_crop(record.keypoints), np.nan)
    side = max(picture.shape[:2] if record.region is None else record.region[2:])
    head = side / CROP_SIDE_IN_HEADS if math.isnan(record.head_length) else record.head_length
    return {
        "keypoints": _rounded(pose.keypoints),
        "scores": [round(float(score), 4) for score in pose.scores],
        "truth": _rounded(truth) if record.evaluate.any() else None,
        "head": round(head * cut.scale, 4),
    }, cut.image


def _rounded(points: np.ndarray) -> list[list[float | None]]:
    return [[None, None] if np.isnan(point).any() else [round(float(value), 3) for value in point] for point in points]
