"""What 16-bit floats lose on a Jetson: every weight and activation rounded, against the float ONNX."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.bundles import bundle_path
from benchmarks.comparison import compare, joints_found
from benchmarks.official_recipe import reference_dataset
from benchmarks.quantisation import (
    SIMULATED,
    Bounds,
    Candidate,
    Precision,
    add_candidate,
    onnx_bundle,
    predictions_of,
    upright,
)
from benchmarks.results import Report
from edgepose.conversion.lower_onnx_to_tensorrt import simulate_half
from edgepose.evaluation.datasets import PoseDataset
from edgepose.evaluation.float_reference import find_reference
from edgepose.runtime.bundle import Bundle

BOUNDS = Bounds(0.2, 0.2, 98)
HALF = Precision("half", "fp16 TensorRT", SIMULATED, BOUNDS, BOUNDS)


def run(bundles: Path, quick: bool, variants: Sequence[str]) -> Iterator[Report]:
    """A report for each of ``variants``."""
    dataset = reference_dataset().select(upright, "lspet-dev, upright")
    if quick:
        dataset = PoseDataset(dataset.name, dataset.records[::40])
    for variant in variants:
        yield _report(bundles, dataset, variant, bounded=not quick)


def _report(bundles: Path, dataset: PoseDataset, variant: str, bounded: bool) -> Report:
    report = Report(
        f"half-precision-{variant.lower().replace('_', '-')}",
        f"FP16 on a Jetson, {variant}",
        "What is lost against the float ONNX of the same checkpoint (ONNX Runtime) on the same crops of "
        f"{len(dataset.records)} upright persons (LSPET), still-image decoder; intervals are 95 %, paired, over "
        "persons. Host-simulated: ONNX Runtime rounds every weight and every activation to 16 bits and back, and "
        "sums in 32, as tensor cores do; a Jetson Nano or TX2 may sum in 16.",
    )
    float_bundle = find_reference(Bundle.open(bundle_path(bundles, variant)))
    if float_bundle is None:
        raise SystemExit("the float ONNX is not in the cache: run again without other conversions beside")
    half = simulate_half(float_bundle.engine_bytes())
    candidate = Candidate(HALF, [onnx_bundle(variant, "fp16", half, float_bundle.manifest.decoder.upsampling)])
    reference, *found = predictions_of(variant, float_bundle, candidate.bundles, dataset)
    counts = {name: row.tolist() for name, row in joints_found(reference).items()}
    report.samples |= {"conditions": reference.conditions(), "variant": variant, "float": counts}
    report.samples |= {"precisions": {}, "peers": {}}
    add_candidate(report, candidate, compare(found, reference), HALF.bounds(variant) if bounded else None)
    return report
