"""Write the manifest of a bundle from what the pipeline knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgepose.network.variants import HEATMAP_STRIDE, Variant
from edgepose.runtime.joints import JOINTS
from edgepose.runtime.manifest import SCHEMA
from edgepose.version import __version__

# The engine formats of this half: archive member and tensor layout.
ENGINE_MEMBERS = {
    "tflite": "engine.tflite",
    "onnx": "engine.onnx",
    "edgetpu": "engine.tflite",
    "tensorrt": "engine.onnx",
}
LAYOUTS = {"tflite": "NHWC", "onnx": "NCHW", "edgetpu": "NHWC", "tensorrt": "NCHW"}
# Names that every engine's tensors carry.
INPUT_NAME = "image"
OUTPUT_NAME = "heatmaps"
# The still-image decoder of the official project smooths the full map with this sigma, in pixels.
OFFICIAL_SIGMA = 1.0


def manifest_document(
    *,
    name: str,
    variant: Variant,
    target: str,
    precision: str,
    engine_format: str,
    upsampling: int,
    macs: int,
    provenance: dict[str, Any],
    measured: dict[str, Any],
    input_steps: Sequence[float] | None = None,
    output_steps: Sequence[float] | None = None,
    build: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A manifest document without its ``members`` table. ``upsampling`` is what the decoder has left to do.

    ``input_steps`` and ``output_steps``: scale and zero point where the engine's input or output is int8.
    ``build``: how a board builds its engine, for the format ``tensorrt``.
    """
    side = variant.resolution
    cells = side // HEATMAP_STRIDE if upsampling > 1 else side
    layout = LAYOUTS[engine_format]
    return {
        "schema": SCHEMA,
        "edgepose": __version__,
        "name": name,
        "variant": variant.name,
        "target": target,
        "precision": precision,
        "engine": {
            "format": engine_format,
            "member": ENGINE_MEMBERS[engine_format],
            "input": _tensor(INPUT_NAME, 3, side, layout, input_steps),
            "output": _tensor(OUTPUT_NAME, len(JOINTS), cells, layout, output_steps),
            "macs": macs,
            **({} if build is None else {"build": build}),
        },
        "preprocessing": {
            "mode": "letterbox",
            "channels": "RGB",
            "scale": list(variant.normalisation.scale),
            "offset": list(variant.normalisation.offset),
        },
        "decoder": {
            "upsampling": upsampling,
            "sigma": OFFICIAL_SIGMA,
            "default": "official",
            "joints": list(JOINTS),
        },
        "provenance": provenance,
        "measured": measured,
    }


def _tensor(name: str, channels: int, side: int, layout: str, steps: Sequence[float] | None) -> dict[str, Any]:
    shape = [1, side, side, channels] if layout == "NHWC" else [1, channels, side, side]
    scale, zero_point = (None, None) if steps is None else (float(steps[0]), int(steps[1]))
    dtype = "float32" if steps is None else "int8"
    return {
        "name": name,
        "shape": shape,
        "layout": layout,
        "dtype": dtype,
        "scale": scale,
        "zero_point": zero_point,
    }
