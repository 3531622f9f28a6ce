"""The One-Euro filter for poses: steady where a joint is still, quick where it moves.

Casiez, Roussel, Vogel 2012, "1 € Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive Systems".
"""

import math
from typing import NamedTuple

import numpy as np

from edgepose.runtime.errors import UsageError
from edgepose.runtime.joints import JOINTS
from edgepose.runtime.pose import Pose

_Smoothing = NamedTuple(
    "_Smoothing",
    [
        ("min_cutoff", float),
        ("beta", float),
        ("speed_cutoff", float),
        ("min_score", float),
        ("max_gap", float),
    ],
)


class Smoothing(_Smoothing):
    """Parameters of :class:`OneEuroFilter`.

    ``min_cutoff``: hertz of the low-pass on a still joint; lower is steadier. ``beta``: what a speed of one person's
    size a second adds to it, in hertz; higher follows faster. Speeds are in sizes of the person, not in pixels, so
    that one setting serves every camera and distance. ``speed_cutoff``: hertz of the low-pass on the speed itself.
    ``min_score``: a joint that scores less is not believed: its last believed place stands for ``max_gap`` seconds,
    after that what was measured, and the filter begins anew when it is believed again.
    """

    __slots__ = ()

    def __new__(cls, min_cutoff=1.0, beta=20.0, speed_cutoff=1.0, min_score=0.05, max_gap=0.5):
        """Raises :class:`UsageError` for a parameter that cannot be."""
        values = (min_cutoff, beta, speed_cutoff, min_score, max_gap)
        for name, value, lowest in zip(cls._fields, values, (1e-3, 0.0, 1e-3, -1e3, 0.0)):
            try:
                possible = lowest <= float(value) <= 1e3
            except (TypeError, ValueError):
                possible = False
            if not possible:
                raise UsageError("smoothing: {} cannot be {!r}".format(name, value), "{:g} to 1000".format(lowest))
        return super(Smoothing, cls).__new__(cls, *(float(value) for value in values))


class OneEuroFilter(object):
    """Smooths the poses of one person, joint by joint."""

    def __init__(self, smoothing=None):
        """``smoothing``: :class:`Smoothing`, the defaults where left out."""
        self.smoothing = Smoothing() if smoothing is None else smoothing
        self.reset()

    def reset(self):
        """Forget the person: the next pose is taken as it is."""
        self._seconds = np.full(len(JOINTS), -np.inf)  # when each joint was last believed
        self._places = np.zeros((len(JOINTS), 2))
        self._speeds = np.zeros((len(JOINTS), 2))

    def __call__(self, pose, seconds, size):
        """The smoothed :class:`Pose` for ``pose``, measured at ``seconds``; scores stay as they were measured.

        ``size``: about how large the person is, in the pixels of ``pose``. ``seconds`` must not decrease.
        """
        settings = self.smoothing
        measured = pose.keypoints.astype(np.float64)
        believed = pose.scores >= settings.min_score
        since = seconds - self._seconds
        known = since <= settings.max_gap
        # Joints that are believed for the first time, or again after a gap, begin where they are.
        fresh = believed & ~known
        self._places[fresh] = measured[fresh]
        self._speeds[fresh] = 0.0
        moving = believed & known & (since > 0)
        if moving.any():
            step = since[moving][:, None]
            speed = (measured[moving] - self._places[moving]) / step
            self._speeds[moving] += _share(settings.speed_cutoff, step) * (speed - self._speeds[moving])
            sizes = np.sqrt((self._speeds[moving] ** 2).sum(axis=1, keepdims=True)) / max(float(size), 1.0)
            cutoff = settings.min_cutoff + settings.beta * sizes
            self._places[moving] += _share(cutoff, step) * (measured[moving] - self._places[moving])
        self._seconds[believed] = seconds
        return Pose(np.where((believed | known)[:, None], self._places, measured), pose.scores)


def _share(cutoff, step):
    """The share of a new value that a first-order low-pass of ``cutoff`` hertz takes after ``step`` seconds."""
    angle = 2 * math.pi * cutoff * step
    return angle / (angle + 1)
