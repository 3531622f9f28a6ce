"""What a stream tells the program around it. Every event has ``kind``, ``seconds`` and :meth:`to_dict`."""

import time
from typing import List, NamedTuple, Optional, Tuple

import numpy as np

from edgepose.runtime.joints import JOINTS
from edgepose.runtime.pose import Pose

KINDS = ("pose", "found", "lost", "stalled", "throttled", "error")

_PoseEvent = NamedTuple(
    "_PoseEvent",
    [
        ("frame", int),  # number of the frame among all that the source gave, from 0
        ("seconds", float),  # of the frame, by the stream's clock: 0 at the first
        ("arrived", float),  # time.monotonic() when the frame came
        ("latency", float),  # seconds from then until the pose was there
        ("size", Tuple[int, int]),  # width, height of the frame: what the pose's pixels are
        ("region", Optional[Tuple[float, float, float, float]]),  # that was looked at; None for the whole frame
        ("confidence", float),  # mean score of the measured pose
        ("pose", Optional[Pose]),  # smoothed; None while there is no person
        ("measured", Pose),  # as the network found it in this region, person or not
        ("image", Optional[np.ndarray]),  # the frame, where the stream was asked to keep it
    ],
)
_FoundEvent = NamedTuple("_FoundEvent", [("frame", int), ("seconds", float), ("confidence", float)])
_LostEvent = NamedTuple("_LostEvent", [("frame", int), ("seconds", float), ("confidence", float)])
_StalledEvent = NamedTuple("_StalledEvent", [("seconds", float), ("without_frames", float)])
_ThrottledEvent = NamedTuple("_ThrottledEvent", [("seconds", float), ("active", bool), ("reasons", List[str])])
_ErrorEvent = NamedTuple(
    "_ErrorEvent",
    [("seconds", float), ("message", str), ("hint", Optional[str]), ("fatal", bool), ("retry_in", Optional[float])],
)


class PoseEvent(_PoseEvent):
    """One frame was looked at. ``pose`` is None while there is no person: act on it, not on ``measured``."""

    __slots__ = ()
    kind = "pose"

    def age(self):
        """Seconds since the frame came."""
        return time.monotonic() - self.arrived

    def to_dict(self):
        """Plain values for JSON. ``latency`` in seconds, joints as :meth:`Pose.to_dict`, or null."""
        return {
            "event": self.kind,
            "frame": self.frame,
            "seconds": round(self.seconds, 4),
            "latency": round(self.latency, 4),
            "size": list(self.size),
            "region": None if self.region is None else [round(number, 1) for number in self.region],
            "confidence": round(self.confidence, 4),
            "joints": None if self.pose is None else self.pose.to_dict(),
        }


class FoundEvent(_FoundEvent):
    """A person is there, where there was none. Comes before the pose event of its frame."""

    __slots__ = ()
    kind = "found"

    def to_dict(self):
        """Plain values for JSON."""
        return _change_dict(self)


class LostEvent(_LostEvent):
    """The person is gone: no pose until the next :class:`FoundEvent`. Comes before the pose event of its frame."""

    __slots__ = ()
    kind = "lost"

    def to_dict(self):
        """Plain values for JSON."""
        return _change_dict(self)


class StalledEvent(_StalledEvent):
    """No frame has come for ``without_frames`` seconds; comes again while that lasts. The next pose event ends it."""

    __slots__ = ()
    kind = "stalled"

    def to_dict(self):
        """Plain values for JSON."""
        return {
            "event": self.kind,
            "seconds": round(self.seconds, 4),
            "without_frames": round(self.without_frames, 2),
        }


class ThrottledEvent(_ThrottledEvent):
    """The device has begun (``active``) or ceased to slow itself down; ``reasons`` say what reports it."""

    __slots__ = ()
    kind = "throttled"

    def to_dict(self):
        """Plain values for JSON."""
        return {
            "event": self.kind,
            "seconds": round(self.seconds, 4),
            "active": self.active,
            "reasons": list(self.reasons),
        }


class ErrorEvent(_ErrorEvent):
    """Something failed. ``fatal``: the stream ends. ``retry_in``: seconds until the source is opened again."""

    __slots__ = ()
    kind = "error"

    def to_dict(self):
        """Plain values for JSON."""
        return {
            "event": self.kind,
            "seconds": round(self.seconds, 4),
            "message": self.message,
            "hint": self.hint,
            "fatal": self.fatal,
            "retry_in": self.retry_in,
        }


def _change_dict(event):
    return {
        "event": event.kind,
        "frame": event.frame,
        "seconds": round(event.seconds, 4),
        "confidence": round(event.confidence, 4),
    }


def joint_rows(event):
    """[(name, x, y, score)] of a pose event with a person, as other systems' messages want them; else []."""
    if event.pose is None:
        return []
    return [(name,) + event.pose[name] for name in JOINTS]
