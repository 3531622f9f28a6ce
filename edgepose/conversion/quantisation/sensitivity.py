"""How far a joint moves when a value inside the network is off: what decides where integers must be fine.

To first order, an error ``e`` in one element of a value moves joint ``j`` by ``J e`` cells along each axis, where
``J`` is the derivative of the place of the joint's peak. Near its peak a heatmap is a parabola, whose top lies at
``(h[x+1] - h[x-1]) / 2 / (2 h[x] - h[x+1] - h[x-1])``, so that ``J`` is one backward pass away. The curvature below
the fraction is taken for given: what errors do to it counts only where a peak lies between two cells, and weighing it
as well made no engine better. Rounding errors are independent; their effects add up as squares (as in the Fisher
weighting of Dong et al. 2019, "HAWQ"). The sum of ``J**2`` over joints and axes is estimated with random signs
(Hutchinson 1990).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from edgepose.conversion.onnx_graph import OnnxGraph
from edgepose.conversion.quantisation.torch_graph import TorchGraph, as_tensor
from edgepose.conversion.torch_evaluation import one_torch_thread

DRAWS = 2
SEED = 20200409
# Flat maps have no peak to speak of: their tops would move without end.
LEAST_CURVATURE = 0.02


def channel_sensitivities(graph: OnnxGraph, images: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
    """Per value, [channels]: cells squared that all joints move together, per unit of error variance in the channel.

    The error is one of independent draws for every element of the channel; the result is the mean over ``images``
    (float32 [1, 3, S, S]). Values that no joint depends on are left out.
    """
    network = TorchGraph(graph)
    generator = torch.Generator().manual_seed(SEED)
    squares = _GradientSquares()
    passes = 0
    with one_torch_thread():
        for image in images:
            tops = _peak_places(network(as_tensor(image).requires_grad_(), squares.watch)[0])
            for draw in range(DRAWS):
                signs = 2.0 * torch.randint(0, 2, tops.shape, generator=generator) - 1.0
                (signs * tops).sum().backward(retain_graph=draw < DRAWS - 1)
                passes += 1
    return {name: total / passes for name, total in squares.totals.items()}


class _GradientSquares:
    """Sums the squared derivatives by every value as a backward pass comes by: none is kept."""

    def __init__(self) -> None:
        self.totals: dict[str, np.ndarray] = {}

    def watch(self, name: str, value: Tensor) -> Tensor:
        """Remember the derivatives by ``value`` under ``name``, per channel."""

        def add(gradient: Tensor) -> None:
            self.totals[name] = self.totals.get(name, 0.0) + (gradient[0].double() ** 2).sum((1, 2)).numpy()

        value.register_hook(add)
        return value


def _peak_places(heatmaps: Tensor) -> Tensor:
    """Differentiable x and y [2, 16] of the peaks of ``heatmaps`` [16, h, w], in cells, up to a constant."""
    joints, height, width = heatmaps.shape
    with torch.no_grad():
        peaks = heatmaps.reshape(joints, -1).argmax(1)
        row, column = (peaks // width).clamp(1, height - 2), (peaks % width).clamp(1, width - 2)
    joint = torch.arange(joints)
    top = heatmaps[joint, row, column].detach()
    places = []
    for before, after in (
        (heatmaps[joint, row, column - 1], heatmaps[joint, row, column + 1]),
        (heatmaps[joint, row - 1, column], heatmaps[joint, row + 1, column]),
    ):
        curvature = (2 * top - before - after).detach().clamp_min(LEAST_CURVATURE)
        places.append((after - before) / 2 / curvature)
    return torch.stack(places)
