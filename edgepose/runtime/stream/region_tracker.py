"""Where to look in the next frame: around the person, or, when there is none, over the frame until there is one."""

from typing import NamedTuple

import numpy as np

from edgepose.runtime.errors import UsageError

FOUND, LOST = "found", "lost"
# Fewer believed joints than this say too little about where the whole person is.
MIN_JOINTS = 4
MIN_SIDE = 16.0
# Sides of the squares that are searched, over the frame's shorter side: the networks find a person who takes up half of
# the region or more.
SEARCH_SCALES = (1.0, 0.7, 0.5)
# A region that has begun to move stops when it is this share of the dead band from where it should be.
SETTLED = 0.25

_Tracking = NamedTuple(
    "_Tracking",
    [
        ("margin", float),
        ("found_score", float),
        ("lost_score", float),
        ("joint_score", float),
        ("confirm", int),
        ("patience", int),
        ("dead_band", float),
        ("follow", float),
    ],
)


class Tracking(_Tracking):
    """Parameters of :class:`RegionTracker`. A pose's *confidence* is the mean of its sixteen scores.

    ``margin``: side of the square region over the larger side of the joints' box. ``lost_score``: confidence from
    which on a pose may be a person, and is looked at more closely. ``found_score``: confidence from which on it is
    one; ``confirm`` such poses in a row, and the person is found. ``patience``: poses in a row below ``lost_score``
    after which a found person is lost, and poses without one of ``found_score`` after which a candidate is given up.
    ``joint_score``: joints that
    score less do not move the region. ``dead_band``: share of its side by which the person's square may move or
    change its size before the region does. ``follow``: share of the way that it then goes with each frame.
    """

    __slots__ = ()

    def __new__(
        cls,
        margin=1.5,
        found_score=0.2,
        lost_score=0.1,
        joint_score=0.07,
        confirm=2,
        patience=5,
        dead_band=0.1,
        follow=0.6,
    ):
        """Raises :class:`UsageError` for a parameter that cannot be."""
        tracking = super(Tracking, cls).__new__(
            cls, margin, found_score, lost_score, joint_score, confirm, patience, dead_band, follow
        )
        bounds = ((1, 4), (0, 1), (0, 1), (0, 1), (1, 1000), (1, 100000), (0, 0.5), (0.05, 1))
        for name, value, (low, high) in zip(cls._fields, tracking, bounds):
            try:
                possible = low <= value <= high
            except TypeError:
                possible = False
            if not possible:
                raise UsageError("tracking: {} cannot be {!r}".format(name, value), "{} to {}".format(low, high))
        if lost_score > found_score:
            raise UsageError("tracking: lost_score {} is above found_score {}".format(lost_score, found_score))
        return tracking


class RegionTracker(object):
    """Follows one person with a square region.

    While nobody is followed it looks at the whole frame, then at ever smaller squares of it, one region a frame: a
    person who is small in the frame is not found in the whole. What may be a person is followed from the next frame
    on. The region stays where it is, to the pixel, while the person's square stays in
    the dead band.
    """

    def __init__(self, tracking=None):
        """``tracking``: :class:`Tracking`, the defaults where left out."""
        self.tracking = Tracking() if tracking is None else tracking
        #: Whether a person is there, as :meth:`update` last said.
        self.found = False
        self._size = (0, 0)
        self._search = [None]  # type: list
        self._looked = self._sure = self._doubtful = 0
        self._forget()

    def region(self, width, height):
        """(x, y, side, side) to look at in the next frame of ``width`` x ``height``, or None for all of it.

        Where frames change their size, what was known of places is forgotten.
        """
        if (width, height) != self._size:
            self._size = (width, height)
            self._search = search_regions(width, height)
            self._looked = 0
            self._forget()
        if self._centre is None:
            return self._search[self._looked % len(self._search)]
        x, y = self._centre - self._side / 2
        return float(x), float(y), float(self._side), float(self._side)

    def update(self, pose):
        """Take note of the :class:`Pose` found in the last :meth:`region`: 'found', 'lost', or None for no change."""
        settings = self.tracking
        sure = confidence(pose)
        if self._centre is None:
            self._looked += 1
        if sure >= settings.lost_score:
            self._follow(pose)
        self._sure = self._sure + 1 if sure >= settings.found_score else 0
        doubtful = sure < (settings.lost_score if self.found else settings.found_score)
        self._doubtful = self._doubtful + 1 if doubtful else 0
        if self._doubtful >= settings.patience or not (self.found or sure >= settings.lost_score):
            self._forget()
            return self._change(False)
        if self._centre is not None and self._sure >= settings.confirm:
            return self._change(True)
        return None

    @property
    def person_size(self):
        """About how large the followed person is, in pixels; None while nobody is followed."""
        return None if self._centre is None else self._side / self.tracking.margin

    def _change(self, found):
        if found == self.found:
            return None
        self.found = found
        self._looked = 0
        return FOUND if found else LOST

    def _forget(self):
        """Nobody is followed; the search goes on where it was."""
        self._centre = None
        self._side = 0.0
        self._moving = False
        self._sure = self._doubtful = 0

    def _follow(self, pose):
        """Begin to follow ``pose``, or move the region towards it where it has left the dead band."""
        believed = pose.keypoints[pose.scores >= self.tracking.joint_score]
        if len(believed) < MIN_JOINTS:
            return
        low, high = believed.min(axis=0).astype(np.float64), believed.max(axis=0).astype(np.float64)
        centre = (low + high) / 2
        side = min(max(float((high - low).max()) * self.tracking.margin, MIN_SIDE), 2.0 * max(self._size))
        if self._centre is None:
            self._centre, self._side = centre, side
            return
        away = max(float(np.abs(centre - self._centre).max()), abs(side - self._side)) / self._side
        if self._moving:
            self._moving = away > self.tracking.dead_band * SETTLED
        else:
            self._moving = away > self.tracking.dead_band
        if self._moving:
            self._centre = self._centre + self.tracking.follow * (centre - self._centre)
            self._side += self.tracking.follow * (side - self._side)


def confidence(pose):
    """How sure the network is of a whole :class:`Pose`: the mean of its scores."""
    return float(pose.scores.mean())


def search_regions(width, height):
    """[None, then (x, y, side, side)]: the whole frame, then overlapping squares that cover it, large ones first."""
    regions = [None]  # type: list
    for scale in SEARCH_SCALES:
        side = int(scale * min(width, height))
        if side < MIN_SIDE:
            break
        for y in _steps(height, side):
            for x in _steps(width, side):
                if (side, side) != (width, height):
                    regions.append((x, y, side, side))
    return regions


def _steps(length, side):
    """Where squares of ``side`` begin that cover ``length`` and overlap by about half."""
    count = 1 if length == side else max(2, round(2.0 * (length - side) / side) + 1)
    return [round(step * (length - side) / max(count - 1, 1)) for step in range(count)]
