"""COCO keypoints: ``person_keypoints_*.json``, or any file of that shape with names in ``categories``.

Joints are matched by name: twelve of COCO's seventeen are joints of EfficientPose. ``head_top``, ``upper_neck``,
``thorax`` and ``pelvis`` stay unlabelled, for the midpoints of shoulders or hips are not what MPII annotated under
those names. Every labelled joint, hidden ones too, is marked ``evaluate``. Coordinates of joints are pixel indices;
boxes are measured from the corner of the picture. A person's region is the square around the box with its longer side.

COCO has no head length. To have one, it is estimated from the torso: a third of the longer of the two
shoulder-to-hip distances. (On 805 persons of LSPET and MPII, 0.75 times the distance from neck to top of the head
has a median of 0.33 of that distance, 80 % of persons lying between 0.23 and 0.48.) A PCKh with such heads is
comparable with itself alone. Crowds, persons without joints or with a box that has no area, and persons without a
shoulder and hip of one side are passed over: the networks expect a whole person.
"""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from edgepose.evaluation.datasets.fields import Place, check_count, picture_folder
from edgepose.evaluation.datasets.records import Labels, PersonRecord, PoseDataset, passed_over, unlabelled
from edgepose.evaluation.datasets.regions import square_around
from edgepose.runtime.errors import DatasetError
from edgepose.runtime.joints import JOINTS

CROP_SCALE = 1.25
HEAD_OF_TORSO = 1 / 3
_TORSO = tuple((JOINTS.index(f"{side}_shoulder"), JOINTS.index(f"{side}_hip")) for side in ("left", "right"))
_HINT = "COCO keypoints have images, annotations and categories; see docs/calibrate.md"


def read_coco(path: Path, document: dict[str, Any], images: Path | None = None) -> PoseDataset:
    """The persons of the COCO keypoints file at ``path``, which holds ``document``.

    Raises :class:`DatasetError` for what breaks the format, and for missing pictures.
    """
    file = Place(str(path), _HINT)
    for field in ("images", "annotations", "categories"):
        file.require(isinstance(document.get(field), list), field, "is not a list")
    check_count(path, len(document["annotations"]), "annotations")
    names = _picture_names(document["images"], path)
    categories = _joint_places(document["categories"], path)
    split = path.stem.rpartition("_")[2]
    folder = path.resolve().parent
    candidates = [folder / "images", folder.parent / split, folder.parent / "images" / split]
    candidates += [folder.parent / "images", folder / split, folder]
    pictures = picture_folder(path, images, candidates, next(iter(names.values())))
    records, left_out, seen = [], Counter[str](), set[int]()
    for index, annotation in enumerate(document["annotations"]):
        place = Place(f"{path}: annotation {index}", _HINT)
        place.require(isinstance(annotation, dict), "the entry", "is not an object")
        number, image, category = (_whole(annotation.get(f), place, f) for f in ("id", "image_id", "category_id"))
        place.require(number not in seen, "id", f"{number} occurs twice")
        seen.add(number)
        place.require(image in names, "image_id", f"{image} is none of the images")
        if category not in categories:
            continue
        x, y, width, height = place.numbers(annotation.get("bbox"), 4, "bbox")
        keypoints = _keypoints(annotation, categories[category], place)
        head = _head_length(keypoints)
        if annotation.get("iscrowd"):
            left_out["in crowds"] += 1
        elif np.isnan(keypoints).all():
            left_out["without joints"] += 1
        elif width <= 0 or height <= 0:
            left_out["with a box that has no area"] += 1
        elif head is None:
            left_out["without a shoulder and hip of one side"] += 1
        else:
            labels = Labels(keypoints, ~np.isnan(keypoints[:, 0]), head)
            region = square_around(x, y, width, height)
            picture = pictures.find(names[image])
            records.append(PersonRecord(str(number), picture, region, *labels, upright=None, source="coco"))
    pictures.refuse_missing()
    if not records:
        raise DatasetError("; ".join([f"{path}: no person can be used", *passed_over(left_out)]), _HINT)
    return PoseDataset(path.stem, tuple(records), "coco", CROP_SCALE, passed_over(left_out))


def _picture_names(images: list[Any], path: Path) -> dict[int, str]:
    check_count(path, len(images), "images")
    names: dict[int, str] = {}
    for index, image in enumerate(images):
        place = Place(f"{path}: image {index}", _HINT)
        place.require(isinstance(image, dict), "the entry", "is not an object")
        names[_whole(image.get("id"), place, "id")] = place.file_name(image.get("file_name"), "file_name")
    return names


def _joint_places(categories: list[Any], path: Path) -> dict[int, list[int | None]]:
    """For each category with keypoints: the place of each in EfficientPose's order, None where it has none."""
    places: dict[int, list[int | None]] = {}
    for index, category in enumerate(categories):
        place = Place(f"{path}: category {index}", _HINT)
        place.require(isinstance(category, dict), "the entry", "is not an object")
        joints = category.get("keypoints")
        if joints is None:
            continue
        place.require(isinstance(joints, list), "keypoints", "is not a list of names")
        found = [JOINTS.index(name) if isinstance(name, str) and name in JOINTS else None for name in joints]
        place.require(len(set(found) - {None}) == sum(f is not None for f in found), "keypoints", "names a joint twice")
        if any(one is not None for one in found):
            places[_whole(category.get("id"), place, "id")] = found
    if not places:
        raise DatasetError(
            f"{path}: no category has keypoints with names of joints", "take COCO's person_keypoints file"
        )
    return places


def _keypoints(annotation: dict[str, Any], places: list[int | None], place: Place) -> np.ndarray:
    keypoints = unlabelled().keypoints
    values = place.numbers(annotation.get("keypoints"), 3 * len(places), "keypoints")
    for index, joint in enumerate(places):
        x, y, visibility = values[3 * index : 3 * index + 3]
        if joint is not None and visibility > 0:
            keypoints[joint] = x + 0.5, y + 0.5
    return keypoints


def _head_length(keypoints: np.ndarray) -> float | None:
    sides = [math.dist(keypoints[shoulder].tolist(), keypoints[hip].tolist()) for shoulder, hip in _TORSO]
    torso = max((side for side in sides if side > 0), default=None)
    return None if torso is None else HEAD_OF_TORSO * torso


def _whole(value: Any, place: Place, field: str) -> int:
    place.require(isinstance(value, int) and not isinstance(value, bool), field, "is not a whole number")
    return int(value)
