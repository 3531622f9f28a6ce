"""How far a bench is, for whoever waits for it."""

import sys
import time

PATIENCE_S = 2.0
WIDTH = 79


class BenchLine(object):
    """One line on a terminal; silent where ``stream`` is none. A context manager that wipes its line away."""

    def __init__(self, stream=None, clock=time.time):
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._started = clock()
        self._drawn = False
        self._enabled = self._stream.isatty()

    def __call__(self, phase, done, total):
        """Show that ``done`` of ``total`` is done (seconds; persons of 'drift'), once the wait is long."""
        if self._enabled and self._clock() - self._started >= PATIENCE_S:
            self._drawn = True
            self._stream.write("\r" + progress_words(phase, done, total)[:WIDTH].ljust(WIDTH))
            self._stream.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._drawn:
            self._stream.write("\r" + " " * WIDTH + "\r")
            self._stream.flush()


def progress_words(phase, done, total):
    """As in 'measuring: 3 of 60 s'."""
    unit = "persons" if phase == "drift" else "s"
    return "{}: {:.0f}{} {}".format(phase, done, "" if total is None else " of {:.0f}".format(total), unit)
