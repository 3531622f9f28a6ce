"""A camera's frame to sixteen joints: edgepose against the official recipe, in one process."""

from __future__ import annotations

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
    for variant, required in REQUIRED.items():
        path = bundle_path(bundles, variant)
        for threads in THREADS:
            cv2.setNumThreads(threads)
            label = f"{variant}, {threads} thread" + "s" * (threads > 1)
            recipe = OfficialRecipe(official_tflite(variant), is_lite(variant), threads)
            with load(path, threads=threads, decoder="official") as estimator:
                samples = interleave({"official": (recipe, frames), "edgepose": (estimator, frames)}, rounds)
            ratio, (low, high) = ratio_of_medians(samples["official"], samples["edgepose"])
            report.add(
                Figure(f"{label}: official recipe", median(samples["official"]), "ms"),
                Figure(f"{label}: edgepose", median(samples["edgepose"]), "ms"),
                Figure(f"{label}: times faster", ratio, "×", at_least=required, note=f"{low:.2f}–{high:.2f}"),
            )
            report.samples[label] = samples
            _stages(report, label, Bundle.open(path), recipe, frames, threads, rounds)
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
