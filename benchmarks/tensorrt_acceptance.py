"""Does NVIDIA's parser and builder take what a Jetson bundle carries? Every variant, every precision."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks.bundles import ALL_VARIANTS, bundle_path
from benchmarks.results import Figure, Report
from benchmarks.tensorrt_rtx import PACKAGES, VARIABLE, build_in_rtx
from edgepose.conversion.export_torch_to_onnx import export_torch_to_onnx
from edgepose.conversion.hold_out import network_inputs, read_samples
from edgepose.conversion.lower_onnx_to_tensorrt import lower_onnx_to_tensorrt
from edgepose.conversion.optimise_onnx import optimise_onnx
from edgepose.conversion.pipeline import SYMMETRIC_FLOAT_SHARE
from edgepose.conversion.quantisation import calibrate, quantise
from edgepose.conversion.quantisation.mixed_precision import float_layers
from edgepose.evaluation.float_reference import find_reference
from edgepose.network.efficientpose import EfficientPose
from edgepose.network.variants import get_variant
from edgepose.runtime.bundle import Bundle
from edgepose.targets import get_target

# No weights of these are published: what is accepted is the graph.
WITHOUT_WEIGHTS = ("III", "IV")
# Of the target with the oldest parser, and of the one that takes types as they are.
UNTYPED, TYPED = "jetson-nano", "jetson-thor"
CALIBRATION_CROPS = 4


def run(bundles: Path, quick: bool) -> Report:
    """Build every graph; ``$EDGEPOSE_TENSORRT_RTX`` names the Python to do it in."""
    python = os.environ.get(VARIABLE)
    if not python:
        raise SystemExit(f"{VARIABLE} names no Python: make one with pip install {' '.join(PACKAGES)}")
    report = Report(
        "tensorrt_acceptance",
        "TensorRT: graphs accepted",
        "The ONNX of Jetson bundles in TensorRT-RTX 1.7.1 on a machine without a GPU: NVIDIA's own parser and strongly "
        "typed builder. float32 (for TensorRT 8, which makes it FP16 by a flag), typed in float16 (for 11), and Q/DQ. "
        "III and IV have random weights. It says that a graph is accepted and builds; nothing is run, and nothing "
        "of speed or size on a Jetson follows from it.",
    )
    variants: Sequence[str] = ("RT", "RT_LITE") if quick else (*ALL_VARIANTS, *WITHOUT_WEIGHTS)
    for variant in variants:
        print(f"  {variant}", flush=True)
        for name, build in build_in_rtx(python, _graphs(variant, _float_onnx(bundles, variant))).items():
            note = f"{build.layers} layers of {', '.join(build.types)}; {'; '.join(build.refusals + build.remarks)}"
            report.add(Figure(f"{variant}, {name}: built", int(build.built), "", at_least=1, note=note.rstrip("; ")))
            report.samples.setdefault(variant, {})[name] = asdict(build)
    return report


def _float_onnx(bundles: Path, variant: str) -> bytes:
    if variant in WITHOUT_WEIGHTS:
        torch.manual_seed(0)
        network = EfficientPose(get_variant(variant)).eval()
        return optimise_onnx(export_torch_to_onnx(network, get_variant(variant).resolution)).onnx
    reference = find_reference(Bundle.open(bundle_path(bundles, variant)))
    if reference is None:
        raise SystemExit("the float ONNX is not in the cache: run again without other conversions beside")
    return reference.engine_bytes()


def _graphs(variant: str, onnx: bytes) -> dict[str, bytes]:
    untyped, typed = (get_target(name).tensorrt for name in (UNTYPED, TYPED))
    assert untyped is not None
    assert typed is not None
    crops = read_samples("demo").calibration[:CALIBRATION_CROPS]
    calibration = calibrate(onnx, network_inputs(get_variant(variant), crops), symmetric=True)
    quantised = quantise(calibration, float_layers(calibration, SYMMETRIC_FLOAT_SHARE)).onnx
    return {
        "float32": lower_onnx_to_tensorrt(onnx, "fp32", untyped).onnx,
        "float16": lower_onnx_to_tensorrt(onnx, "fp16", typed).onnx,
        "Q/DQ": lower_onnx_to_tensorrt(quantised, "int8", untyped).onnx,
    }
