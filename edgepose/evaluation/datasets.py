"""Pictures of persons with known joints: the edgepose annotations format, and plain folders of pictures.

**The edgepose annotations format** is a folder that holds pictures and ``annotations.json``::

    {"joints": [16 names in EfficientPose order],
     "records": [{"id": "0001", "image": "images/0001.jpg", "crop": [x0, y0, side],
                  "keypoints": [[x, y] or [null, null], ... 16], "evaluate": [true or false, ... 16],
                  "head": 31.5, "upright": true, "source": "..."}, ...]}

``image`` is relative to the folder. Coordinates are pixels, x right and y down, with the *centre* of the
first pixel at (0, 0), as MPII and LSP annotate; reading adds the half pixel that puts its corner there, where
:class:`edgepose.Pose` has it. ``crop`` is the square to look at, as corner and side; it may reach outside the
picture, which is black there. ``head`` is the length PCKh divides by, in pixels. ``keypoints``, ``evaluate``
and ``head`` come together or not at all; ``crop`` (default: the whole picture), ``upright`` (default: true)
and ``source`` are optional.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from edgepose.runtime.errors import DatasetError
from edgepose.runtime.images import IMAGE_SUFFIXES
from edgepose.runtime.joints import JOINTS

ANNOTATIONS = "annotations.json"
MAX_ANNOTATION_BYTES = 256 << 20
MAX_RECORDS = 1_000_000
MAX_COORDINATE = 1e5  # pixels


@dataclass(frozen=True, eq=False)
class PersonRecord:
    """One person in one picture.

    ``region``: (x, y, width, height) in whole pixels, or ``None`` for the whole picture. ``keypoints``:
    float32 [16, 2], NaN where not annotated; ``evaluate``: bool [16]; ``head_length``: pixels, NaN without
    labels.
    """

    id: str
    image: Path
    region: tuple[int, int, int, int] | None
    keypoints: np.ndarray
    evaluate: np.ndarray
    head_length: float
    upright: bool
    source: str


@dataclass(frozen=True)
class PoseDataset:
    """Records of one data set, in file order."""

    name: str
    records: tuple[PersonRecord, ...]

    @property
    def labelled(self) -> bool:
        """Whether every record has joints to compare with."""
        return all(record.evaluate.any() for record in self.records)

    def select(self, keep: Callable[[PersonRecord], bool], name: str | None = None) -> PoseDataset:
        """The records that ``keep`` accepts, under ``name``. Raises :class:`DatasetError` for none."""
        kept = tuple(record for record in self.records if keep(record))
        if not kept:
            raise DatasetError(f"no record of data set {self.name!r} is left after selecting {name or 'some'}")
        return PoseDataset(name or self.name, kept)


def open_dataset(path: str | Path) -> PoseDataset:
    """Open an ``annotations.json``, the folder that holds one, or a folder of pictures without labels.

    Raises :class:`DatasetError` for anything else, for annotations that break the format, and for missing
    pictures.
    """
    path = Path(path)
    if path.is_file():
        return _read_annotations(path)
    if not path.is_dir():
        raise DatasetError(f"there is no data set at {path}", "name a folder of pictures or an annotations.json")
    if (path / ANNOTATIONS).is_file():
        return _read_annotations(path / ANNOTATIONS)
    return _list_pictures(path)


def _list_pictures(folder: Path) -> PoseDataset:
    pictures = sorted(file for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file())
    if not pictures:
        raise DatasetError(
            f"{folder} holds neither {ANNOTATIONS} nor pictures ({', '.join(IMAGE_SUFFIXES)})",
            "name the folder that holds the pictures themselves",
        )
    unlabelled = _Labels(np.full((len(JOINTS), 2), np.nan, np.float32), np.zeros(len(JOINTS), bool), math.nan)
    return PoseDataset(
        folder.name,
        tuple(PersonRecord(picture.name, picture, None, *unlabelled, upright=True, source="") for picture in pictures),
    )


def _read_annotations(path: Path) -> PoseDataset:
    try:
        size = path.stat().st_size
        if size > MAX_ANNOTATION_BYTES:
            raise DatasetError(f"{path} has {size} bytes; at most {MAX_ANNOTATION_BYTES} are read")
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}", "check the path and rights") from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is not JSON: {error}", "see the edgepose annotations format") from error
    if not isinstance(document, dict) or not isinstance(document.get("records"), list):
        raise DatasetError(f"{path}: there is no list of 'records'", "see the edgepose annotations format")
    if document.get("joints") != list(JOINTS):
        raise DatasetError(
            f"{path}: 'joints' is not the sixteen joints in EfficientPose order", f"use {', '.join(JOINTS)}"
        )
    if not 1 <= len(document["records"]) <= MAX_RECORDS:
        raise DatasetError(f"{path}: has {len(document['records'])} records, not 1 to {MAX_RECORDS}")
    reader = _RecordReader(path)
    records = tuple(reader.read(index, record) for index, record in enumerate(document["records"]))
    return PoseDataset(path.parent.resolve().name, records)


class _Labels(NamedTuple):
    keypoints: np.ndarray
    evaluate: np.ndarray
    head_length: float


class _RecordReader:
    """Checks and reads the records of one file; errors name the record and the field."""

    def __init__(self, path: Path):
        self._path = path
        self._seen: set[str] = set()

    def read(self, index: int, record: Any) -> PersonRecord:
        where = f"{self._path}: record {index}"
        if not isinstance(record, dict):
            raise DatasetError(f"{where} is not an object")
        name = record.get("id", str(index))
        _require(isinstance(name, str) and 0 < len(name) <= 200, where, "id", "is not a short text")
        _require(name not in self._seen, where, "id", f"{name!r} occurs twice")
        self._seen.add(name)
        where = f"{self._path}: record {name!r}"
        labels = _labels(record, where)
        upright, source = record.get("upright", True), record.get("source", "")
        _require(isinstance(upright, bool), where, "upright", "is not true or false")
        _require(isinstance(source, str), where, "source", "is not a text")
        return PersonRecord(
            name, self._image(record.get("image"), where), _region(record, where), *labels, upright, source
        )

    def _image(self, relative: Any, where: str) -> Path:
        _require(isinstance(relative, str) and bool(relative), where, "image", "is missing")
        parts = PurePosixPath(relative)
        _require(
            not parts.is_absolute() and ".." not in parts.parts and "\0" not in relative,
            where,
            "image",
            f"{relative!r} points outside the data set",
        )
        image = self._path.parent / parts
        _require(image.is_file(), where, "image", f"{relative!r} is not there")
        return image


def _require(condition: bool, where: str, field: str, problem: str) -> None:
    if not condition:
        raise DatasetError(f"{where}: {field} {problem}", "see the edgepose annotations format")


def _number(value: Any, where: str, field: str) -> float:
    _require(
        isinstance(value, (int, float)) and not isinstance(value, bool),
        where,
        field,
        "holds what is no number",
    )
    _require(abs(value) <= MAX_COORDINATE, where, field, f"holds {value!r}, which is out of range")
    return float(value)


def _region(record: dict[str, Any], where: str) -> tuple[int, int, int, int] | None:
    crop = record.get("crop")
    if crop is None:
        return None
    _require(isinstance(crop, list) and len(crop) == 3, where, "crop", "is not [x0, y0, side]")
    x, y, side = (round(_number(value, where, "crop")) for value in crop)
    _require(side >= 1, where, "crop", "has no area")
    return x, y, side, side


def _labels(record: dict[str, Any], where: str) -> _Labels:
    keypoints = np.full((len(JOINTS), 2), np.nan, np.float32)
    evaluate = np.zeros(len(JOINTS), bool)
    if all(record.get(field) is None for field in ("keypoints", "evaluate", "head")):
        return _Labels(keypoints, evaluate, math.nan)
    for field in ("keypoints", "evaluate"):
        value = record.get(field)
        _require(isinstance(value, list) and len(value) == len(JOINTS), where, field, "is not a list of sixteen")
    for joint, (point, flag) in enumerate(zip(record["keypoints"], record["evaluate"], strict=True)):
        _require(isinstance(flag, bool), where, "evaluate", "holds what is neither true nor false")
        _require(isinstance(point, list) and len(point) == 2, where, "keypoints", "holds what is no [x, y]")
        if point != [None, None]:
            keypoints[joint] = [_number(value, where, "keypoints") + 0.5 for value in point]
        _require(
            not flag or not np.isnan(keypoints[joint, 0]),
            where,
            "evaluate",
            f"asks for {JOINTS[joint]}, which has none",
        )
        evaluate[joint] = flag
    head = _number(record.get("head"), where, "head")
    _require(head > 0, where, "head", "is not positive")
    return _Labels(keypoints, evaluate, head)
