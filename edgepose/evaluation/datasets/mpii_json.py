"""MPII as most training code has it: ``train.json`` and ``valid.json`` of human-pose-estimation.pytorch::

    [{"image": "015601864.jpg", "scale": 3.02, "center": [594.0, 257.0],
      "joints": [[620.0, 394.0], ... 16], "joints_vis": [1, ... 16]}, ...]

Joints are in MPII's order and Matlab's pixels. ``joints_vis`` is 0 where a joint is *not annotated*; what MPII calls
invisible (hidden, yet annotated) is 1 there. Every annotated joint is marked ``evaluate``, pelvis and thorax too; the
official means leave these two out. These files hold no head boxes: the head length is 0.75 times the distance from
``upper_neck`` to ``head_top``, which is the official length (see ``mpii.py``); persons who lack one of the two are
passed over. Entries without joints (``test.json``) become records without labels.
"""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

from edgepose.evaluation.datasets.fields import Place, check_count, picture_folder
from edgepose.evaluation.datasets.mpii import (
    CROP_SCALE,
    HEAD_OF_JOINTS,
    MPII_JOINTS,
    ORIGIN,
    PLACES,
    image_candidates,
    person_square,
)
from edgepose.evaluation.datasets.records import Labels, PersonRecord, PoseDataset, passed_over, unlabelled
from edgepose.runtime.errors import DatasetError

_HINT = "an MPII split is a list of objects with image, scale, center, joints and joints_vis"
_HEAD = (MPII_JOINTS.index("upper_neck"), MPII_JOINTS.index("head_top"))


def read_mpii_json(path: Path, document: Any, images: Path | None = None) -> PoseDataset:
    """The persons of the split at ``path``, which holds ``document``, one record each.

    Raises :class:`DatasetError` for what breaks the format, and for missing pictures.
    """
    if not isinstance(document, list):
        raise DatasetError(f"{path} is not a list of persons", _HINT)
    check_count(path, len(document), "persons")
    places = [Place(f"{path}: person {index}", _HINT) for index in range(len(document))]
    for place, entry in zip(places, document, strict=True):
        place.require(isinstance(entry, dict), "the entry", "is not an object")
    names = [place.file_name(entry.get("image"), "image") for place, entry in zip(places, document, strict=True)]
    pictures = picture_folder(path, images, image_candidates(path), names[0])
    records, left_out, in_picture = [], Counter[str](), Counter[str]()
    for place, name, entry in zip(places, names, document, strict=True):
        in_picture[name] += 1
        scale = place.number(entry.get("scale"), "scale")
        x, y = place.numbers(entry.get("center"), 2, "center")
        labels = _labels(entry, place)
        if scale <= 0:
            left_out["without scale or position"] += 1
        elif labels is None:
            left_out["without head_top or upper_neck"] += 1
        else:
            record_id = f"{name}:{in_picture[name]}"
            region = person_square(x, y, scale)
            records.append(PersonRecord(record_id, pictures.find(name), region, *labels, upright=None, source="mpii"))
    pictures.refuse_missing()
    if not records:
        raise DatasetError("; ".join([f"{path}: no person can be used", *passed_over(left_out)]), _HINT)
    return PoseDataset(path.stem, tuple(records), "mpii-json", CROP_SCALE, passed_over(left_out))


def _labels(entry: dict[str, Any], place: Place) -> Labels | None:
    """The labels of ``entry``: none at all in a test split; ``None`` where there is no head length."""
    keypoints, evaluate, _ = labels = unlabelled()
    if "joints" not in entry:
        return labels
    joints: Any = entry["joints"]
    annotated: Any = entry.get("joints_vis")
    for field, value in (("joints", joints), ("joints_vis", annotated)):
        place.require(isinstance(value, list) and len(value) == len(MPII_JOINTS), field, "is not a list of sixteen")
    for index, (point, flag) in enumerate(zip(joints, annotated, strict=True)):
        point = place.numbers(point, 2, "joints")
        if place.number(flag, "joints_vis") > 0:
            keypoints[PLACES[index]] = [value + ORIGIN for value in point]
            evaluate[PLACES[index]] = True
    neck, top = (keypoints[PLACES[index]] for index in _HEAD)
    head = HEAD_OF_JOINTS * math.dist(neck.tolist(), top.tolist())
    return Labels(keypoints, evaluate, head) if head > 0 else None
