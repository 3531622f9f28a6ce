"""The thread that reads a source: it never waits for whoever looks at the frames, unless every frame is wanted."""

import threading
import time
from typing import NamedTuple, Optional

import numpy as np

from edgepose.runtime.errors import EdgeposeError, SourceError
from edgepose.runtime.preprocess import checked_frame
from edgepose.runtime.stream.capture import EndOfSource
from edgepose.runtime.stream.source_clock import SourceClock

FIRST_RETRY_S, LAST_RETRY_S = 0.25, 10.0
# After this long a camera that fails again is tried again soon.
GOOD_AFTER_S = 5.0

# ``index``: number among all frames that the source gave; ``seconds``: by :class:`SourceClock`; ``arrived``: by
# time.monotonic().
CapturedFrame = NamedTuple(
    "CapturedFrame", [("index", int), ("seconds", float), ("arrived", float), ("image", np.ndarray)]
)
# What went wrong. ``fatal``: nothing more will come. ``retry_in``: seconds until the source is opened again, or None.
Failure = NamedTuple("Failure", [("error", EdgeposeError), ("fatal", bool), ("retry_in", Optional[float])])


class CaptureThread(object):
    """Reads ``source`` (:class:`Source`) into ``queue`` (:class:`BoundedQueue`) until it ends or is stopped.

    The queue gets each :class:`CapturedFrame`, and each :class:`Failure` where it happened between them. A live
    source that fails is opened again, after a quarter of a second at first and ten at most; another ends. Frames that
    cannot be used are counted, and the first of several in a row reported.
    """

    def __init__(self, source, queue, reconnect=True):
        self._source = source
        self._queue = queue
        self._reconnect = reconnect and source.live
        self._stop = threading.Event()
        self._clock = SourceClock(source.live)
        self._in_garbage = False
        self.frames_read = 0
        self.frames_refused = 0
        self.reconnects = 0
        # A camera's driver may never return from a read: such a thread must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name="edgepose-capture", daemon=True)

    def start(self):
        """Begin to read."""
        self._thread.start()

    def stop(self):
        """Ask it to end, without waiting. It lets go of the source itself, when a read that it waits in returns."""
        self._stop.set()
        self._queue.close(discard=True)

    def join(self, timeout):
        """Wait for it to have ended. Returns whether it has."""
        if self._thread.ident is not None:  # started
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self):
        try:
            self._read_all()
        # Whatever a program's own iterator raises ends the stream with words, not silence.
        except Exception as error:
            self._queue.put(Failure(self._unforeseen(error), True, None))
        finally:
            self._queue.close()

    def _read_all(self):
        retry = FIRST_RETRY_S
        while not self._stop.is_set():
            opened = time.monotonic()
            try:
                self._read_until_it_fails()
                return
            except EndOfSource:
                if not self._reconnect:
                    return
                error = SourceError("{} gives no more frames".format(self._source.name))  # type: EdgeposeError
            except EdgeposeError as caught:
                error = caught
            # Drivers and a program's own cameras fail in their own ways; those too are tried again.
            except Exception as caught:
                if not self._reconnect:
                    raise
                error = self._unforeseen(caught)
            if self._stop.is_set():
                return
            if not self._reconnect:
                self._queue.put(Failure(error, True, None))
                return
            if time.monotonic() - opened >= GOOD_AFTER_S:
                retry = FIRST_RETRY_S
            self._queue.put(Failure(error, False, retry))
            self._stop.wait(retry)
            retry = min(2 * retry, LAST_RETRY_S)
            self.reconnects += 1

    def _read_until_it_fails(self):
        capture = self._source.open()
        try:
            while not self._stop.is_set():
                source_seconds, image = capture.read()
                arrived = time.monotonic()
                index = self.frames_read
                self.frames_read += 1
                seconds = self._clock.tick(source_seconds, arrived)
                try:
                    image = checked_frame(image)
                except SourceError as error:
                    self._refuse(index, error)
                    continue
                self._in_garbage = False
                if not self._queue.put(CapturedFrame(index, seconds, arrived, image)):
                    return
        finally:
            capture.close()

    def _unforeseen(self, error):
        return SourceError("reading {} failed: {}: {}".format(self._source.name, type(error).__name__, error))

    def _refuse(self, index, error):
        self.frames_refused += 1
        if not self._in_garbage:
            self._in_garbage = True
            words = "frame {} of {} cannot be used: {}".format(index, self._source.name, error.message)
            self._queue.put(Failure(SourceError(words, error.hint), False, None))
