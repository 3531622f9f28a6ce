"""Rewrites a simplified graph into the form that engines run fastest, without changing what it computes."""

from __future__ import annotations

from typing import NamedTuple

from edgepose.conversion.onnx_graph import OnnxGraph
from edgepose.conversion.rewrites import (
    compose_convolutions,
    drop_reshapes,
    fold_batch_norm,
    fold_scales,
    merge_padding,
    split_channels,
    tidy_names,
)

# In this order; the first three find little to do after onnxsim, and everything where it failed.
REWRITES = {
    "paddings merged": merge_padding.rewrite,
    "batch normalisations folded": fold_batch_norm.rewrite,
    "reshapes dropped": drop_reshapes.rewrite,
    "scales folded": fold_scales.rewrite,
}
# What makes XNNPACK's float kernels faster and would make an int8 engine less exact (its sums round once a part).
XNNPACK_REWRITES = {
    "convolutions composed": compose_convolutions.rewrite,
    "channels split": split_channels.rewrite,
}


class OptimisedOnnx(NamedTuple):
    """``onnx`` bytes, and at how many places each rewrite acted, by name."""

    onnx: bytes
    rewrites: dict[str, int]


def optimise_onnx(onnx: bytes) -> OptimisedOnnx:
    """Apply every rewrite to a one-input, one-output float graph: the same function up to float32 rounding.

    The result is canonical: opset 13 where its operators allow, readable names, no unused constants. Raises
    :class:`ConversionError` where the bytes are not a sound graph.
    """
    graph = OnnxGraph.from_bytes(onnx)
    counts = {}
    for name, rewrite in REWRITES.items():
        counts[name] = rewrite(graph)
        graph.prune()
    graph.make_portable()
    tidy_names.rewrite(graph)
    return OptimisedOnnx(graph.to_bytes(), counts)


def optimise_for_xnnpack(onnx: bytes) -> OptimisedOnnx:
    """Reshape an optimised float graph for the TFLite engine alone: the same function up to float32 rounding.

    Not for graphs that are quantised afterwards, nor for ONNX Runtime, whose layout of activations is another one.
    """
    graph = OnnxGraph.from_bytes(onnx)
    counts = {}
    for name, rewrite in XNNPACK_REWRITES.items():
        counts[name] = rewrite(graph)
        graph.prune()
    return OptimisedOnnx(graph.to_bytes(), counts)
