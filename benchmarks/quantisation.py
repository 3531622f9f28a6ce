"""Accuracy of every precision: what its engine lost against the float one of the same checkpoint."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.bundles import ALL_VARIANTS, CALIBRATION_CROPS, TFLITE_VARIANTS, bundle_path, calibration_set, is_lite
from benchmarks.comparison import Comparison, Estimate, compare, joints_found
from benchmarks.footprint import run_child
from benchmarks.official_recipe import reference_dataset
from benchmarks.results import Figure, Report
from benchmarks.simulation import SimulatedEstimator
from edgepose import PoseEstimator
from edgepose.calibration import open_calibration_set
from edgepose.conversion.hold_out import network_inputs
from edgepose.conversion.lower_onnx_to_tflite import TfliteModel, lower_onnx_to_tflite
from edgepose.conversion.manifest_writer import manifest_document
from edgepose.conversion.optimise_onnx import optimise_for_xnnpack
from edgepose.conversion.probe_writer import bundle_in_memory
from edgepose.conversion.quantisation import Calibration, QuantisedOnnx, calibrate, quantise
from edgepose.conversion.quantisation.mixed_precision import float_layers
from edgepose.evaluation.datasets import PersonRecord, PoseDataset
from edgepose.evaluation.float_reference import find_reference
from edgepose.evaluation.predictions import Predictions, predict_all
from edgepose.network.variants import get_variant
from edgepose.runtime.bundle import Bundle

# The large ones take minutes a seed.
SEEDS = {variant: 1 if variant in TFLITE_VARIANTS else 3 for variant in ALL_VARIANTS}
CROP_SCALE = 1.0
THREADS = 2
# Shares of the multiply-adds that may be left in float. Symmetric integers of an activation have half the levels.
FLOAT_SHARES = {"mixed": 0.1, "symmetric": 0.05}
LEAST_INTEGER_PERCENT = 90
PEERS = ("minmax", "percentile", "mse", "entropy")
PEERS_OF = "RT"
CALIBRATION_S = 60.0
CALIBRATION_MB = 1000.0
MEASURED, SIMULATED = "measured", "host-simulated"

# Times a calibration and quantisation, the imports done. Arguments: ONNX file, calibration set, variant.
CALIBRATE = """
import json, sys, time
import onnxruntime, torch
from pathlib import Path
from edgepose.calibration import open_calibration_set
from edgepose.conversion.hold_out import network_inputs
from edgepose.conversion.quantisation import calibrate, quantise
from edgepose.network.variants import get_variant

def kilobytes(field):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(field))

before = kilobytes("VmRSS")
onnx = Path(sys.argv[1]).read_bytes()
start = time.monotonic()
images = network_inputs(get_variant(sys.argv[3]), open_calibration_set(sys.argv[2]).crops())
quantised = quantise(calibrate(onnx, images))
seconds = time.monotonic() - start
print(json.dumps({"seconds": seconds, "crops": len(images), "growth_kb": kilobytes("VmHWM") - before}))
"""


@dataclass(frozen=True)
class Bounds:
    """What a precision must keep: points of PCKh@50 and @10 that it may lose, percent of joints that must agree."""

    loss50: float
    loss10: float
    within01: float


@dataclass(frozen=True)
class Precision:
    """One way to compute a variant. ``kind``: whether its engine is measured, or simulated on the host."""

    name: str
    title: str
    kind: str
    full: Bounds | None
    lite: Bounds | None

    def bounds(self, variant: str) -> Bounds | None:
        """What it must keep for ``variant``."""
        return self.lite if is_lite(variant) else self.full


FP16 = Precision("fp16", "fp16 TFLite", MEASURED, Bounds(0.1, 0.1, 99), Bounds(0.1, 0.1, 99))
INT8 = Precision("int8", "int8 TFLite", MEASURED, Bounds(0.8, 0.6, 70), Bounds(0.5, 0.4, 90))
MIXED = Precision("mixed", "int8 and float TFLite", MEASURED, Bounds(0.4, 0.4, 75), None)
SYMMETRIC = Precision("symmetric", "symmetric Q/DQ", SIMULATED, Bounds(0.5, 0.5, 90), Bounds(0.5, 0.5, 90))
PRECISIONS = {each.name: each for each in (FP16, INT8, MIXED, SYMMETRIC)}


@dataclass
class Candidate:
    """Engines of one precision, one a seed. ``integer_macs``: the least share that integers compute; None for fp16."""

    precision: Precision
    bundles: list[Bundle]
    integer_macs: float | None = None


def run(bundles: Path, quick: bool, variants: Sequence[str], seeds: int | None) -> Iterator[Report]:
    """A report for each of ``variants``; ``seeds`` calibration sets each, :data:`SEEDS` where None."""
    dataset = reference_dataset().select(upright, "lspet-dev, upright")
    crops = CALIBRATION_CROPS
    if quick:
        dataset, crops = PoseDataset(dataset.name, dataset.records[::40]), 16
    for variant in variants:
        number = 1 if quick else seeds or SEEDS[variant]
        sets = [calibration_set(bundles, seed, crops) for seed in range(number)]
        yield _report(bundles, dataset, variant, sets, bounded=not quick)


def _report(bundles: Path, dataset: PoseDataset, variant: str, sets: list[Path], bounded: bool) -> Report:
    report = Report(
        f"quantisation-{variant.lower().replace('_', '-')}",
        f"Quantisation, {variant}",
        "What is lost against the float ONNX of the same checkpoint (ONNX Runtime) on the same crops of "
        f"{len(dataset.records)} upright persons (LSPET), still-image decoder; means over calibration sets of other "
        f"photographs, {len(sets)} drawn by seed. A negative loss is a gain. Intervals are 95 %, paired, over persons. "
        "Symmetric Q/DQ is host-simulated (ONNX Runtime, no optimisations), the rest measured in LiteRT.",
    )
    float_bundle = find_reference(Bundle.open(bundle_path(bundles, variant)))
    if float_bundle is None:
        raise SystemExit("the float ONNX is not in the cache: run again without other conversions beside")
    candidates = _candidates(variant, float_bundle, sets)
    peers = _peers(variant, float_bundle, sets[0]) if variant == PEERS_OF else {}
    reference, *others = predictions_of(
        variant, float_bundle, [*(each for one in candidates for each in one.bundles), *peers.values()], dataset
    )
    counts = {name: row.tolist() for name, row in joints_found(reference).items()}
    report.samples |= {"conditions": reference.conditions(), "variant": variant, "float": counts}
    report.samples |= {"precisions": {}, "peers": {}}
    for candidate in candidates:
        found, others = others[: len(candidate.bundles)], others[len(candidate.bundles) :]
        add_candidate(
            report, candidate, compare(found, reference), candidate.precision.bounds(variant) if bounded else None
        )
    for name, one in zip(peers, others, strict=True):
        comparison = compare([one], reference)
        title = f"int8 TFLite with {name} ranges"
        _add_losses(report, title, comparison, None)
        report.samples["peers"][name] = {"title": title, "kind": MEASURED, **comparison.to_dict()}
    if variant == PEERS_OF:
        _add_cost(report, float_bundle, sets[0], variant)
    return report


def _candidates(variant: str, float_bundle: Bundle, sets: list[Path]) -> list[Candidate]:
    onnx, upsampling = float_bundle.engine_bytes(), float_bundle.manifest.decoder.upsampling
    half = lower_onnx_to_tflite(optimise_for_xnnpack(onnx).onnx, weights="float16")
    candidates = [Candidate(FP16, [_tflite_bundle(variant, FP16.name, half, upsampling)])]
    by_name = {each.name: Candidate(each, []) for each in (INT8, MIXED, SYMMETRIC) if each.bounds(variant)}

    def keep(precision: Precision, quantised: QuantisedOnnx, bundle: Bundle) -> None:
        candidate = by_name[precision.name]
        candidate.bundles.append(bundle)
        candidate.integer_macs = min(quantised.integer_macs, candidate.integer_macs or 1.0)

    for number, path in enumerate(sets, start=1):
        print(f"  {variant}: calibrating, seed {number} of {len(sets)}", flush=True)
        images = network_inputs(get_variant(variant), open_calibration_set(path).crops())
        calibration = calibrate(onnx, images)
        for precision in (INT8, MIXED):
            if precision.name in by_name:
                quantised = _quantised(calibration, precision)
                model = lower_onnx_to_tflite(quantised.onnx)
                keep(precision, quantised, _tflite_bundle(variant, "int8", model, upsampling))
        quantised = _quantised(calibrate(onnx, images, symmetric=True), SYMMETRIC)
        keep(SYMMETRIC, quantised, onnx_bundle(variant, "int8", quantised.onnx, upsampling))
    return [*candidates, *by_name.values()]


def _quantised(calibration: Calibration, precision: Precision) -> QuantisedOnnx:
    share = FLOAT_SHARES.get(precision.name)
    return quantise(calibration, [] if share is None else float_layers(calibration, share))


def _peers(variant: str, float_bundle: Bundle, path: Path) -> dict[str, Bundle]:
    """int8 engines whose ranges the usual calibrators chose, all else alike."""
    images = network_inputs(get_variant(variant), open_calibration_set(path).crops())
    upsampling = float_bundle.manifest.decoder.upsampling
    bundles = {}
    for name in PEERS:
        print(f"  {variant}: calibrating, {name}", flush=True)
        calibration = calibrate(float_bundle.engine_bytes(), images, calibrator=name)
        bundles[name] = _tflite_bundle(variant, "int8", lower_onnx_to_tflite(quantise(calibration).onnx), upsampling)
    return bundles


def _tflite_bundle(variant: str, precision: str, model: TfliteModel, upsampling: int) -> Bundle:
    document = _document(variant, precision, "tflite", upsampling, model.input_steps, model.output_steps)
    return bundle_in_memory(document, model.data)


def onnx_bundle(variant: str, precision: str, onnx: bytes, upsampling: int) -> Bundle:
    """An ONNX as a bundle in memory, to be computed as it is written."""
    return bundle_in_memory(_document(variant, precision, "onnx", upsampling, None, None), onnx)


def _document(
    variant: str,
    precision: str,
    engine_format: str,
    upsampling: int,
    input_steps: Sequence[float] | None,
    output_steps: Sequence[float] | None,
) -> dict[str, Any]:
    return manifest_document(
        name=f"{variant}-{precision}".lower(),
        variant=get_variant(variant),
        target="host",
        precision=precision,
        engine_format=engine_format,
        upsampling=upsampling,
        macs=0,
        provenance={},
        measured={},
        input_steps=input_steps,
        output_steps=output_steps,
    )


def predictions_of(
    variant: str, float_bundle: Bundle, bundles: Sequence[Bundle], dataset: PoseDataset
) -> list[Predictions]:
    """Those of the float engine first. Every picture is read once for all of them."""
    estimators = [PoseEstimator(float_bundle, threads=THREADS)]
    for bundle in bundles:
        kind = SimulatedEstimator if bundle.manifest.engine.format == "onnx" else PoseEstimator
        estimators.append(kind(bundle, threads=THREADS))

    def progress(done: int, total: int) -> None:
        if done % 100 == 0 or done == total:
            print(f"  {variant}: {done} of {total} persons, {len(estimators)} engines", flush=True)

    found = predict_all(estimators, dataset, progress, CROP_SCALE)
    for estimator in estimators:
        estimator.close()
    return found


def upright(record: PersonRecord) -> bool:
    """Whether a person of the reference folder counts."""
    return bool(record.upright) and record.source == "lspet"


def add_candidate(report: Report, candidate: Candidate, comparison: Comparison, bounds: Bounds | None) -> None:
    """Add what ``candidate`` lost to ``report``, held against ``bounds``."""
    precision = candidate.precision
    _add_losses(report, precision.title, comparison, bounds)
    row = {"title": precision.title, "kind": precision.kind, **comparison.to_dict()}
    row["bounds"] = None if bounds is None else asdict(bounds)
    if candidate.integer_macs is not None:
        title, percent = f"{precision.title}: multiply-adds in int8", 100 * candidate.integer_macs
        report.add(Figure(title, percent, "%", at_least=LEAST_INTEGER_PERCENT))
        row["integer_macs"] = round(candidate.integer_macs, 4)
    report.samples["precisions"][precision.name] = row


def _add_losses(report: Report, title: str, comparison: Comparison, bounds: Bounds | None) -> None:
    for percent, loss, bound in (
        (50, comparison.loss50, None if bounds is None else bounds.loss50),
        (10, comparison.loss10, None if bounds is None else bounds.loss10),
    ):
        name = f"{title}: loss of PCKh@{percent}"
        report.add(Figure(name, loss.value, "points", at_most=bound, note=_note(loss)))
    report.add(
        Figure(
            f"{title}: joints within 0.1 head",
            comparison.within01.value,
            "%",
            at_least=None if bounds is None else bounds.within01,
            note=_note(comparison.within01),
        ),
    )


def _note(estimate: Estimate) -> str:
    seeds = f"; seeds {', '.join(f'{value:.2f}' for value in estimate.seeds)}" if len(estimate.seeds) > 1 else ""
    return f"{estimate.low:.2f} to {estimate.high:.2f}{seeds}"


def _add_cost(report: Report, float_bundle: Bundle, path: Path, variant: str) -> None:
    print(f"  {variant}: calibrating in a process of its own", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        onnx = Path(folder) / "float.onnx"
        onnx.write_bytes(float_bundle.engine_bytes())
        document, _ = run_child(CALIBRATE, str(onnx), str(path), variant)
    crops = f"{document['crops']} crops"
    report.add(
        Figure(f"calibrating and quantising, {crops}", document["seconds"], "s", at_most=CALIBRATION_S),
        Figure(
            f"peak memory beyond the imports, {crops}",
            document["growth_kb"] * 1024 / 1e6,
            "MB",
            at_most=CALIBRATION_MB,
        ),
    )
    report.samples["cost"] = document
