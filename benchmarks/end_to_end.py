"""A camera's frame to sixteen joints: edgepose against the official recipe, in one process."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np

from benchmarks.bundles import bundle_path, is_lite
from benchmarks.measuring import Way, interleave, median, ratio_of_medians
from benchmarks.official_recipe import OfficialRecipe, official_tflite, peaks, preprocess
from benchmarks.results import Figure, Report
from edgepose import load
from edgepose.figures import render_figure
from edgepose.runtime.backends import open_backend
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.decoder import HeatmapDecoder
from edgepose.runtime.preprocess import Preprocessor

THREADS = (1, 2)
REQUIRED = {"RT": 3.0, "RT_LITE": 3.5}
# On one thread.
INT8_REQUIRED = {"RT": 5.0}
PREPROCESSING_MS, DECODING_MS = 1.5, 0.3
FRAMES = 8
ROUNDS = 100


def run(bundles: Path, quick: bool) -> Report:
    """Time whole frames, then each stage apart."""
    report = Report(
        "end_to_end",
        "End to end",
        "A 640×480 BGR frame to sixteen joints in its pixels, still-image decoder. The official recipe is "
        "scikit-image's rescale, the official `.tflite`, SciPy's Gaussian over the full map, and argmax; "
        "OpenCV and LiteRT get as many threads as the line says.",
    )
    frames = [render_figure(seed, (640, 480)).image for seed in range(FRAMES)]
    rounds = 8 if quick else ROUNDS
    threads_before = cv2.getNumThreads()
    for variant in REQUIRED:
        paths = {"edgepose": bundle_path(bundles, variant)}
        if variant in INT8_REQUIRED:
            paths["edgepose int8"] = bundle_path(bundles, variant, "int8")
        for threads in THREADS:
            cv2.setNumThreads(threads)
            label = f"{variant}, {threads} thread" + "s" * (threads > 1)
            recipe = OfficialRecipe(official_tflite(variant), is_lite(variant), threads)
            with ExitStack() as stack:
                estimators = {
                    name: stack.enter_context(load(path, threads=threads, decoder="official"))
                    for name, path in paths.items()
                }
                ways: dict[str, Way] = {name: (estimator, frames) for name, estimator in estimators.items()}
                samples = interleave({"official": (recipe, frames), **ways}, rounds)
            report.add(Figure(f"{label}: official recipe", median(samples["official"]), "ms"))
            for name in paths:
                required = REQUIRED if name == "edgepose" else INT8_REQUIRED if threads == 1 else {}
                ratio, (low, high) = ratio_of_medians(samples["official"], samples[name])
                report.add(
                    Figure(f"{label}: {name}", median(samples[name]), "ms"),
                    Figure(
                        f"{label}: {name}, times faster",
                        ratio,
                        "×",
                        at_least=required.get(variant),
                        note=f"{low:.2f}–{high:.2f}",
                    ),
                )
            report.samples[label] = samples
            _stages(report, label, Bundle.open(paths["edgepose"]), recipe, frames, threads, rounds)
    cv2.setNumThreads(threads_before)
    return report


def _stages(
    report: Report,
    label: str,
    bundle: Bundle,
    recipe: OfficialRecipe,
    frames: list,
    threads: int,
    rounds: int,
) -> None:
    """Time preprocessing, engine and decoder apart, each on what the stage before it made."""
    manifest = bundle.manifest
    preprocessor = Preprocessor(manifest)
    backend = open_backend(manifest.engine, bundle.engine_bytes(), threads)
    tensors = [preprocessor.prepare(frame)[0].copy() for frame in frames]
    heatmaps = [backend.infer(tensor).copy() for tensor in tensors]
    height, width = heatmaps[0].shape[:2]
    decoder = HeatmapDecoder(height, width, manifest.decoder.upsampling, manifest.decoder.sigma)

    def official_preprocessing(frame: np.ndarray) -> np.ndarray:
        return preprocess(frame[..., ::-1], recipe.resolution, recipe.lite)

    official_tensors = [official_preprocessing(frame) for frame in frames]
    full_maps = [recipe.infer(tensor).copy() for tensor in official_tensors]
    stages: dict[str, tuple[Way, Way, float | None]] = {
        "preprocessing": ((official_preprocessing, frames), (preprocessor.prepare, frames), PREPROCESSING_MS),
        "engine": ((recipe.infer, official_tensors), (backend.infer, tensors), None),
        "decoder": ((peaks, full_maps), (decoder.decode, heatmaps), DECODING_MS),
    }
    for stage, (official, ours, at_most) in stages.items():
        samples = interleave({"official": official, "edgepose": ours}, rounds)
        report.add(
            Figure(
                f"{label}: {stage}",
                median(samples["edgepose"]),
                "ms",
                at_most=at_most,
                note=f"official {median(samples['official']):.1f} ms",
            )
        )
        report.samples[f"{label}: {stage}"] = samples
