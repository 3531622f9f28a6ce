"""A sheet of the persons that an engine does worst on, with the joints of truth, reference and candidate."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from edgepose.evaluation.datasets.regions import Region, enlarged
from edgepose.evaluation.evaluate import EVERYONE, Evaluation
from edgepose.runtime.images import read_image
from edgepose.runtime.overlay import draw_pose
from edgepose.runtime.pose import Pose

TILE, CAPTION, MARGIN = 360, 44, 8  # pixels
COLUMNS = 4
# BGR; told apart by people who see no red and green, too.
TRUTH, REFERENCE, CANDIDATE, MOVED = (255, 255, 255), (255, 170, 40), (40, 150, 255), (235, 80, 255)
BACKGROUND, TEXT, FAINT = (28, 28, 28), (235, 235, 235), (165, 165, 165)
# Joints that moved by more head lengths than this are pointed out.
FAR = 0.5
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def worst_cases(evaluation: Evaluation, count: int) -> list[int]:
    """Indices of the ``count`` records with the largest drift, or error where there is no reference; worst first.

    Each person's is the mean over the joints, in head lengths.
    """
    return [int(index) for index in np.argsort(-_mean_distances(evaluation), kind="stable")[:count]]


def draw_worst_cases(evaluation: Evaluation, count: int) -> np.ndarray:
    """The sheet of :func:`worst_cases`, uint8 [H, W, 3] BGR.

    Raises :class:`SourceError` where a picture can no longer be read.
    """
    worst = worst_cases(evaluation, count)
    tiles = [_tile(evaluation, index) for index in worst]
    columns = min(COLUMNS, len(tiles))
    blank = np.full_like(tiles[0], BACKGROUND)
    tiles += [blank] * (-len(tiles) % columns)
    rows = [_side_by_side(tiles[start : start + columns]) for start in range(0, len(tiles), columns)]
    return np.vstack([_legend(evaluation, rows[0].shape[1]), *rows])


def _mean_distances(evaluation: Evaluation) -> np.ndarray:
    everyone = evaluation.parts[EVERYONE]
    if everyone.drift is not None:
        distances = everyone.drift.distances
    else:
        assert everyone.score is not None
        distances = everyone.score.distances
    return np.nanmean(distances, axis=1)


def _tile(evaluation: Evaluation, index: int) -> np.ndarray:
    """One person's crop, as the network saw it, with its skeletons and two lines of text."""
    predictions, reference = evaluation.predictions, evaluation.reference
    record = predictions.dataset.records[index]
    picture = read_image(record.image)
    region = (0, 0, picture.shape[1], picture.shape[0])
    if record.region is not None:
        region = enlarged(record.region, predictions.crop_scale)
    crop, to_tile = _crop(picture, region)
    truth = np.where(record.evaluate[:, None], record.keypoints, np.nan)
    figures = [(truth, TRUTH), (predictions.keypoints[index], CANDIDATE)]
    if reference is not None:
        figures.insert(1, (reference.keypoints[index], REFERENCE))
    for points, color in figures:
        found = ~np.isnan(points).any(axis=1)
        draw_pose(crop, Pose(to_tile(points), found), min_score=1, color=color)
    drift = evaluation.parts[EVERYONE].drift
    if reference is not None and drift is not None:
        for joint in np.flatnonzero(drift.distances[index] > FAR):
            _arrow(crop, *(to_tile(one.keypoints[index, joint]) for one in (reference, predictions)))
    caption = np.full((CAPTION, TILE, 3), BACKGROUND, np.uint8)
    _write(caption, _ascii(record.id), 16, TEXT)
    _write(caption, _distances(evaluation, index), 36, FAINT)
    return np.vstack([crop, caption])


def _distances(evaluation: Evaluation, index: int) -> str:
    """How far the candidate is from the reference, and both from the truth, in words."""
    parts = []
    everyone = evaluation.parts[EVERYONE]
    if everyone.drift is not None:
        moved = everyone.drift.distances[index]
        parts.append(f"moved {np.nanmean(moved):.2f} heads, {np.sum(moved > FAR)} of {moved.size} joints > {FAR}")
    if everyone.score is not None and everyone.score.evaluate[index].any():
        off = everyone.score.distances[index]
        parts.append(f"truth {np.nanmean(off):.2f}")
    return "; ".join(parts)


def _arrow(image: np.ndarray, start: np.ndarray, end: np.ndarray) -> None:
    if np.isfinite(end).all():
        corners = [tuple(int(side) for side in np.round(point)) for point in (start, end)]
        cv2.arrowedLine(image, corners[0], corners[1], MOVED, 2, cv2.LINE_AA, tipLength=0.08)


def _crop(picture: np.ndarray, region: Region) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """``region`` of ``picture`` scaled to fit a tile, black outside the picture, and where points of it go."""
    x, y, width, height = region
    scale = TILE / max(width, height)
    corner = np.array([x + width / 2, y + height / 2]) - TILE / 2 / scale
    # OpenCV's coordinates mean pixel centres, ours pixel corners.
    shift = scale * (0.5 - corner) - 0.5
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    crop = cv2.warpAffine(picture, matrix, (TILE, TILE))
    return crop, lambda points: (points - corner) * scale


def _legend(evaluation: Evaluation, width: int) -> np.ndarray:
    predictions, reference = evaluation.predictions, evaluation.reference
    strip = np.full((CAPTION, width, 3), BACKGROUND, np.uint8)
    entries = [(CANDIDATE, predictions.bundle)]
    if reference is not None:
        entries.append((REFERENCE, reference.bundle))
    if evaluation.parts[EVERYONE].score is not None:
        entries.append((TRUTH, "truth"))
    if reference is not None:
        entries.append((MOVED, f"moved by more than {FAR} head"))
    left = MARGIN
    for color, name in entries:
        cv2.line(strip, (left, CAPTION // 2), (left + 24, CAPTION // 2), color, 3, cv2.LINE_AA)
        left += 32
        _write(strip, name, CAPTION // 2 + 5, TEXT, left)
        left += cv2.getTextSize(name, _FONT, 0.45, 1)[0][0] + 24
    return strip


def _write(image: np.ndarray, text: str, baseline: int, color: tuple[int, int, int], left: int = MARGIN) -> None:
    cv2.putText(image, text, (left, baseline), _FONT, 0.45, color, 1, cv2.LINE_AA)


def _ascii(text: str) -> str:
    """OpenCV's fonts have no other letters."""
    return text.encode("ascii", "replace").decode()


def _side_by_side(tiles: Sequence[np.ndarray]) -> np.ndarray:
    edges = ((0, MARGIN), (0, MARGIN), (0, 0))
    return np.hstack([np.pad(tile, edges, constant_values=BACKGROUND[0]) for tile in tiles])
