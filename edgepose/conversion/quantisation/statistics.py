"""What calibration images tell of the values of a graph: channel extremes and histograms, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from edgepose.conversion.onnx_graph import OnnxGraph
from edgepose.conversion.quantisation.observe import observe

BINS = 2048
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
    """Histograms of one value over its range, :data:`BINS` bins.

    ``per_image`` [images, bins]: how often. ``weighted`` [bins]: the sum over images, each number weighted by the
    sensitivity of its channel.
    """

    low: float
    high: float
    per_image: np.ndarray
    weighted: np.ndarray

    @property
    def centres(self) -> np.ndarray:
        """The number each bin stands for [bins]."""
        return self.low + (np.arange(BINS) + 0.5) * ((self.high - self.low) / BINS)


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
    per_image: dict[str, list[np.ndarray]] = {name: [] for name in weights}
    weighted = {name: np.zeros(BINS) for name in weights}
    for arrays in observe(graph, images, weights):
        for name, array in arrays.items():
            low, high = extremes.range_of(name)
            step = 2 if array.shape[3] >= DENSE_SIDE else 1
            bins = _bins(array[0, :, ::step, ::step], low, high)
            per_image[name].append(np.bincount(bins.reshape(-1), minlength=BINS).astype(np.float32))
            each = np.repeat(weights[name], bins.shape[1])
            weighted[name] += np.bincount(bins.reshape(-1), each, minlength=BINS)
    return {name: Histograms(*extremes.range_of(name), np.stack(per_image[name]), weighted[name]) for name in weights}


def _bins(array: np.ndarray, low: float, high: float) -> np.ndarray:
    """[channels, h * w]: the bin of each number of ``array`` [channels, h, w]."""
    scale = np.float32((BINS - 1e-2) / max(high - low, 1e-30))
    bins = ((array - np.float32(low)) * scale).astype(np.intp)
    return np.clip(bins, 0, BINS - 1, out=bins).reshape(array.shape[0], -1)
