"""Calling something again and again, and keeping how long each call took.

Not aware of what it calls. A callable that does nothing measures the harness itself.

The first call comes apart: it pays for what an engine puts off until it is used. Then calls go on until they are
steady: the median of the last ``steady_window_calls`` differs from that of as many calls before them by at most
``steady_tolerance_percent``, or by ``steady_tolerance_us`` where that is more; or until ``max_warm_up_s`` have passed,
and the result says that it was not steady. Then they are measured, for ``min_duration_s`` *and* ``min_calls``.
Nothing is clipped: the samples of all three are kept.
"""

import gc
import time
from array import array
from typing import Dict, List, NamedTuple, Optional

from edgepose.bench.statistics import percentile
from edgepose.runtime.errors import UsageError

SINGLE_STREAM, SUSTAINED = "single_stream", "sustained"
PROGRESS_INTERVAL_S = 0.2
MAX_DURATION_S = 7 * 86400.0
MAX_CALLS = 5000000

Settings = NamedTuple(
    "Settings",
    [
        # 'single_stream': what one frame takes once calls are steady, each call when the one before it is done.
        # 'sustained': the same from the first call on, for as long as heat takes to show; nothing is warmed up before.
        ("scenario", str),
        ("max_warm_up_s", float),  # 0: no warm-up
        ("steady_window_calls", int),
        ("steady_tolerance_percent", float),
        ("steady_tolerance_us", float),
        ("min_duration_s", float),  # calls go on at least this long,
        ("min_calls", int),  # and at least this often,
        ("max_calls", int),  # but not more often than this, which bounds the samples kept
    ],
)
DEFAULT_SETTINGS = Settings(
    scenario=SINGLE_STREAM,
    max_warm_up_s=30.0,
    steady_window_calls=5,
    steady_tolerance_percent=5.0,
    steady_tolerance_us=50.0,
    min_duration_s=5.0,
    min_calls=20,
    max_calls=1000000,
)

# ``first`` {part: seconds} of the first call; ``warm_up``: seconds of the calls after it; ``steady``: whether they came
# to be (None without a warm-up). ``samples``: {part: array of seconds}; ``starts``: when each of these calls began, in
# seconds after ``started``, which is a time of the clock. ``duration``: seconds from there to the end of the last.
Measurement = NamedTuple(
    "Measurement",
    [
        ("first", Dict[str, float]),
        ("warm_up", List[float]),
        ("steady", Optional[bool]),
        ("samples", Dict[str, array]),
        ("starts", array),
        ("started", float),
        ("duration", float),
    ],
)


def sustained(minutes, settings=DEFAULT_SETTINGS):
    """``settings`` for a load of that many minutes. Raises :class:`UsageError` for a time that cannot be."""
    seconds = minutes * 60.0
    if not 0 < seconds <= MAX_DURATION_S:
        raise UsageError("a load of {:g} minutes cannot be measured".format(minutes), "up to a week")
    return settings._replace(scenario=SUSTAINED, max_warm_up_s=0.0, min_duration_s=seconds, max_calls=MAX_CALLS)


def measure(call, settings=DEFAULT_SETTINGS, clock=time.perf_counter, progress=None):
    """The :class:`Measurement` of ``call(n)``, n = 0, 1, 2 ...: of the whole call, and of each part that it reports.

    ``call`` may return a mapping from part to seconds, the same parts every time, or None. ``clock`` returns seconds.
    ``progress(phase, seconds, calls)`` is told, between calls and a few times a second, how far 'warm-up' or
    'measuring' is. The garbage collector waits while the clock runs. Raises :class:`UsageError` for settings that
    cannot be.
    """
    _require_possible(settings)
    collecting = gc.isenabled()
    try:
        first = _timed(call, 0, clock)[1]
        warm_up, steady = _warm_up(call, settings, clock, progress)
        samples = {"total": array("d")}
        starts = array("d")
        told = started = clock()
        number = 0
        while True:
            gc.disable()
            before = clock()
            parts = call(number)
            after = clock()
            if collecting:
                gc.enable()
            starts.append(before - started)
            samples["total"].append(after - before)
            if parts:
                for part, seconds in parts.items():
                    if part not in samples:
                        samples[part] = array("d")
                    samples[part].append(seconds)
            number += 1
            elapsed = after - started
            if progress is not None and after - told >= PROGRESS_INTERVAL_S:
                told = after
                progress("measuring", elapsed, number)
            if number >= settings.max_calls or (number >= settings.min_calls and elapsed >= settings.min_duration_s):
                break
    finally:
        if collecting:
            gc.enable()
    return Measurement(first, warm_up, steady, samples, starts, started, elapsed)


def _warm_up(call, settings, clock, progress):
    """(seconds of each call, whether they are steady) of calls that are not measured."""
    seconds = []  # type: List[float]
    if settings.max_warm_up_s == 0:
        return seconds, None
    window = settings.steady_window_calls
    told = started = clock()
    while True:
        seconds.append(_timed(call, len(seconds), clock)[0])
        now = clock()
        if len(seconds) >= 2 * window:
            earlier = percentile(seconds[-2 * window : -window], 50)
            later = percentile(seconds[-window:], 50)
            allowed = max(earlier * settings.steady_tolerance_percent / 100.0, settings.steady_tolerance_us / 1e6)
            if abs(later - earlier) <= allowed:
                return seconds, True
        if now - started >= settings.max_warm_up_s or len(seconds) >= settings.max_calls:
            return seconds, False
        if progress is not None and now - told >= PROGRESS_INTERVAL_S:
            told = now
            progress("warm-up", now - started, len(seconds))


def _timed(call, number, clock):
    """(seconds of ``call(number)``, {part: seconds} with the 'total' among them)."""
    collecting = gc.isenabled()
    gc.disable()
    before = clock()
    parts = call(number)
    seconds = clock() - before
    if collecting:
        gc.enable()
    return seconds, dict(parts or {}, total=seconds)


def _require_possible(settings):
    possible = (
        settings.scenario in (SINGLE_STREAM, SUSTAINED)
        and 0 <= settings.min_duration_s <= MAX_DURATION_S
        and 1 <= settings.min_calls <= settings.max_calls <= MAX_CALLS
        and 0 <= settings.max_warm_up_s <= MAX_DURATION_S
        and settings.steady_window_calls >= 1
    )
    if not possible:
        raise UsageError(
            "cannot measure with {}".format(settings), "durations are 0 to {:.0f} s".format(MAX_DURATION_S)
        )
