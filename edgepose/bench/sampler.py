"""Sensors read beside a measurement, in a thread of their own, on the clock of the latencies.

A thread, because what is read between two calls is read while the engine rests: power and load would come out too low.
Engines let other threads run while they compute. A round that takes long makes the next one wait, so that reading costs
at most a fiftieth of the time.
"""

import threading
import time
from typing import List, Optional  # noqa: F401 - in type comments

INTERVAL_S = 0.5
LARGEST_SHARE = 0.02


class Sampler(object):
    """Reads ``sensors`` every ``interval_s`` between entering and leaving it; a context manager.

    ``times`` are seconds of ``clock``, ``took`` the seconds that each round took, ``values`` a list for each sensor,
    None where it could not be read. All have one entry a round, and there are at least two: the first and the last.
    """

    def __init__(self, sensors, interval_s=INTERVAL_S, clock=time.perf_counter):
        self.sensors = sensors
        self.times = []  # type: List[float]
        self.took = []  # type: List[float]
        self.values = [[] for _ in sensors]  # type: List[List[Optional[float]]]
        self.interval_s = interval_s
        self._clock = clock
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._read()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        self._read()

    def _run(self):
        while not self._over.wait(max(self.interval_s, self.took[-1] / LARGEST_SHARE)):
            self._read()

    def _read(self):
        before = self._clock()
        values = [sensor.read() for sensor in self.sensors]
        self.times.append(before)
        self.took.append(self._clock() - before)
        for column, value in zip(self.values, values):
            column.append(value)
