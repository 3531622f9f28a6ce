"""From what calibration images showed of a value to the range that its integers span: the calibrators.

``sensitivity`` is edgepose's own: the range in which rounding and clipping together move the joints least, by the
channels' sensitivities (:mod:`.sensitivity`); what swish makes harmless does not count. The others are the usual ones,
to compare with: ``percentile`` (the mean over images of each image's 0.01 and 99.99 percentiles), ``mse`` (least
squared error), ``entropy`` (least Kullback-Leibler divergence, Migacz 2017) and ``minmax``.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from edgepose.conversion.quantisation.statistics import BINS, Histograms

CALIBRATORS = ("sensitivity", "percentile", "mse", "entropy", "minmax")
LEVELS = 255
PERCENTILE = 99.99
_SHRINKINGS = np.geomspace(0.03, 1.0, 40)
# Where a swish ends for its input: below, it is flat, and clipping there moves its output by less than 0.16.
_SWISH_LOWS = np.linspace(-3.0, -14.0, 23)


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


def choose_range(seen: Histograms, calibrator: str, symmetric: bool, before_swish: bool = False) -> ChosenRange:
    """The range for a value that was ``seen`` so.

    ``symmetric``: as far below zero as above. ``before_swish``: nothing but a swish reads it. ``calibrator`` is one of
    :data:`CALIBRATORS`.
    """
    swish = before_swish and calibrator == "sensitivity"
    if calibrator == "minmax":
        chosen = _whole(seen, symmetric)
    elif calibrator == "percentile":
        chosen = _percentile(seen, symmetric)
    elif calibrator == "entropy":
        chosen = _entropy(seen, symmetric)
    elif calibrator == "mse":
        chosen = _least_error(seen, symmetric, swish, seen.per_image.sum(axis=0, dtype=np.float64)).range
    else:
        return _least_error(seen, symmetric, swish, seen.weighted)
    return ChosenRange(chosen, _error(seen, [chosen.low], [chosen.high], symmetric, swish, seen.weighted)[0, 0])


def _least_error(seen: Histograms, symmetric: bool, swish: bool, weights: np.ndarray) -> ChosenRange:
    lows, highs = _candidates(seen, symmetric, swish)
    errors = _error(seen, lows, highs, symmetric, swish, weights)
    if symmetric:  # one goes with the other
        errors = np.where(np.eye(len(lows), dtype=bool), errors, np.inf)
    low, high = np.unravel_index(errors.argmin(), errors.shape)
    return ChosenRange(Range(float(lows[low]), float(highs[high])), float(errors[low, high]))


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
    steps = (np.asarray(highs)[None, :] - np.asarray(lows)[:, None]) / (LEVELS - 1 if symmetric else LEVELS)
    return np.asarray(below)[:, None] + np.asarray(above)[None, :] + steps**2 / 12 * weights.dot(slopes)


def _whole(seen: Histograms, symmetric: bool) -> Range:
    return _proper(seen.low, seen.high, symmetric)


def _proper(low: float, high: float, symmetric: bool) -> Range:
    low, high = min(low, 0.0), max(high, 0.0)
    if symmetric:
        return Range(-max(-low, high), max(-low, high))
    return Range(low, high)


def _candidates(seen: Histograms, symmetric: bool, swish: bool) -> tuple[np.ndarray, np.ndarray]:
    """Lows and highs to try."""
    whole = _whole(seen, symmetric)
    lows, highs = whole.low * _SHRINKINGS, whole.high * _SHRINKINGS
    if swish and not symmetric and whole.low < _SWISH_LOWS[0]:
        lows = _SWISH_LOWS[whole.low <= _SWISH_LOWS]
    return lows, highs


def _percentile(seen: Histograms, symmetric: bool) -> Range:
    shares = np.cumsum(seen.per_image, axis=1, dtype=np.float64)
    shares /= np.maximum(shares[:, -1:], 1)
    tail = 1 - PERCENTILE / 100
    low = seen.centres[(shares > tail).argmax(axis=1)].mean()
    high = seen.centres[(shares >= 1 - tail).argmax(axis=1)].mean()
    return _proper(float(low), float(high), symmetric)


def _entropy(seen: Histograms, symmetric: bool) -> Range:
    """The clipped distribution against the one of its integers, over the same candidates as least squares."""
    counts, numbers = seen.per_image.sum(axis=0).astype(np.float64), seen.centres
    best = (np.inf, _whole(seen, symmetric))
    lows, highs = _candidates(seen, symmetric, swish=False)
    pairs = zip(lows, highs, strict=True) if symmetric else itertools.product(lows, highs)
    for candidate in itertools.starmap(Range, pairs):
        step = (candidate.high - candidate.low) / LEVELS
        if step <= 0:
            continue
        level = np.clip(np.round((numbers - candidate.low) / step), 0, LEVELS).astype(int)
        inside = (numbers >= candidate.low) & (numbers <= candidate.high)
        clipped = np.bincount(level, counts, LEVELS + 1)
        kept = np.bincount(level[inside], counts[inside], LEVELS + 1)
        filled = np.bincount(level[inside & (counts > 0)], minlength=LEVELS + 1)
        spread = np.where(filled > 0, kept / np.maximum(filled, 1), 0.0)[level] * (inside & (counts > 0))
        reference = np.where(inside, counts, 0.0)
        for edge in (0, LEVELS):  # what is clipped is counted at the ends
            ends = np.flatnonzero(inside & (level == edge))
            if ends.size:
                reference[ends[0 if edge == 0 else -1]] += clipped[edge] - kept[edge]
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
