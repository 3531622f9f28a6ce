"""Post-training quantisation: a float graph and calibration images become a Q/DQ graph in int8.

Two steps, so that mixed precision can try several of the second on one of the first: :func:`calibrate` rewrites the
graph into the same function in a form that integers serve well, and chooses the range of every value;
:func:`quantise` writes them into the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgepose.conversion.complexity import node_macs
from edgepose.conversion.onnx_graph import OnnxGraph
from edgepose.conversion.quantisation.equalise import equalise, linear_values
from edgepose.conversion.quantisation.group_channels import group_channels, plan_groups
from edgepose.conversion.quantisation.insert_qdq import insert_qdq
from edgepose.conversion.quantisation.ranges import Range, choose_range
from edgepose.conversion.quantisation.sensitivity import channel_sensitivities
from edgepose.conversion.quantisation.smooth_activations import smooth_activations
from edgepose.conversion.quantisation.statistics import channel_extremes, histograms
from edgepose.conversion.quantisation.structure import quantised_values, swishes
from edgepose.conversion.run_onnx import run_onnx
from edgepose.runtime.errors import GateError

# Derivatives are steadier than ranges: a few images tell them.
SENSITIVITY_IMAGES = 16
CHECK_IMAGES = 2
# The rewrites only reorder float32 roundings. Heatmaps range over 0 to 1.
REWRITE_TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False)
class Calibration:
    """A float graph ready to be quantised.

    ``ranges`` of all activations; ``noise``: per value, the expected squared movement of a joint, in cells (one axis,
    the mean over joints), that rounding and clipping it cause. ``record``: what was done, for the manifest.
    """

    graph: OnnxGraph
    symmetric: bool
    ranges: dict[str, Range]
    noise: dict[str, float]
    record: dict[str, Any]


@dataclass(frozen=True)
class QuantisedOnnx:
    """Q/DQ ``onnx`` bytes and the share of multiply-adds that integers compute."""

    onnx: bytes
    integer_macs: float


def calibrate(
    onnx: bytes,
    images: Sequence[np.ndarray],
    symmetric: bool = False,
    calibrator: str = "sensitivity",
    step: Callable[[str], None] = lambda _: None,
) -> Calibration:
    """Prepare the float graph ``onnx`` with ``images``, float32 [1, 3, S, S] each, as the network takes them.

    ``symmetric`` for TensorRT, else for TFLite; ``calibrator`` is one of :data:`.CALIBRATORS`; ``step`` is told
    what begins. Raises :class:`GateError` where the rewritten graph computes something else.
    """
    graph = OnnxGraph.from_bytes(onnx)
    step("observing channels")
    extremes = channel_extremes(graph, images, [*quantised_values(graph), *sorted(linear_values(graph))])
    equalised = equalise(graph, extremes)
    record: dict[str, Any] = {"calibrator": calibrator, "crops": len(images), "equalised_channels": equalised}
    if symmetric:
        record["smoothed_inputs"] = smooth_activations(graph, extremes)
    step("measuring sensitivities")
    few = images[:: max(1, len(images) // SENSITIVITY_IMAGES)][:SENSITIVITY_IMAGES]
    sensitivities = channel_sensitivities(graph, few)
    if not symmetric:
        # What it looks at, the activations inside blocks, equalising has not changed.
        plans = plan_groups(graph, extremes, sensitivities)
        parts = group_channels(graph, plans)
        sensitivities |= {name: sensitivities[whole][channels] for name, (whole, channels) in parts.items()}
        record["grouped_blocks"] = sorted(plans)
    record["rewrite_max_abs"] = _check_rewrites(onnx, graph, images)
    ranges, noise = _choose_ranges(graph, images, sensitivities, symmetric, calibrator, step)
    return Calibration(graph, symmetric, ranges, noise, record)


def quantise(calibration: Calibration, float_nodes: Collection[str] = ()) -> QuantisedOnnx:
    """The Q/DQ graph of ``calibration``, with the nodes named in ``float_nodes`` left in float."""
    quantised = insert_qdq(calibration.graph, calibration.ranges, calibration.symmetric, float_nodes)
    macs, producers = node_macs(calibration.graph), quantised.producers()
    integer_macs = sum(
        macs[node.name]
        for node in quantised.nodes
        if node.operator == "Conv" and node.inputs[1] in producers  # weights of integers are restored from them
    )
    return QuantisedOnnx(quantised.to_bytes(), integer_macs / max(sum(macs.values()), 1))


def _check_rewrites(onnx: bytes, graph: OnnxGraph, images: Sequence[np.ndarray]) -> float:
    some = np.concatenate(images[:CHECK_IMAGES])
    difference = float(np.abs(run_onnx(graph.to_bytes(), some) - run_onnx(onnx, some)).max())
    if not difference <= REWRITE_TOLERANCE:
        raise GateError(
            f"the graph prepared for int8 differs from the float one by {difference:.2g}; "
            f"at most {REWRITE_TOLERANCE:g} is allowed",
            "convert at fp32 or fp16, and report this with the checkpoint",
        )
    return float(f"{difference:.3g}")


def _choose_ranges(
    graph: OnnxGraph,
    images: Sequence[np.ndarray],
    sensitivities: dict[str, np.ndarray],
    symmetric: bool,
    calibrator: str,
    step: Callable[[str], None],
) -> tuple[dict[str, Range], dict[str, float]]:
    shapes, known = graph.shapes(), swishes(graph)
    swished = {swish.product.output for swish in known.values()}
    values = quantised_values(graph, symmetric)
    step("observing ranges")
    extremes = channel_extremes(graph, images, values)
    # An input of a swish matters as much as its output does, once it has passed it.
    weights = {
        name: sensitivities.get(known[name].product.output if name in known else name, np.zeros(shapes[name][1]))
        for name in values
        if shapes[name][2:] != (1, 1)
    }
    seen = histograms(graph, images, extremes, weights)
    ranges: dict[str, Range] = {}
    noise: dict[str, float] = {}
    joints_and_axes = 2 * shapes[graph.outputs[0]][1]
    for name in values:
        if name in seen:
            chosen = choose_range(seen[name], calibrator, symmetric, name in known, name in swished)
            ranges[name] = chosen.range
            elements = float(seen[name].counts.sum()) / shapes[name][1]
            noise[name] = chosen.error / max(elements, 1) / joints_and_axes
        else:  # the few numbers of squeeze-and-excitation: nothing to clip
            ranges[name] = Range(*extremes.range_of(name))
    return (ranges if symmetric else _agree_on_ranges(graph, ranges)), noise


def _agree_on_ranges(graph: OnnxGraph, ranges: dict[str, Range]) -> dict[str, Range]:
    """One range for what a Concat joins, and one for both sides of an AveragePool: else a copy would change it."""
    agreed = dict(ranges)
    alike = [[*node.inputs, node.output] for node in graph.nodes if node.operator in ("Concat", "AveragePool")]
    while True:
        before = dict(agreed)
        for names in alike:
            union = agreed[names[0]]
            for name in names[1:]:
                union = union.union(agreed[name])
            agreed |= dict.fromkeys(names, union)
        if agreed == before:
            return agreed
