"""One clock for a stream, whatever its source's clock does: it always goes forwards, at about the speed of time."""

from typing import Optional  # noqa: F401 - in a type comment

# A live source whose clock strays this far from ours within one step has been set, or began anew.
MAX_STRAY_S = 1.0
# Files tell positions; a longer step than this is a damaged one.
MAX_FILE_STEP_S = 3600.0
DEFAULT_STEP_S = 1 / 25.0


class SourceClock(object):
    """Seconds of a stream, 0 at its first frame, that never stand still or run back.

    A step is the source's own where it is plausible: for live sources it must agree with the time that passed here
    to a second. Otherwise it is the time that passed here (live), or the last good step (files and iterators).
    """

    def __init__(self, live):
        self._live = live
        self._source = None  # type: Optional[float]
        self._arrived = None  # type: Optional[float]
        self._step = DEFAULT_STEP_S
        self._seconds = 0.0

    def tick(self, source_seconds, arrived):
        """Seconds of the frame that the source dates ``source_seconds`` (or None) and that came at ``arrived``.

        ``arrived`` is by ``time.monotonic()``.
        """
        source_seconds = _number(source_seconds)
        if self._arrived is not None:
            passed = arrived - self._arrived
            step = self._source_step(source_seconds, passed)
            if step is not None:
                self._step = step
            elif self._live and passed > 0:
                step = passed
            else:
                step = self._step
            self._seconds += step
        self._source, self._arrived = source_seconds, arrived
        return self._seconds

    def _source_step(self, source_seconds, passed):
        """What the source says has passed since its last frame, where that can be."""
        if source_seconds is None or self._source is None:
            return None
        step = source_seconds - self._source
        possible = abs(step - passed) <= MAX_STRAY_S if self._live else step <= MAX_FILE_STEP_S
        return step if step > 0 and possible else None


def _number(seconds):
    """``seconds`` as a finite float, or None."""
    try:
        seconds = float(seconds)
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if abs(seconds) < float("inf") else None
