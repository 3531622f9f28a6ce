"""Muon (Jordan et al. 2024): momentum whose matrices are made orthogonal before each step.

A convolution counts as the matrix of what leaves it times what enters it. The step is scaled so that AdamW's rates
serve (Liu et al. 2025, "Muon is scalable for LLM training", section 2.2).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic iteration that pushes singular values towards 1
_ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """For kernels of two dimensions or more, but not for depthwise ones: those are no matrices."""

    def __init__(self, params: Iterable[Any], lr: float, momentum: float = 0.95, weight_decay: float = 0.0):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step along the orthogonalised momentum (Nesterov's)."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                momentum = state.setdefault("momentum", torch.zeros_like(parameter))
                momentum.lerp_(parameter.grad, 1 - group["momentum"])
                ahead = parameter.grad.lerp(momentum, group["momentum"]).flatten(1)
                scale = 0.2 * math.sqrt(max(ahead.shape))
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(orthogonalised(ahead).view_as(parameter), alpha=-group["lr"] * scale)


def orthogonalised(matrix: Tensor) -> Tensor:
    """A matrix [m, n] with the singular vectors of ``matrix`` and singular values of about 1."""
    a, b, c = _COEFFICIENTS
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = wide / (wide.norm() + 1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x if matrix.shape[0] <= matrix.shape[1] else x.T
