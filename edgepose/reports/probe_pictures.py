"""The probe's crops with the joints drawn in: the float model's beside the engine's."""

from __future__ import annotations

import base64
from typing import Any

import cv2
import numpy as np

from edgepose.records import Record
from edgepose.runtime.overlay import draw_pose
from edgepose.runtime.pose import Pose

SHOWN = 4
QUALITY = 85
MAX_SIDE = 1024


def probe_pictures(record: Record) -> list[dict[str, str]]:
    """For each crop that the record has a picture of: ``name``, and ``float`` and ``engine``, data URLs of JPEGs.

    A picture that cannot be decoded is left out, and so are joints that are not inside it.
    """
    drift = record.document["drift"]
    shown = []
    for crop in drift["crops"] if drift is not None else []:
        image = _decoded(crop.get("picture_jpeg"))
        if image is not None:
            scale = crop["picture_scale"]
            sides = {"float": crop["float_keypoints"], "engine": crop["keypoints"]}
            drawn = {name: _drawn(image, points, scale) for name, points in sides.items()}
            shown.append({"name": crop["name"], **drawn})
    return shown[:SHOWN]


def _decoded(text: Any) -> np.ndarray | None:
    if not text:
        return None
    image = cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR)
    return image if image is not None and max(image.shape[:2]) <= MAX_SIDE else None


def _drawn(image: np.ndarray, points: list[list[float]], scale: float) -> str:
    keypoints = np.array(points, np.float64) * scale
    height, width = image.shape[:2]
    # Nor is NaN, a joint that is nowhere.
    inside = ((keypoints >= -1) & (keypoints <= (width + 1, height + 1))).all(axis=1)
    picture = draw_pose(image.copy(), Pose(keypoints, np.where(inside, 1.0, -1.0)))
    encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
    return "data:image/jpeg;base64," + base64.b64encode(encoded).decode("ascii")
