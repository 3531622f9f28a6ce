"""Drawing a pose into its frame."""

import cv2
import numpy as np

from edgepose.runtime.joints import BONES, JOINTS

# BGR. The person's right is warm, the left cool, the middle light.
RIGHT, LEFT, MIDDLE = (61, 117, 255), (255, 163, 51), (214, 240, 120)
OUTLINE = (24, 24, 24)
# A joint at this score, or above, is drawn solid; below, it fades.
SOLID_SCORE = 0.5
FAINTEST = 0.15
# Line width as a share of the figure's extent, and of the frame's longer side at most.
WIDTH_OF_FIGURE, WIDTH_OF_FRAME = 1 / 70, 1 / 160
# OpenCV draws at 1/16 pixel.
_SHIFT = 4


def draw_pose(image, pose, min_score=0.0, color=None):
    """Draw bones and joints of ``pose`` into ``image``, uint8 [H, W, 3] BGR, in place; returns it.

    Line widths follow the size of the figure, so that a small person in a large frame is not painted over. Joints
    that score less than ``min_score`` are left out, and fade below 0.5; a bone is as faint as its fainter end.
    ``color`` (BGR): one for the whole figure, where the sides of the body need not be told apart.
    """
    shown = pose.scores >= min_score
    if not shown.any():
        return image
    width = _line_width(image, pose.keypoints[shown])
    opacity = np.clip(pose.scores / SOLID_SCORE, FAINTEST, 1.0)
    bones = [bone for bone in BONES if shown[bone[0]] and shown[bone[1]]]
    for start, end in sorted(bones, key=lambda bone: min(opacity[bone[0]], opacity[bone[1]])):
        outer = end if _side(end) != MIDDLE else start
        _draw(
            image,
            pose.keypoints[[start, end]],
            width,
            float(min(opacity[start], opacity[end])),
            lambda canvas, points, color=color or _side(outer): _bone(canvas, points, width, color),
        )
    for joint in sorted(np.flatnonzero(shown), key=lambda joint: opacity[joint]):
        _draw(
            image,
            pose.keypoints[[joint]],
            width,
            float(opacity[joint]),
            lambda canvas, points, color=color or _side(joint): _joint(canvas, points, width, color),
        )
    return image


def _side(joint):
    if JOINTS[joint].startswith("right"):
        return RIGHT
    return LEFT if JOINTS[joint].startswith("left") else MIDDLE


def _line_width(image, points):
    figure = float(np.linalg.norm(points.max(axis=0) - points.min(axis=0)))
    return max(1, round(min(figure * WIDTH_OF_FIGURE, max(image.shape[:2]) * WIDTH_OF_FRAME)))


def _draw(image, points, width, opacity, paint):
    """Let ``paint(canvas, points)`` draw around ``points``, and blend the result in with ``opacity``."""
    margin = 3 * width + 3
    left, top = np.maximum(np.floor(points.min(axis=0)).astype(int) - margin, 0)
    right, bottom = np.ceil(points.max(axis=0)).astype(int) + margin
    part = image[top:bottom, left:right]
    canvas = part.copy()
    # OpenCV's coordinates mean pixel centres, ours pixel corners.
    fixed_point = np.round((points - (left, top) - 0.5) * (1 << _SHIFT)).astype(int)
    paint(canvas, [tuple(int(side) for side in point) for point in fixed_point])
    part[:] = canvas if opacity >= 1 else cv2.addWeighted(canvas, opacity, part.copy(), 1 - opacity, 0)


def _bone(canvas, points, width, color):
    start, end = points
    cv2.line(canvas, start, end, OUTLINE, width + 2 + width // 3, cv2.LINE_AA, _SHIFT)
    cv2.line(canvas, start, end, color, width, cv2.LINE_AA, _SHIFT)


def _joint(canvas, points, width, color):
    radius = int(1.3 * width * (1 << _SHIFT))
    rim = max(1, width // 2) << _SHIFT
    cv2.circle(canvas, points[0], radius + rim, OUTLINE, -1, cv2.LINE_AA, _SHIFT)
    cv2.circle(canvas, points[0], radius, color, -1, cv2.LINE_AA, _SHIFT)
