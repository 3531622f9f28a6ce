"""From what calibration images showed of a value to the range that its integers span: the calibrators.

``sensitivity`` is edgepose's own: the range in which rounding and clipping together move the joints least, by the
channels' sensitivities (:mod:`.sensitivity`). It knows swish: what that makes harmless does not count, and its lowest
value, where a large part of all activations lie, is given an integer of its own; a rounding error there would not
average out. The others are the usual ones, to compare with: ``percentile`` (the mean over images of each image's
0.01 and 99.99 percentiles), ``mse`` (least squared error), ``entropy`` (least Kullback-Leibler divergence, Migacz
2017) and ``minmax``.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from edgepose.conversion.quantisation.statistics import BINS, Histograms

# Between the least and the greatest int8; symmetric, the least goes unused.
STEPS = 255
# The widest first: of equal errors, the first counts.
_SHRINKINGS = np.geomspace(1.0, 0.03, 40)
# Where a swish ends for its input: below, it is flat, and clipping there moves its output by less than 0.15.
_SWISH_LOWS = np.linspace(-14.0, -3.0, 23)
# Where swish is lowest, and how low: x * sigmoid(x) with x = -1.2785.
SWISH_MINIMUM = -0.27846454
_MOST_STEPS_BELOW_ZERO = 64


class Range(NamedTuple):
    """What int8 spans: real numbers from ``low`` to ``high``, zero among them."""

    low: float
    high: float

    def union(self, other: Range) -> Range:
        """The smallest range that holds both."""
        return Range(min(self.low, other.low), max(self.high, other.high))


class ChosenRange(NamedTuple):
    """A range, and the weighted squared error over all images that rounding and clipping to it cause."""

    range: Range
    error: float


def choose_range(
    seen: Histograms, calibrator: str, symmetric: bool, before_swish: bool = False, after_swish: bool = False
) -> ChosenRange:
    """The range for a value that was ``seen`` so.

    ``symmetric``: as far below zero as above. ``before_swish``: nothing but a swish reads it. ``after_swish``: a swish
    computes it. ``calibrator`` is one of :data:`CALIBRATORS`.
    """
    if calibrator == "minmax":
        chosen = _whole(seen, symmetric)
    elif calibrator == "percentile":
        chosen = _proper(*seen.tails, symmetric)
    elif calibrator == "entropy":
        chosen = _entropy(seen, symmetric)
    elif calibrator == "mse":
        chosen = _least_error(seen, symmetric, False, seen.counts)
    elif after_swish and not symmetric:
        chosen = _on_swish_minimum(seen)
    else:
        chosen = _least_error(seen, symmetric, before_swish, seen.weighted)
    error = _error(seen, [chosen.low], [chosen.high], symmetric, before_swish, seen.weighted)
    return ChosenRange(chosen, float(error[0, 0]))


def _least_error(seen: Histograms, symmetric: bool, swish: bool, weights: np.ndarray) -> Range:
    lows, highs = _candidates(seen, symmetric, swish)
    errors = _error(seen, lows, highs, symmetric, swish, weights)
    if symmetric:  # one goes with the other
        errors = np.where(np.eye(len(lows), dtype=bool), errors, np.inf)
    low, high = np.unravel_index(errors.argmin(), errors.shape)
    return Range(float(lows[low]), float(highs[high]))


def _on_swish_minimum(seen: Histograms) -> Range:
    """The best of the ranges that hold the minimum of swish a whole number of steps below zero."""
    steps_below = np.arange(1, _MOST_STEPS_BELOW_ZERO + 1)
    highs = -SWISH_MINIMUM * (STEPS / steps_below - 1)
    # Finer than the numbers need is of no use.
    highs = highs[: max(1, int((highs >= _SHRINKINGS[-1] * seen.high).sum()))]
    errors = _error(seen, [SWISH_MINIMUM], highs, False, False, seen.weighted)[0]
    if errors.argmin() == 0:
        # One step below zero spans up to 70. Where more is needed, the minimum falls between two integers.
        free = _least_error(seen, False, False, seen.weighted)
        if free.high > highs[0]:
            return free
    return Range(SWISH_MINIMUM, float(highs[errors.argmin()]))


def _error(
    seen: Histograms,
    lows: Sequence[float] | np.ndarray,
    highs: Sequence[float] | np.ndarray,
    symmetric: bool,
    swish: bool,
    weights: np.ndarray,
) -> np.ndarray:
    """[lows, highs]: weighted squared errors, clipping exactly, rounding as a uniform error of one step.

    With ``swish``, the errors behind it.
    """
    numbers = seen.centres
    behind = _swish if swish else np.asarray
    slopes = _swish_slope(numbers) ** 2 if swish else np.ones(BINS)
    exact = behind(numbers)
    below = [weights.dot((behind(np.maximum(numbers, low)) - exact) ** 2) for low in lows]
    above = [weights.dot((behind(np.minimum(numbers, high)) - exact) ** 2) for high in highs]
    steps = (np.asarray(highs)[None, :] - np.asarray(lows)[:, None]) / (STEPS - 1 if symmetric else STEPS)
    return np.asarray(below)[:, None] + np.asarray(above)[None, :] + steps**2 / 12 * weights.dot(slopes)


def _whole(seen: Histograms, symmetric: bool) -> Range:
    return _proper(seen.low, seen.high, symmetric)


def _proper(low: float, high: float, symmetric: bool) -> Range:
    low, high = min(low, 0.0), max(high, 0.0)
    if symmetric:
        return Range(-max(-low, high), max(-low, high))
    return Range(low, high)


def _candidates(seen: Histograms, symmetric: bool, swish: bool) -> tuple[np.ndarray, np.ndarray]:
    """Lows and highs to try; symmetric, one goes with the other."""
    whole, inner = _whole(seen, symmetric), _proper(*seen.tails, symmetric)
    lows = whole.low * _SHRINKINGS
    if swish and not symmetric and whole.low < _SWISH_LOWS[-1]:
        lows = np.append(whole.low, _SWISH_LOWS[whole.low < _SWISH_LOWS])
    return np.append(lows, inner.low), np.append(whole.high * _SHRINKINGS, inner.high)


def _entropy(seen: Histograms, symmetric: bool) -> Range:
    """The clipped distribution against the one of its integers, over the same candidates as least squares."""
    counts, numbers = seen.counts, seen.centres
    best = (np.inf, _whole(seen, symmetric))
    lows, highs = _candidates(seen, symmetric, swish=False)
    pairs = zip(lows, highs, strict=True) if symmetric else itertools.product(lows, highs)
    for candidate in itertools.starmap(Range, pairs):
        step = (candidate.high - candidate.low) / (STEPS - 1 if symmetric else STEPS)
        inside = (numbers >= candidate.low) & (numbers <= candidate.high)
        if step <= 0 or not inside.any():
            continue
        level = np.clip(np.round((numbers - candidate.low) / step), 0, STEPS).astype(int)
        kept = np.bincount(level[inside], counts[inside], STEPS + 1)
        filled = np.bincount(level[inside & (counts > 0)], minlength=STEPS + 1)
        spread = np.where(filled > 0, kept / np.maximum(filled, 1), 0.0)[level] * (inside & (counts > 0))
        reference = np.where(inside, counts, 0.0)
        first, last = np.flatnonzero(inside)[[0, -1]]  # what is clipped is counted at the ends
        reference[first] += counts[:first].sum()
        reference[last] += counts[last + 1 :].sum()
        p, q = reference / reference.sum(), spread / max(spread.sum(), 1e-30)
        known = p > 0
        divergence = float((p[known] * np.log(p[known] / np.maximum(q[known], 1e-12))).sum())
        if divergence < best[0]:
            best = (divergence, candidate)
    return Range(float(best[1].low), float(best[1].high))


def _swish(numbers: np.ndarray) -> np.ndarray:
    return numbers / (1 + np.exp(-np.clip(numbers, -60, 60)))


def _swish_slope(numbers: np.ndarray) -> np.ndarray:
    gate = 1 / (1 + np.exp(-np.clip(numbers, -60, 60)))
    return gate * (1 + numbers * (1 - gate))
