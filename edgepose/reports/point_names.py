"""The names of a chart's points, placed where there is room for them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

from matplotlib.transforms import Bbox

from edgepose.reports.inline_svg import LETTER, PAGE, letters


class NamedPoint(NamedTuple):
    """A point at ``x``, ``y`` with an interval from ``low`` to ``high``. Points of one ``kind`` and name are alike."""

    x: float
    y: float
    low: float
    high: float
    name: str
    colour: str
    kind: Hashable


def name_points(axes: Any, points: Sequence[NamedPoint], size: float) -> None:
    """Name those of ``points`` beside which their panel has room for that, off all points and other names.

    ``size``: height of the letters, in points. Places must be known: after ``figure.draw_without_rendering()``.
    """
    pixel = axes.figure.dpi / 72
    points = sorted(points, key=lambda point: (point.x, point.y))
    marks, bars = [], []
    for point in points:
        x, low = axes.transData.transform((point.x, point.low))
        _, y = axes.transData.transform((point.x, point.y))
        _, high = axes.transData.transform((point.x, point.high))
        marks.append(Bbox.from_bounds(x, y, 0, 0).padded(4 * pixel))
        bars.append(Bbox.from_extents(x - pixel, low, x + pixel, high))
    names: list[Any] = []
    named: list[tuple[NamedPoint, Any]] = []
    for point, mark, bar in zip(points, marks, bars, strict=True):
        # Of several alike that lie on each other, one is named.
        alike = [at for one, at in named if (one.name, one.kind) == (point.name, point.kind)]
        if mark.count_overlaps(alike):
            continue
        width, height = LETTER * size * letters(point.name) * pixel, size * pixel
        middle, gap = (mark.y0 + mark.y1 - height) / 2, 2 * pixel
        above, below = max(bar.y1, mark.y1) + gap / 2, min(bar.y0, mark.y0) - gap / 2 - height
        centred = (mark.x0 + mark.x1 - width) / 2
        for left, bottom, side in (
            (mark.x1 + gap, middle, "left"),
            (mark.x0 - gap - width, middle, "right"),
            (centred, above, "center"),
            (centred, below, "center"),
        ):
            box = Bbox.from_bounds(left, bottom, width, height)
            inside = axes.bbox.contains(*box.min) and axes.bbox.contains(*box.max)
            if inside and not box.count_overlaps([*marks, *bars, *names]):
                names.append(box)
                named.append((point, mark))
                anchor = {"left": box.x0, "right": box.x1, "center": (box.x0 + box.x1) / 2}[side]
                text = axes.text(
                    *axes.transAxes.inverted().transform((anchor, (box.y0 + box.y1) / 2)),
                    point.name,
                    transform=axes.transAxes,
                    ha=side,
                    va="center",
                    fontsize=size,
                    color=point.colour,
                    bbox={"facecolor": PAGE, "edgecolor": "none", "pad": 0.6, "alpha": 0.8},
                )
                # Names must not squeeze the axes.
                text.set_in_layout(False)
                break
