"""Pose networks of others, given as TFLite files, behind one call: a picture of a person to sixteen joints.

Two families, told apart by the shape of their outputs:

* MoveNet single pose (TensorFlow Hub): uint8, int32 or float32 [1, S, S, 3] of bytes, RGB; [1, 1, 17, 3] of
  y, x, score in shares of the picture, COCO's joints.
* BlazePose landmarks (MediaPipe): float32 [1, S, S, 3] of 0 to 1, RGB; [1, 195] (or [1, 165]) of x, y, z, visibility,
  presence, in pixels of the input, MediaPipe's joints. The network's own landmarks, without the tracking and the
  refinement around it.

Joints that they do not have (head, neck, thorax, pelvis) are NaN: they are compared on the twelve limb joints.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.official_recipe import open_tflite
from edgepose.runtime.joints import JOINTS

SIDES = ("left", "right")
LIMBS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
LIMB_JOINTS = tuple(f"{side}_{limb}" for limb in LIMBS for side in SIDES)
# Where each family has the left of each limb; the right follows it.
COCO_LEFT = dict(zip(LIMBS, (5, 7, 9, 11, 13, 15), strict=True))
MEDIAPIPE_LEFT = dict(zip(LIMBS, (11, 13, 15, 23, 25, 27), strict=True))
COCO_JOINTS, MEDIAPIPE_VALUES = 17, 5
MOVENET, BLAZEPOSE = "MoveNet", "BlazePose"
# What each looks at: the person's square, and what MediaPipe's own detector gives its landmark network.
CROP_SCALES = {MOVENET: 1.0, BLAZEPOSE: 1.25}


class PeerModel:
    """One TFLite file. ``family``: which adapter it gets; ``crop_scale``: how much of the person's square it wants."""

    def __init__(self, path: Path, threads: int):
        """Open ``path``. Raises ``SystemExit`` for a file of neither family, saying what was found."""
        self._interpreter = open_tflite(path, threads)
        (details,) = self._interpreter.get_input_details()
        self._input = details["index"]
        self._dtype = details["dtype"]
        self._side = int(details["shape"][1])
        outputs = {tuple(one["shape"].tolist()): one for one in self._interpreter.get_output_details()}
        found = _family(outputs)
        square = details["shape"].tolist() == [1, self._side, self._side, 3]
        if found is None or not square:
            raise SystemExit(
                f"{path}: takes {details['shape'].tolist()} and gives {sorted(outputs)}, which is neither a MoveNet "
                "([1, 1, 17, 3]) nor a BlazePose ([1, 195] or [1, 165])"
            )
        self.family, self._output = found
        self.crop_scale = CROP_SCALES[self.family]

    def __call__(self, frame_bgr: np.ndarray) -> np.ndarray:
        """uint8 BGR [H, W, 3] -> float64 [16, 2] in pixels of the frame; NaN for joints that this family lacks."""
        height, width = frame_bgr.shape[:2]
        scale = self._side / max(height, width)
        fitted = cv2.resize(frame_bgr, (max(1, round(width * scale)), max(1, round(height * scale))))
        top, left = (self._side - fitted.shape[0]) // 2, (self._side - fitted.shape[1]) // 2
        square = np.zeros((self._side, self._side, 3), np.uint8)
        square[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted[..., ::-1]
        self._interpreter.set_tensor(self._input, self._as_input(square)[None])
        self._interpreter.invoke()
        points = self._points(self._interpreter.get_tensor(self._output["index"]))
        return (points - [left, top]) / [fitted.shape[1] / width, fitted.shape[0] / height]

    def _as_input(self, square: np.ndarray) -> np.ndarray:
        if self.family == BLAZEPOSE:
            return square.astype(np.float32) / 255
        return square.astype(self._dtype)

    def _points(self, output: np.ndarray) -> np.ndarray:
        """Pixels [16, 2] of the network's input."""
        if self.family == MOVENET:
            return _limbs(output[0, 0, :, 1::-1].astype(np.float64) * self._side, COCO_LEFT)
        return _limbs(output[0].reshape(-1, MEDIAPIPE_VALUES)[:, :2].astype(np.float64), MEDIAPIPE_LEFT)


def _family(outputs: dict[tuple[int, ...], Any]) -> tuple[str, Any] | None:
    if (1, 1, COCO_JOINTS, 3) in outputs:
        return MOVENET, outputs[1, 1, COCO_JOINTS, 3]
    for landmarks in (39, 33):
        shape = (1, landmarks * MEDIAPIPE_VALUES)
        if shape in outputs:
            return BLAZEPOSE, outputs[shape]
    return None


def _limbs(points: np.ndarray, left: dict[str, int]) -> np.ndarray:
    joints = np.full((len(JOINTS), 2), np.nan)
    for limb, index in left.items():
        for offset, side in enumerate(SIDES):
            joints[JOINTS.index(f"{side}_{limb}")] = points[index + offset]
    return joints


# A picture of a person, uint8 BGR [H, W, 3], to joints [16, 2] in its pixels.
PoseFunction = Callable[[np.ndarray], np.ndarray]
