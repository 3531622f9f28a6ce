"""Confidence intervals by resampling persons (Efron & Tibshirani 1993, percentile bootstrap).

Joints of one person are found or missed together, so persons are what is drawn, with replacement.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

RESAMPLES = 2000
LEVEL = 0.95
SEED = 20200409
_DRAWS_AT_ONCE = 1 << 22


class Interval(NamedTuple):
    """Lowest and highest value of an interval."""

    low: float
    high: float


def share_interval(
    numerators: np.ndarray, denominators: np.ndarray, resamples: int = RESAMPLES, seed: int = SEED
) -> Interval:
    """95 % interval of ``100 * sum(numerators) / sum(denominators)`` over persons (both [n]), in percent.

    For a paired difference of two models, give the differences of their hits as numerators. The same seed
    gives the same interval. Some denominator must be positive.
    """
    hits, counted = (np.asarray(values)[:, None] for values in (numerators, denominators))
    (interval,) = share_intervals(hits, counted, resamples, seed)
    assert interval is not None
    return interval


def share_intervals(
    numerators: np.ndarray, denominators: np.ndarray, resamples: int = RESAMPLES, seed: int = SEED
) -> list[Interval | None]:
    """:func:`share_interval` of each column of ``numerators`` and ``denominators``, both [n, k], of the same draws.

    ``None`` for a column whose denominators are all zero.
    """
    numerators, denominators = np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)
    persons = len(numerators)
    rng = np.random.Generator(np.random.PCG64(seed))
    sums, counts = [], []
    # In parts, so that memory stays bounded however many persons there are.
    part = max(1, _DRAWS_AT_ONCE // persons)
    for start in range(0, resamples, part):
        size = min(part, resamples - start)
        drawn = rng.integers(persons, size=(size, persons)) + persons * np.arange(size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=size * persons).reshape(size, persons).astype(np.float64)
        sums.append(times @ numerators)
        counts.append(times @ denominators)
    return [_interval(*columns) for columns in zip(np.concatenate(sums).T, np.concatenate(counts).T, strict=True)]


def _interval(sums: np.ndarray, counts: np.ndarray) -> Interval | None:
    counted = counts > 0
    if not counted.any():
        return None
    shares = 100 * sums[counted] / counts[counted]
    low, high = np.quantile(shares, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))
