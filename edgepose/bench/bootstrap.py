"""Confidence intervals by resampling persons (Efron & Tibshirani 1993, percentile bootstrap).

Joints of one person are found or missed together, so persons are what is drawn, with replacement.
"""

from typing import NamedTuple

import numpy as np

RESAMPLES = 2000
LEVEL = 0.95
SEED = 20200409
_DRAWS_AT_ONCE = 1 << 22

#: Lowest and highest value of an interval.
Interval = NamedTuple("Interval", [("low", float), ("high", float)])


def share_intervals(numerators, denominators, resamples=RESAMPLES, seed=SEED):
    """95 % intervals of ``100 * sum(numerators) / sum(denominators)`` over persons, in percent.

    ``numerators`` and ``denominators``: [n, k], a line a person; one :class:`Interval` a column, all of the same draws,
    and ``None`` for a column whose denominators are all zero. For a paired difference of two models, give the
    differences of their hits as numerators. The same seed gives the same intervals.
    """
    numerators, denominators = np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)
    persons = len(numerators)
    draw = _draws(seed)
    sums, counts = [], []
    # In parts, so that memory stays bounded however many persons there are.
    part = max(1, _DRAWS_AT_ONCE // persons)
    for start in range(0, resamples, part):
        size = min(part, resamples - start)
        drawn = draw(persons, (size, persons)) + persons * np.arange(size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=size * persons).reshape(size, persons).astype(np.float64)
        sums.append(times.dot(numerators))
        counts.append(times.dot(denominators))
    return [_interval(*columns) for columns in zip(np.concatenate(sums).T, np.concatenate(counts).T)]


def _draws(seed):
    """``draw(below, shape)`` -> random integers; of an older generator where numpy is older than 1.17."""
    if hasattr(np.random, "Generator"):
        rng = np.random.Generator(np.random.PCG64(seed))
        return lambda below, shape: rng.integers(below, size=shape)
    return np.random.RandomState(seed).randint


def _interval(sums, counts):
    counted = counts > 0
    if not counted.any():
        return None
    shares = 100 * sums[counted] / counts[counted]
    low, high = np.percentile(shares, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return Interval(float(low), float(high))
