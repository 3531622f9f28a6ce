"""Moves zero padding into the convolution that follows it, where it costs nothing."""

from __future__ import annotations

import numpy as np

from edgepose.conversion.onnx_graph import Node, OnnxGraph


def rewrite(graph: OnnxGraph) -> int:
    """Pad of height and width with zeros, then only Conv: let these pad. Returns how many Pads went."""
    merged = 0
    for pad in [node for node in graph.nodes if node.operator == "Pad"]:
        pads = _spatial_zero_pads(graph, pad)
        readers = graph.consumers().get(pad.output, [])
        movable = all(
            node.operator == "Conv"
            and node.inputs[0] == pad.output
            and node.attributes.get("auto_pad", b"NOTSET") in (b"NOTSET", b"VALID")
            for node in readers
        )
        if pads is None or not readers or not movable or pad.output in graph.outputs:
            continue
        for conv in readers:
            own = conv.attributes.get("pads", [0, 0, 0, 0])
            conv.attributes["pads"] = [int(mine + moved) for mine, moved in zip(own, pads, strict=True)]
            conv.attributes.pop("auto_pad", None)
        graph.bypass(pad, pad.inputs[0])
        merged += 1
    return merged


def _spatial_zero_pads(graph: OnnxGraph, pad: Node) -> list[int] | None:
    """Top, left, bottom, right; None where the node does anything but pad a rank-4 value with zeros there."""
    amounts = graph.constants.get(pad.inputs[1]) if len(pad.inputs) > 1 else None
    value = graph.constants.get(pad.inputs[2]) if len(pad.inputs) > 2 and pad.inputs[2] else np.zeros(())
    has_axes = len(pad.inputs) > 3 and bool(pad.inputs[3])
    if amounts is None or value is None or has_axes or pad.attributes.get("mode", b"constant") != b"constant":
        return None
    if amounts.shape != (8,) or amounts[[0, 1, 4, 5]].any() or (amounts < 0).any() or value.any():
        return None
    return amounts[[2, 3, 6, 7]].tolist()
