"""What building an engine will take on the board: estimated, from the graph."""

from __future__ import annotations

import math
from typing import NamedTuple

from edgepose.conversion.onnx_graph import OnnxGraph

# CUDA context, kernels and libraries of a TensorRT process on a Jetson, in MB: assumed, not measured.
LIBRARIES_MB = 800
# The builder starts with this much scratch memory at most, and halves it where that is too much.
WORKSPACE_MB = 256
BYTES = {"fp32": 4, "fp16": 2, "int8": 1}


class BuildEstimate(NamedTuple):
    """*Estimated* MB (10^6 bytes): the engine file, and the peak memory of the process that builds it."""

    engine_mb: float
    memory_mb: float

    def to_dict(self) -> dict[str, float | str]:
        """For the manifest."""
        return {"kind": "estimated", **{name: round(value, 1) for name, value in self._asdict().items()}}


def estimate_build(graph: OnnxGraph, precision: str) -> BuildEstimate:
    """The estimate for ``graph`` at ``precision``.

    The engine holds the weights; while it is built, the weights are there twice in float32 and once in the engine's
    type, beside the largest activations (twice, read and written), the workspace, and the libraries.
    """
    weights = sum(array.size for array in graph.constants.values())
    largest = max(math.prod(shape) for name, shape in graph.shapes().items() if name not in graph.constants)
    engine = weights * BYTES[precision]
    peak = 2 * 4 * weights + engine + 2 * 4 * largest
    return BuildEstimate(engine / 1e6, peak / 1e6 + WORKSPACE_MB + LIBRARIES_MB)
