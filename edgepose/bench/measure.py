"""Calling something again and again, and keeping how long each call took.

Not aware of what it calls. A callable that does nothing measures the harness itself.
"""

import gc
import time
from typing import Dict, List, NamedTuple  # noqa: F401 - in a type comment

from edgepose.runtime.errors import UsageError

Settings = NamedTuple(
    "Settings",
    [
        ("warm_up_calls", int),  # thrown away: caches fill, clocks rise
        ("min_duration_s", float),  # calls go on at least this long,
        ("min_calls", int),  # and at least this often,
        ("max_calls", int),  # but not more often than this, which bounds the samples kept
    ],
)
DEFAULT_SETTINGS = Settings(warm_up_calls=5, min_duration_s=5.0, min_calls=20, max_calls=1000000)


def measure(call, settings=DEFAULT_SETTINGS, clock=time.perf_counter):
    """Samples of ``call(n)``, n = 0, 1, 2 ...: ``{"total": [seconds, ...]}``, and a list for each part it reports.

    ``call`` may return a mapping from part to seconds, the same parts every time, or None. ``clock`` returns seconds.
    The garbage collector waits while the clock runs. Raises :class:`UsageError` for settings that cannot be.
    """
    if not (settings.min_duration_s >= 0 and 1 <= settings.min_calls <= settings.max_calls):
        raise UsageError("cannot measure with {}".format(settings))
    for number in range(settings.warm_up_calls):
        call(number)
    samples = {"total": []}  # type: Dict[str, List[float]]
    collecting = gc.isenabled()
    started = clock()
    try:
        for number in range(settings.max_calls):
            gc.disable()
            before = clock()
            parts = call(number)
            after = clock()
            if collecting:
                gc.enable()
            samples["total"].append(after - before)
            for part, seconds in (parts or {}).items():
                samples.setdefault(part, []).append(seconds)
            if number + 1 >= settings.min_calls and after - started >= settings.min_duration_s:
                break
    finally:
        if collecting:
            gc.enable()
    return samples
