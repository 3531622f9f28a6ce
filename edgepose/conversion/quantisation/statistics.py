"""What calibration images tell of the values of a graph: channel extremes and histograms, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from edgepose.conversion.onnx_graph import OnnxGraph
from edgepose.conversion.quantisation.observe import observe

BINS = 2048
# What lies beyond, at either end, is taken for outliers by those who clip at percentiles.
PERCENTILE = 99.99
# Maps at least this wide are histogrammed at every second row and column: neighbours there are nearly equal.
DENSE_SIDE = 56


class ChannelExtremes(NamedTuple):
    """``low`` and ``high``: per value [images, channels], the extremes of each channel in each image."""

    low: dict[str, np.ndarray]
    high: dict[str, np.ndarray]

    def range_of(self, value: str) -> tuple[float, float]:
        """Lowest and highest number over all images and channels."""
        return float(self.low[value].min()), float(self.high[value].max())

    def magnitude(self, value: str) -> np.ndarray:
        """Per channel [channels], the mean over images of the largest absolute number."""
        return np.maximum(-self.low[value], self.high[value]).mean(axis=0)


class Histograms(NamedTuple):
    """Histograms of one value over its range and all images, :data:`BINS` bins.

    ``counts`` [bins]: how often. ``weighted`` [bins]: the same, each number weighted by the sensitivity of its channel.
    ``tails``: the means over images of each image's 0.01 and 99.99 percentile, to a bin.
    """

    low: float
    high: float
    counts: np.ndarray
    weighted: np.ndarray
    tails: tuple[float, float]

    @property
    def centres(self) -> np.ndarray:
        """The number each bin stands for [bins]."""
        return _centres(self.low, self.high)


def channel_extremes(graph: OnnxGraph, images: Iterable[np.ndarray], values: Iterable[str]) -> ChannelExtremes:
    """The extremes of ``values`` (rank 4, [1, channels, h, w]) over ``images``."""
    low: dict[str, list[np.ndarray]] = {}
    high: dict[str, list[np.ndarray]] = {}
    for arrays in observe(graph, images, values):
        for name, array in arrays.items():
            low.setdefault(name, []).append(array[0].min(axis=(1, 2)))
            high.setdefault(name, []).append(array[0].max(axis=(1, 2)))
    return ChannelExtremes(
        {name: np.stack(rows) for name, rows in low.items()}, {name: np.stack(rows) for name, rows in high.items()}
    )


def histograms(
    graph: OnnxGraph,
    images: Iterable[np.ndarray],
    extremes: ChannelExtremes,
    weights: dict[str, np.ndarray],
) -> dict[str, Histograms]:
    """Histograms of the values in ``weights`` (a weight a channel, [channels]) over ``images``."""
    counts = {name: np.zeros(BINS) for name in weights}
    weighted = {name: np.zeros(BINS) for name in weights}
    tails: dict[str, list[tuple[float, float]]] = {name: [] for name in weights}
    for arrays in observe(graph, images, weights):
        for name, array in arrays.items():
            low, high = extremes.range_of(name)
            step = 2 if array.shape[3] >= DENSE_SIDE else 1
            bins = _bins(array[0, :, ::step, ::step], low, high)
            found = np.bincount(bins.reshape(-1), minlength=BINS)
            counts[name] += found
            each = np.repeat(weights[name], bins.shape[1])
            weighted[name] += np.bincount(bins.reshape(-1), each, minlength=BINS)
            tails[name].append(_percentiles(found, _centres(low, high)))
    return {
        name: Histograms(
            *extremes.range_of(name), counts[name], weighted[name], tuple(np.mean(tails[name], axis=0).tolist())
        )
        for name in weights
    }


def _centres(low: float, high: float) -> np.ndarray:
    return low + (np.arange(BINS) + 0.5) * ((high - low) / BINS)


def _percentiles(counts: np.ndarray, centres: np.ndarray) -> tuple[float, float]:
    """The numbers that all but a tail of 0.01 percent of ``counts`` lie above, and below."""
    shares = np.cumsum(counts) / counts.sum()
    tail = 1 - PERCENTILE / 100
    return float(centres[(shares > tail).argmax()]), float(centres[(shares >= 1 - tail).argmax()])


def _bins(array: np.ndarray, low: float, high: float) -> np.ndarray:
    """[channels, h * w]: the bin of each number of ``array`` [channels, h, w]."""
    scale = np.float32((BINS - 1e-2) / max(high - low, 1e-30))
    bins = ((array - np.float32(low)) * scale).astype(np.intp)
    return np.clip(bins, 0, BINS - 1, out=bins).reshape(array.shape[0], -1)
