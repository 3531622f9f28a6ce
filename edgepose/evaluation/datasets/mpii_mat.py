"""MPII's official annotations, ``mpii_human_pose_v1_u12_1.mat``: the Matlab structure ``RELEASE``.

``annolist(i).image.name``; ``annorect(j)`` with the head box ``x1 y1 x2 y2``, ``scale``, ``objpos.x .y`` and
``annopoints.point(k).x .y .id``; ``img_train(i)``. Real files leave out fields, leave them empty, and hold one person
or many, so every value is looked for. One record is one person of a *training* picture (MPII keeps the joints of its
test pictures to itself); the common validation split is a choice of these persons, which the file does not name: take
``valid.json`` for it. Every annotated joint, visible or not, is marked ``evaluate``, pelvis and thorax too, as PCKh
over sixteen joints needs it; the official means leave these two out. The head length is 0.6 diagonals of the head box.
Persons without joints, scale, position or head box are passed over.
"""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from edgepose.evaluation.datasets.fields import MAX_RECORDS, Place, picture_folder
from edgepose.evaluation.datasets.mat5 import Struct, read_variable
from edgepose.evaluation.datasets.mpii import (
    CROP_SCALE,
    HEAD_OF_DIAGONAL,
    MPII_JOINTS,
    ORIGIN,
    PLACES,
    image_candidates,
    person_square,
)
from edgepose.evaluation.datasets.records import Labels, PersonRecord, PoseDataset, passed_over, unlabelled
from edgepose.evaluation.datasets.regions import Region
from edgepose.runtime.errors import DatasetError

_HINT = "take mpii_human_pose_v1_u12_1.mat of the MPII Human Pose Dataset"


def is_mat(path: Path) -> bool:
    """Whether ``path`` is a Matlab file, by its first bytes or its name."""
    try:
        with path.open("rb") as file:
            return file.read(6) == b"MATLAB" or path.suffix.lower() == ".mat"
    except OSError:
        return False


def read_mpii_mat(path: Path, images: Path | None = None) -> PoseDataset:
    """The annotated persons of MPII's training pictures.

    Raises :class:`DatasetError` for a file that is not MPII's, for values that cannot be, and for missing pictures.
    """
    release = _first(read_variable(path, "RELEASE"))
    if release is None:
        raise DatasetError(f"{path} holds no structure RELEASE", _HINT)
    pictures = _structs(release.get("annolist"))
    training = release.get("img_train")
    if not pictures or not isinstance(training, np.ndarray) or training.size != len(pictures):
        raise DatasetError(f"{path}: RELEASE has no annolist with an img_train for each of its pictures", _HINT)
    found, left_out = [], Counter[str]()
    for picture, in_training in zip(pictures, training, strict=True):
        persons = _structs(_value(picture, "annorect"))
        if not in_training:
            left_out["in test pictures"] += len(persons)
            continue
        name = _value(_first(_value(picture, "image")), "name")
        for index, person in enumerate(persons, start=1):
            place = Place(f"{path}: person {index} of {name!r}", _HINT)
            region, labels, lacking = _person(person, place)
            if lacking:
                left_out[lacking] += 1
                continue
            found.append((place.file_name(name, "image.name"), index, region, labels))
            if len(found) > MAX_RECORDS:
                raise DatasetError(f"{path} has more than {MAX_RECORDS} persons")
    remarks = passed_over({reason: count for reason, count in left_out.items() if count})
    if not found:
        raise DatasetError("; ".join([f"{path} has no annotated person in a training picture", *remarks]), _HINT)
    folder = picture_folder(path, images, image_candidates(path), found[0][0])
    records = tuple(
        PersonRecord(f"{name}:{index}", folder.find(name), region, *labels, upright=None, source="mpii")
        for name, index, region, labels in found
    )
    folder.refuse_missing()
    return PoseDataset(path.stem, records, "mpii-mat", CROP_SCALE, remarks)


def _person(person: Struct, place: Place) -> tuple[Region, Labels, str]:
    """Region, labels, and why the person is passed over (empty where they are not)."""
    nothing = (0, 0, 0, 0), unlabelled()
    keypoints, evaluate, _ = labels = unlabelled()
    for point in _structs(_value(_first(_value(person, "annopoints")), "point")):
        number = _number(_value(point, "id"), place, "annopoints.point.id")
        x, y = (_number(_value(point, axis), place, f"annopoints.point.{axis}") for axis in "xy")
        place.require(number in range(len(MPII_JOINTS)), "annopoints.point.id", f"is {number}, not 0 to 15")
        place.require(x is not None and y is not None, "annopoints.point", "has no x and y")
        joint = PLACES[int(number or 0)]
        keypoints[joint] = (x or 0.0) + ORIGIN, (y or 0.0) + ORIGIN
        evaluate[joint] = True
    if not evaluate.any():
        return *nothing, "without joints"
    scale = _number(_value(person, "scale"), place, "scale")
    position = _first(_value(person, "objpos"))
    x, y = (_number(_value(position, axis), place, f"objpos.{axis}") for axis in "xy")
    if scale is None or scale <= 0 or x is None or y is None:
        return *nothing, "without scale or position"
    corners = [_number(_value(person, corner), place, corner) for corner in ("x1", "y1", "x2", "y2")]
    x1, y1, x2, y2 = (math.nan if corner is None else corner for corner in corners)
    head = HEAD_OF_DIAGONAL * math.hypot(x2 - x1, y2 - y1)
    if not head > 0:
        return *nothing, "without a head box"
    return person_square(x, y, scale), labels._replace(head_length=head), ""


def _structs(value: Any) -> tuple[Struct, ...]:
    """Structures; none for the empty matrix that stands for an absent one."""
    return value if isinstance(value, tuple) else ()


def _first(value: Any) -> Struct | None:
    return next(iter(_structs(value)), None)


def _value(structure: Struct | None, field: str) -> Any:
    return None if structure is None else structure.get(field)


def _number(value: Any, place: Place, field: str) -> float | None:
    """The one number of a Matlab scalar; ``None`` where it is absent or empty."""
    if value is None or np.size(value) == 0:
        return None
    place.require(isinstance(value, np.ndarray) and value.size == 1, field, "is not one number")
    return place.number(float(value[0]), field)
