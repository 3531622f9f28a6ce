"""Regions of pictures: the square of a person, and how much larger a network looks at it."""

from __future__ import annotations

from edgepose.runtime.errors import UsageError

# x, y, width, height in whole pixels.
Region = tuple[int, int, int, int]

CROP_SCALES = (0.5, 3.0)


def square_around(x: float, y: float, width: float, height: float) -> Region:
    """The square with the centre of a box and its longer side, in whole pixels."""
    side = max(width, height)
    whole = max(1, round(side))
    return round(x + (width - side) / 2), round(y + (height - side) / 2), whole, whole


def enlarged(region: Region, scale: float) -> Region:
    """``region`` about its centre, ``scale`` times as large, in whole pixels; a square stays one."""
    x, y, width, height = region
    wide, high = (max(1, round(side * scale)) for side in (width, height))
    return x + (width - wide) // 2, y + (height - high) // 2, wide, high


def check_crop_scale(scale: float | None) -> None:
    """Raise :class:`UsageError` for a ``scale`` that leaves no person to look at; None is the data set's own."""
    if scale is not None and not CROP_SCALES[0] <= scale <= CROP_SCALES[1]:
        raise UsageError(
            f"a crop of {scale:g} times the person's square cannot be", "{:g} to {:g}".format(*CROP_SCALES)
        )
