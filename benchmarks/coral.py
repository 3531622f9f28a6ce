"""Coral: what each variant asks of the Edge TPU, and what its int8 engine lost, exactly as ``convert`` writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.bundles import calibration_set, coral_bundle, is_lite
from benchmarks.comparison import compare
from benchmarks.official_recipe import reference_dataset
from benchmarks.quantisation import CROP_SCALE, INT8
from benchmarks.results import Figure, Report
from edgepose import PoseEstimator
from edgepose.evaluation.datasets import PersonRecord, PoseDataset
from edgepose.evaluation.float_reference import find_reference
from edgepose.evaluation.predictions import predict_all
from edgepose.runtime.bundle import Bundle

# The Lite variants are made for it; the others are beside them to compare.
VARIANTS = ("RT_LITE", "I_LITE", "II_LITE", "RT", "I")
# One in five is held out by the conversion.
CROPS = 160
MIB = 1 << 20


def run(bundles: Path, quick: bool) -> Report:
    """Convert :data:`VARIANTS` for ``coral-usb`` and compare each with its float model on the same crops."""
    dataset = reference_dataset().select(_upright, "lspet-dev, upright")
    crops = CROPS
    if quick:
        dataset, crops = PoseDataset(dataset.name, dataset.records[::40]), 20
    report = Report(
        "coral",
        "Coral",
        "Bundles of `--target coral-usb`: operators and memory are predicted by edgepose's static report (there was no "
        "compiler); losses against the float ONNX of the same checkpoint are host-simulated by LiteRT on the CPU, with "
        f"the still-image decoder, on {len(dataset.records)} upright persons (LSPET); calibrated with "
        f"{crops} other photographs, a fifth of them held out. A negative loss is a gain; intervals are 95 %, paired, "
        "over persons. No Edge TPU was at hand: no speed was measured.",
    )
    calibration = calibration_set(bundles, count=crops)
    for variant in VARIANTS:
        _add(report, variant, Bundle.open(coral_bundle(bundles, variant, calibration)), dataset, bounded=not quick)
    return report


def _add(report: Report, variant: str, bundle: Bundle, dataset: PoseDataset, bounded: bool) -> None:
    predicted: dict[str, Any] = bundle.manifest.measured["edgetpu"]["predicted"]
    memory, total = predicted["memory"], predicted["operators"]
    report.add(
        Figure(f"{variant}: operators", total, ""),
        Figure(f"{variant}: left to the CPU", total - predicted["mapped"], "", at_most=0 if is_lite(variant) else None),
        Figure(f"{variant}: parameters", memory["parameter_bytes"] / MIB, "MiB"),
        Figure(
            f"{variant}: largest activation",
            memory["largest_activation"]["elements"] / 1e6,
            "million",
            note=memory["activation_verdict"],
        ),
    )
    reference = find_reference(bundle)
    if reference is None:
        raise SystemExit("the float ONNX is not in the cache: run again without other conversions beside")

    def progress(done: int, count: int) -> None:
        if done % 100 == 0 or done == count:
            print(f"  {variant}: {done} of {count} persons", flush=True)

    with PoseEstimator(bundle, threads=1, allow_cpu=True) as ours, PoseEstimator(reference, threads=1) as floats:
        found, peer = predict_all([ours, floats], dataset, progress, CROP_SCALE)
    comparison = compare([found], peer)
    bounds = INT8.bounds(variant) if bounded and is_lite(variant) else None
    for name, loss, bound in (
        ("PCKh@50 lost", comparison.loss50, bounds and bounds.loss50),
        ("PCKh@10 lost", comparison.loss10, bounds and bounds.loss10),
    ):
        note = f"{loss.low:.2f} to {loss.high:.2f}"
        report.add(Figure(f"{variant}: {name}", loss.value, "points", at_most=bound, note=note))
    within = comparison.within01
    report.add(
        Figure(
            f"{variant}: joints within 0.1 head",
            within.value,
            "%",
            at_least=bounds and bounds.within01,
            note=f"{within.low:.2f} to {within.high:.2f}",
        )
    )
    report.samples[variant] = {
        "conditions": found.conditions(),
        "kind": "host-simulated",
        "predicted": predicted,
        **comparison.to_dict(),
    }


def _upright(record: PersonRecord) -> bool:
    return bool(record.upright) and record.source == "lspet"
