"""Timing two ways of doing one thing so that the machine's moods fall on both alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

# One way of doing a thing: what to call, and the inputs to call it on, one a round in turn.
Way = tuple[Callable[[Any], object], Sequence[Any]]


def interleave(ways: dict[str, Way], rounds: int, warm_up: int = 5) -> dict[str, list[float]]:
    """Call every way once a round and return the milliseconds of each call, ``rounds`` a way.

    The n-th call of every way gets its n-th input, so that all see the same scene. The order turns round by
    round (ABBA), which cancels drifts of the clock frequency; the collector is off while the clock runs.
    """
    order = list(ways)
    samples: dict[str, list[float]] = {name: [] for name in order}
    for number in range(-warm_up, rounds):
        for name in order if number % 2 == 0 else reversed(order):
            call, inputs = ways[name]
            given = inputs[number % len(inputs)]
            gc.disable()
            start = time.perf_counter_ns()
            call(given)
            elapsed = time.perf_counter_ns() - start
            gc.enable()
            if number >= 0:
                samples[name].append(round(elapsed / 1e6, 4))
    return samples


def median(samples: list[float]) -> float:
    """Median of the samples."""
    return statistics.median(samples)


def ratio_of_medians(slower: list[float], faster: list[float]) -> tuple[float, tuple[float, float]]:
    """How many times faster ``faster`` is, by medians, and the 95 % interval of that ratio over rounds."""
    both = np.array([slower, faster])
    rng = np.random.Generator(np.random.PCG64(0))
    drawn = np.median(both[:, rng.integers(both.shape[1], size=(1000, both.shape[1]))], axis=2)
    low, high = np.quantile(drawn[0] / drawn[1], [0.025, 0.975])
    return median(slower) / median(faster), (float(low), float(high))
