"""Float graphs of small networks, as calibration sees them, and histograms with contents of one's choice."""

import numpy as np
from network_graphs import SIDE, small_graph
from small_graphs import noise

from edgepose.conversion.onnx_graph import OnnxGraph
from edgepose.conversion.quantisation.equalise import linear_values
from edgepose.conversion.quantisation.ranges import Range
from edgepose.conversion.quantisation.statistics import BINS, ChannelExtremes, Histograms, channel_extremes
from edgepose.conversion.quantisation.structure import quantised_values
from edgepose.conversion.run_onnx import run_onnx

IMAGES = [noise(1, 3, SIDE, SIDE, seed=seed) for seed in range(3)]


def float_graph(variant: str) -> OnnxGraph:
    """The optimised graph of a network with random weights, for images of ``SIDE``."""
    return OnnxGraph.from_bytes(small_graph(variant)[1].onnx)


def extremes_of(graph: OnnxGraph, images: list[np.ndarray] | None = None) -> ChannelExtremes:
    """The extremes of all values that a calibration looks at."""
    return channel_extremes(graph, images or IMAGES, [*quantised_values(graph), *sorted(linear_values(graph))])


def ranges_of(graph: OnnxGraph, images: list[np.ndarray] | None = None) -> dict[str, Range]:
    """Every value's whole range."""
    extremes = channel_extremes(graph, images or IMAGES, quantised_values(graph))
    return {name: Range(*extremes.range_of(name)) for name in quantised_values(graph)}


def outputs_of(graph: OnnxGraph, images: list[np.ndarray] | None = None) -> np.ndarray:
    """What ``graph`` computes for ``images``."""
    return run_onnx(graph.to_bytes(), np.concatenate(images or IMAGES))


def assert_same_outputs(graph: OnnxGraph, expected: np.ndarray, tolerance: float = 2e-6) -> None:
    """The function is what it was, up to ``tolerance`` of its largest output."""
    assert np.abs(outputs_of(graph) - expected).max() <= tolerance * max(1.0, np.abs(expected).max())


def histograms_of(numbers: np.ndarray, weights: np.ndarray | None = None) -> Histograms:
    """Histograms of one image that holds ``numbers``, each weighted by 1 or by its own of ``weights``."""
    low, high = float(numbers.min()), float(numbers.max())
    bins = np.clip(((numbers - low) / max(high - low, 1e-30) * BINS).astype(int), 0, BINS - 1)
    tails = np.quantile(numbers, [0.0001, 0.9999], method="inverted_cdf")
    counts = np.bincount(bins, minlength=BINS).astype(float)
    return Histograms(low, high, counts, np.bincount(bins, weights, BINS), tuple(tails.tolist()))
