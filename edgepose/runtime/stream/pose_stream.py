"""A source of frames to a stream of events: capture, region tracking, network and smoothing put together."""

import atexit
import contextlib
import threading
import time
import weakref
from typing import NamedTuple, Optional  # noqa: F401 - in a type comment

from edgepose.runtime.errors import EdgeposeError, EngineError, UsageError
from edgepose.runtime.estimator import PoseEstimator, load
from edgepose.runtime.stream.bounded_queue import BoundedQueue
from edgepose.runtime.stream.events import (
    KINDS,
    ErrorEvent,
    FoundEvent,
    LostEvent,
    PoseEvent,
    StalledEvent,
    ThrottledEvent,
)
from edgepose.runtime.stream.memory import return_free_memory
from edgepose.runtime.stream.one_euro import OneEuroFilter, Smoothing
from edgepose.runtime.stream.region_tracker import FOUND, LOST, RegionTracker, Tracking, confidence
from edgepose.runtime.stream.throttling import ThrottlingWatch

POLICIES = ("newest", "every")
# Frames read ahead where every frame is wanted, and events kept for whoever reads them.
FRAMES_AHEAD = 4
EVENTS_KEPT = 64
STALLED_AFTER_S = 2.0
THROTTLING_EVERY_S = 5.0
# The longest that closing waits for both threads, together.
CLOSE_S = 1.0
FRAME_S = 0.3

# A thread that is still in a native library when Python shuts down aborts the process.
_open_streams = weakref.WeakSet()  # type: weakref.WeakSet


@atexit.register
def _close_open_streams():
    for stream in list(_open_streams):
        stream.close()


# ``frames``: that the source gave; ``dropped``: for newer ones; ``refused``: that were none; ``looked_at``: that have
# a pose event; ``events_dropped``: that nobody read in time; ``reconnects``: of the source.
Counters = NamedTuple(
    "Counters",
    [
        ("frames", int),
        ("dropped", int),
        ("refused", int),
        ("looked_at", int),
        ("events_dropped", int),
        ("reconnects", int),
    ],
)


class PoseStream(object):
    """Poses of the one person in front of a camera, as events.

    ::

        with edgepose.PoseStream("rt-lite.edgepose", 0) as stream:
            for event in stream:
                if event.kind == "pose" and event.pose is not None:
                    print(event.seconds, event.pose["left_wrist"])

    One thread reads the source, another finds poses; both begin with the stream and end with :meth:`close`, which
    waits 1 s at most. Events come in the order in which they happened: iterate, or take them one by one with
    :meth:`wait`, or let :meth:`run` call you, or look at :attr:`newest` alone.
    """

    def __init__(
        self,
        bundle,
        source,
        policy=None,
        tracking=True,
        smoothing=True,
        region=None,
        images=False,
        reconnect=True,
        stalled_after=STALLED_AFTER_S,
        **engine,
    ):
        """Open the bundle and begin to read ``source``.

        ``bundle``: path of a bundle, opened and closed by the stream, or a :class:`PoseEstimator` of the caller's.
        ``source``: camera number or ``/dev/videoN``, GStreamer pipeline, address (``rtsp://``), video file, iterable
        of frames or of (seconds, frame), or a callable that gives such an iterable whenever the camera is (re)opened;
        frames are as :class:`PoseEstimator` takes them. ``policy``: 'newest' looks at the newest frame and drops and
        counts those it has no time for, so that latency is bounded (default of live sources); 'every' looks at
        each, and makes the source wait (default of files and iterables). ``tracking``: True, False (``region``, or the
        whole frame, is looked at always, and every pose is a person), or :class:`Tracking`. ``smoothing``: True,
        False or :class:`Smoothing`. ``images``: keep the frame in its event. ``reconnect``: open a live source
        again when it fails. ``stalled_after``: seconds without a frame. ``engine``: ``threads``, ``decoder`` and
        whatever else :class:`PoseEstimator` takes.

        Raises :class:`UsageError`, :class:`SourceError`, :class:`BundleError` or :class:`EngineError` for what cannot
        be; what happens later comes as an event, and what ends the stream is raised to whoever reads it.
        """
        from edgepose.runtime.stream.capture import find_source
        from edgepose.runtime.stream.capture_thread import CapturedFrame, CaptureThread

        if policy is not None and policy not in POLICIES:
            raise UsageError("there is no policy {!r}".format(policy), "one of: " + ", ".join(POLICIES))
        if not 0.05 <= stalled_after <= 3600:
            raise UsageError("stalled_after cannot be {!r}".format(stalled_after), "0.05 to 3600 seconds")
        if region is not None and tracking:
            raise UsageError("a fixed region and tracking exclude each other", "pass tracking=False")
        if engine and isinstance(bundle, PoseEstimator):
            raise UsageError("an estimator that is open already takes no {}".format(", ".join(sorted(engine))))
        self._tracker = _made(RegionTracker, Tracking, tracking, "tracking")
        self._filter = _made(OneEuroFilter, Smoothing, smoothing, "smoothing")
        self._region = region
        self._images = images
        self._stalled_after = stalled_after
        found = find_source(source)
        #: 'newest' or 'every'.
        self.policy = policy or ("newest" if found.live else "every")
        newest = self.policy == "newest"
        self._captured = BoundedQueue(
            1 if newest else FRAMES_AHEAD, drops=newest, may_drop=lambda item: isinstance(item, CapturedFrame)
        )
        self._events = BoundedQueue(EVENTS_KEPT, drops=newest, may_drop=lambda event: event.kind == "pose")
        self._capture = CaptureThread(found, self._captured, reconnect)
        self._owns_estimator = not isinstance(bundle, PoseEstimator)
        #: The :class:`PoseEstimator` that finds the poses.
        self.estimator = load(bundle, **engine) if self._owns_estimator else bundle
        #: The last :class:`PoseEvent`, or None before the first: for loops with a rate of their own.
        self.newest = None
        self._seconds = 0.0
        self._looked_at = 0
        self._size = (0, 0)
        self._error = None
        self._close_by = None  # type: Optional[float]
        self._stop = threading.Event()
        self._worker = threading.Thread(target=self._work, name="edgepose-poses", daemon=True)
        _open_streams.add(self)
        self._worker.start()
        self._capture.start()

    def wait(self, timeout=None):
        """The next event, or None where none came within ``timeout`` seconds, or the stream has :attr:`ended`.

        Raises the error that ended the stream, once, after every event before it.
        """
        event = self._events.get(timeout)
        if event is None and self._events.ended and self._error is not None:
            error, self._error = self._error, None
            raise error
        return event

    def __iter__(self):
        """Every event until the stream ends; raises what :meth:`wait` raises."""
        while True:
            event = self.wait()
            if event is None:
                return
            yield event

    def run(self, **callbacks):
        """Call ``callbacks`` - ``pose``, ``found``, ``lost``, ``stalled``, ``throttled``, ``error`` - with each event.

        In this thread, until the stream ends; an exception of a callback comes out here. Raises :class:`UsageError`
        for a name that is no kind of event, and what :meth:`wait` raises.
        """
        for name in callbacks:
            if name not in KINDS:
                raise UsageError("there is no event {!r}".format(name), "one of: " + ", ".join(KINDS))
        for event in self:
            if event.kind in callbacks:
                callbacks[event.kind](event)

    @property
    def ended(self):
        """Whether no event will come any more."""
        return self._events.ended

    @property
    def counters(self):
        """:class:`Counters` of this very moment."""
        return Counters(
            self._capture.frames_read,
            self._captured.dropped,
            self._capture.frames_refused,
            self._looked_at,
            self._events.dropped,
            self._capture.reconnects,
        )

    def close(self):
        """End both threads and let go of camera and engine. Waits 1 s at most, and only the first time.

        A thread that waits in a driver or an engine ends by itself when that returns, and lets go then.
        Returns whether everything has ended.
        """
        self._stop.set()
        self._capture.stop()
        self._events.close(discard=True)
        if self._close_by is None:
            self._close_by = time.monotonic() + CLOSE_S
        self._worker.join(max(0.0, self._close_by - time.monotonic()))
        # A frame later it has ended, or it waits in a driver for who knows how long.
        ended = self._capture.join(min(FRAME_S, max(0.0, self._close_by - time.monotonic())))
        ended = ended and not self._worker.is_alive()
        if ended:
            _open_streams.discard(self)
            return_free_memory()
        return ended

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _work(self):
        """The thread that finds poses."""
        try:
            self._look_at_frames()
        except EdgeposeError as error:
            self._fail(error)
        # A thread that dies in silence is the one thing that must not happen in a robot.
        except Exception as error:
            self._fail(EngineError("a fault in edgepose itself: {}: {}".format(type(error).__name__, error)))
        finally:
            self._capture.stop()
            if self._owns_estimator:
                with contextlib.suppress(EdgeposeError):
                    self.estimator.close()
            self._events.close()

    def _look_at_frames(self):
        from edgepose.runtime.stream.capture_thread import Failure

        last_frame = time.monotonic()
        stalls = 0
        watch = ThrottlingWatch()
        throttled = []  # type: list
        throttling_looked_at = last_frame - THROTTLING_EVERY_S
        while not self._stop.is_set():
            now = time.monotonic()
            if now - throttling_looked_at >= THROTTLING_EVERY_S:
                throttling_looked_at = now
                reasons = watch.reasons()
                if reasons != throttled:
                    throttled = reasons
                    self._events.put(ThrottledEvent(self._seconds, bool(reasons), reasons))
            item = self._captured.get(max(0.0, last_frame + (stalls + 1) * self._stalled_after - now))
            if item is None:
                if self._captured.ended:
                    return
                stalls += 1
                self._events.put(StalledEvent(self._seconds, time.monotonic() - last_frame))
            elif isinstance(item, Failure):
                if item.fatal:
                    raise item.error
                self._events.put(self._error_event(item.error, item.retry_in))
            else:
                self._look_at(item)
                last_frame = time.monotonic()
                stalls = 0

    def _look_at(self, frame):
        height, width = frame.image.shape[:2]
        self._seconds = frame.seconds
        if self._size != (width, height):
            self._size = (width, height)
            if self._filter is not None:
                self._filter.reset()
        region = self._region if self._tracker is None else self._tracker.region(width, height)
        measured = self.estimator(frame.image, region=region)
        sure = confidence(measured)
        change = None if self._tracker is None else self._tracker.update(measured)
        pose = measured if self._tracker is None or self._tracker.found else None
        if self._filter is not None:
            if pose is None:
                self._filter.reset()
            else:
                pose = self._filter(pose, frame.seconds, self._person_size(region))
        self._looked_at += 1
        if change == FOUND:
            self._events.put(FoundEvent(frame.index, frame.seconds, sure))
        elif change == LOST:
            self._events.put(LostEvent(frame.index, frame.seconds, sure))
        event = PoseEvent(
            frame=frame.index,
            seconds=frame.seconds,
            arrived=frame.arrived,
            latency=time.monotonic() - frame.arrived,
            size=(width, height),
            region=region,
            confidence=sure,
            pose=pose,
            measured=measured,
            image=frame.image if self._images else None,
        )
        self.newest = event
        self._events.put(event)

    def _person_size(self, region):
        """In pixels, for speeds: what the tracker says, else what is looked at."""
        if self._tracker is not None and self._tracker.person_size is not None:
            return self._tracker.person_size
        return float(max(self._size if region is None else region[2:]))

    def _error_event(self, error, retry_in=None, fatal=False):
        return ErrorEvent(self._seconds, error.message, error.hint, fatal, retry_in)

    def _fail(self, error):
        self._error = error
        self._events.put(self._error_event(error, fatal=True))


def _made(kind, settings, wanted, name):
    """``kind`` with ``wanted``: True for the defaults, False for None, or an instance of ``settings``."""
    if wanted is False:
        return None
    if wanted is True:
        return kind()
    if not isinstance(wanted, settings):
        raise UsageError("{} is True, False or a {}, not {!r}".format(name, settings.__name__, wanted))
    return kind(wanted)
