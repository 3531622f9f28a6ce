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
    gives the same interval.
    """
    numerators, denominators = np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)
    persons = len(numerators)
    rng = np.random.Generator(np.random.PCG64(seed))
    shares = []
    # In parts, so that memory stays bounded however many persons there are.
    part = max(1, _DRAWS_AT_ONCE // persons)
    for start in range(0, resamples, part):
        drawn = rng.integers(persons, size=(min(part, resamples - start), persons))
        counted = denominators[drawn].sum(1)
        shares.append(100 * numerators[drawn].sum(1)[counted > 0] / counted[counted > 0])
    low, high = np.quantile(np.concatenate(shares), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))
