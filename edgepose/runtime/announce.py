"""What a build says while it runs: to the logger 'edgepose.tensorrt', and on a terminal as a line that counts."""

import contextlib
import logging
import os
import sys
import threading
import time
from typing import Any, List  # noqa: F401 - in a type comment

from edgepose.runtime.progress_line import INTERVAL_S, WIDTH

LOGGER = "edgepose.tensorrt"
_terminal = []  # type: List[Any]


@contextlib.contextmanager
def announced():
    """Print on standard error what is announced in the block, though it be held back meanwhile. For command lines."""
    logger = logging.getLogger(LOGGER)
    try:
        stream = os.fdopen(os.dup(2), "w")
    except OSError:  # there is no standard error
        yield
        return
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s"))
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    _terminal.append(stream)
    try:
        yield
    finally:
        _terminal.remove(stream)
        logger.propagate = True
        logger.setLevel(level)
        logger.removeHandler(handler)
        stream.close()


class BuildProgress(object):
    """A line on the terminal: how long the build has run, and which phase it is in where TensorRT says so.

    Silent where there is no terminal. It is a context manager that wipes its line away.
    """

    def __init__(self, stream=None, clock=time.time):
        self._stream = stream or (_terminal[-1] if _terminal else sys.stderr)
        self._clock = clock
        self._phase = ""
        self._ended = threading.Event()
        self._thread = None

    def phase(self, words):
        """Name what it is doing."""
        self._phase = words

    def __enter__(self):
        self._started = self._clock()
        if self._stream.isatty():
            # TensorRT lets other threads run while it builds, and before 10 says nothing.
            self._thread = threading.Thread(target=self._show, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self._stream.write("\r" + " " * WIDTH + "\r")
            self._stream.flush()

    def _show(self):
        while not self._ended.wait(INTERVAL_S):
            words = "building for {:.0f} s{}".format(self._clock() - self._started, self._phase and ": " + self._phase)
            self._stream.write("\r" + words[:WIDTH].ljust(WIDTH))
            self._stream.flush()


def monitor_of(trt, progress):
    """A progress monitor of the module ``trt`` that tells ``progress``; None where this TensorRT has none (below 10).

    Its attribute ``interrupted`` is whether Ctrl-C or SIGTERM arrived in it: it then asks TensorRT to end the build.
    """
    if not hasattr(trt, "IProgressMonitor"):
        return None

    class Monitor(trt.IProgressMonitor):  # type: ignore[name-defined]
        """Follows the phases, innermost last."""

        def __init__(self):
            trt.IProgressMonitor.__init__(self)
            self.interrupted = None
            self._phases = []

        def phase_start(self, phase_name, parent_phase, num_steps):
            self._phases.append([phase_name, 0, num_steps])
            self._tell()

        def step_complete(self, phase_name, step):
            # An exception here would be printed by TensorRT and lost.
            try:
                for phase in self._phases:
                    if phase[0] == phase_name:
                        phase[1] = step + 1
                self._tell()
            except BaseException as error:
                self.interrupted = error
            return self.interrupted is None

        def phase_finish(self, phase_name):
            self._phases = [phase for phase in self._phases if phase[0] != phase_name]

        def _tell(self):
            progress.phase(", ".join("{} {}/{}".format(*phase) for phase in self._phases))

    return Monitor()
