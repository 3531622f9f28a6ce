"""The edgepose annotations format: a folder that holds pictures and ``annotations.json``::

    {"joints": [16 names in EfficientPose order],
     "records": [{"id": "0001", "image": "images/0001.jpg", "crop": [x0, y0, side],
                  "keypoints": [[x, y] or [null, null], ... 16], "evaluate": [true or false, ... 16],
                  "head": 31.5, "upright": true, "source": "..."}, ...]}

``image`` is relative to the folder. Coordinates are pixels, x right and y down, with the *centre* of the
first pixel at (0, 0), as MPII and LSP annotate; reading adds the half pixel that puts its corner there, where
:class:`edgepose.Pose` has it. ``crop`` is the square to look at, as corner and side; it may reach outside the
picture, which is black there. ``head`` is the length PCKh divides by, in pixels. ``keypoints``, ``evaluate``
and ``head`` come together or not at all; ``crop`` (default: the whole picture), ``upright`` (default: not known)
and ``source`` are optional.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgepose.evaluation.datasets.fields import PictureFolder, Place, check_count
from edgepose.evaluation.datasets.records import Labels, PersonRecord, PoseDataset, unlabelled
from edgepose.evaluation.datasets.regions import Region
from edgepose.runtime.errors import DatasetError
from edgepose.runtime.joints import JOINTS

ANNOTATIONS = "annotations.json"
_HINT = "see docs/evaluate.md for the format"
_CENTRE = 0.5  # of the first pixel


def read_annotations(path: Path, document: Any, images: Path | None = None) -> PoseDataset:
    """The data set whose ``annotations.json`` at ``path`` holds ``document``; pictures relative to ``images``.

    Raises :class:`DatasetError` for what breaks the format, and for missing pictures.
    """
    if not isinstance(document, dict) or not isinstance(document.get("records"), list):
        raise DatasetError(f"{path}: there is no list of 'records'", _HINT)
    if document.get("joints") != list(JOINTS):
        raise DatasetError(
            f"{path}: 'joints' is not the sixteen joints in EfficientPose order", f"use {', '.join(JOINTS)}"
        )
    check_count(path, len(document["records"]))
    pictures = PictureFolder(images or path.parent)
    reader = _RecordReader(path, pictures)
    records = tuple(reader.read(index, record) for index, record in enumerate(document["records"]))
    pictures.refuse_missing()
    return PoseDataset(path.parent.resolve().name, records)


class _RecordReader:
    """Checks and reads the records of one file."""

    def __init__(self, path: Path, pictures: PictureFolder):
        self._path = path
        self._pictures = pictures
        self._seen: set[str] = set()

    def read(self, index: int, record: Any) -> PersonRecord:
        place = Place(f"{self._path}: record {index}", _HINT)
        if not isinstance(record, dict):
            raise DatasetError(f"{place.text} is not an object")
        name = record.get("id", str(index))
        place.require(isinstance(name, str) and 0 < len(name) <= 200, "id", "is not a short text")
        place.require(name not in self._seen, "id", f"{name!r} occurs twice")
        self._seen.add(name)
        place = Place(f"{self._path}: record {name!r}", _HINT)
        labels = read_labels(record, place, _CENTRE)
        upright, source = record.get("upright"), record.get("source", "")
        place.require(isinstance(upright, bool | None), "upright", "is not true or false")
        place.require(isinstance(source, str), "source", "is not a text")
        image = self._pictures.find(place.file_name(record.get("image"), "image"))
        return PersonRecord(name, image, _region(record, place), *labels, upright, source)


def _region(record: dict[str, Any], place: Place) -> Region | None:
    crop = record.get("crop")
    if crop is None:
        return None
    place.require(isinstance(crop, list) and len(crop) == 3, "crop", "is not [x0, y0, side]")
    x, y, side = (round(place.number(value, "crop")) for value in crop)
    place.require(side >= 1, "crop", "has no area")
    return x, y, side, side


def read_labels(record: dict[str, Any], place: Place, shift: float = 0.0) -> Labels:
    """The checked ``keypoints``, each moved by ``shift``, ``evaluate`` and ``head`` of ``record``, JSON values.

    Where it has none of the three, the person is unlabelled. Raises :class:`DatasetError` for what breaks the format.
    """
    keypoints, evaluate, _ = labels = unlabelled()
    if all(record.get(field) is None for field in ("keypoints", "evaluate", "head")):
        return labels
    for field in ("keypoints", "evaluate"):
        value = record.get(field)
        place.require(isinstance(value, list) and len(value) == len(JOINTS), field, "is not a list of sixteen")
    for joint, (point, flag) in enumerate(zip(record["keypoints"], record["evaluate"], strict=True)):
        place.require(isinstance(flag, bool), "evaluate", "holds what is neither true nor false")
        place.require(isinstance(point, list) and len(point) == 2, "keypoints", "holds what is no [x, y]")
        if point != [None, None]:
            keypoints[joint] = [place.number(value, "keypoints") + shift for value in point]
        place.require(
            not flag or not np.isnan(keypoints[joint, 0]), "evaluate", f"asks for {JOINTS[joint]}, which has none"
        )
        evaluate[joint] = flag
    head = place.number(record.get("head"), "head")
    place.require(head > 0, "head", "is not positive")
    return Labels(keypoints, evaluate, head)
