"""The network alone: the engines of bundles against the official TFLite file, in the same interpreter."""

from __future__ import annotations

from pathlib import Path

from benchmarks.bundles import VARIANTS, bundle_path, is_lite
from benchmarks.measuring import Way, interleave, median, ratio_of_medians
from benchmarks.official_recipe import OfficialRecipe, official_tflite, preprocess
from benchmarks.results import Figure, Report
from edgepose.figures import render_figure
from edgepose.runtime.backends import open_backend
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.preprocess import Preprocessor

THREADS = (1, 2)
REQUIRED = {"RT": 1.25, "RT_LITE": 1.25}
# On one thread.
INT8_REQUIRED = {"RT": 2.4, "RT_LITE": 2.5}
ROUNDS = 150


def run(bundles: Path, quick: bool) -> Report:
    """Time the engines of every variant on the same input."""
    report = Report(
        "network",
        "Network",
        "One inference, input tensor in and output tensor out, LiteRT with XNNPACK. The official file "
        "computes the full maps, edgepose's engines the heatmaps that its decoder needs.",
    )
    pictures = [render_figure(seed).image for seed in range(4)]
    for variant in VARIANTS:
        engines = {"edgepose": Bundle.open(bundle_path(bundles, variant))}
        if variant in INT8_REQUIRED:
            engines["edgepose int8"] = Bundle.open(bundle_path(bundles, variant, "int8"))
        for threads in THREADS:
            recipe = OfficialRecipe(official_tflite(variant), is_lite(variant), threads)
            tensors = [preprocess(picture[..., ::-1], recipe.resolution, recipe.lite) for picture in pictures]
            ways: dict[str, Way] = {"official": (recipe.infer, tensors)}
            for name, bundle in engines.items():
                backend = open_backend(bundle.manifest.engine, bundle.engine_bytes(), threads)
                preprocessor = Preprocessor(bundle.manifest)
                ways[name] = (backend.infer, [preprocessor.prepare(picture)[0].copy() for picture in pictures])
            samples = interleave(ways, 10 if quick else ROUNDS)
            label = f"{variant}, {threads} thread" + "s" * (threads > 1)
            report.add(*(Figure(f"{label}: {name}", median(times), "ms") for name, times in samples.items()))
            for name in engines:
                ratio, (low, high) = ratio_of_medians(samples["official"], samples[name])
                required = REQUIRED if name == "edgepose" else INT8_REQUIRED if threads == 1 else {}
                report.add(
                    Figure(
                        f"{label}: {name}, times faster",
                        ratio,
                        "×",
                        at_least=required.get(variant),
                        note=f"{low:.2f}–{high:.2f}",
                    )
                )
            report.samples[label] = samples
    return report
