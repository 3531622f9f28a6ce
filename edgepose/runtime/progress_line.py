"""One line on a terminal that says how far a long run is."""

import sys
import time

# Shorter work needs no line.
PATIENCE_S = 2.0
INTERVAL_S = 0.2
WIDTH = 79


class ProgressLine(object):
    """Call it with each :class:`edgepose.runtime.run.Progress`; silent where ``stream`` is no terminal.

    It is a context manager that wipes its line away.
    """

    def __init__(self, stream=None, clock=time.time):
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._started = self._shown = clock()
        self._frames = 0
        self._drawn = False
        self._enabled = self._stream.isatty()

    def __call__(self, progress):
        """Take note of one more frame, and show it where enough time has passed."""
        self._frames += 1
        now = self._clock()
        if not self._enabled or now - self._started < PATIENCE_S or now - self._shown < INTERVAL_S:
            return
        self._shown = now
        self._drawn = True
        words = "{:.1f} frames/s".format(self._frames / (now - self._started))
        if progress.frames is None or progress.frames > 1:
            words = "frame {}{}, {}".format(
                progress.frame, "" if progress.frames is None else " of {}".format(progress.frames), words
            )
        if progress.sources > 1:
            words = "{} of {}: {}".format(progress.number, progress.sources, words)
        self._stream.write("\r" + words[:WIDTH].ljust(WIDTH))
        self._stream.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._drawn:
            self._stream.write("\r" + " " * WIDTH + "\r")
            self._stream.flush()
