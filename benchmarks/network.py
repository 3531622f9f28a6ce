"""The network alone: the engine of a bundle against the official TFLite file, in the same interpreter."""

from __future__ import annotations

from pathlib import Path

from benchmarks.bundles import VARIANTS, bundle_path, is_lite
from benchmarks.measuring import interleave, median, ratio_of_medians
from benchmarks.official_recipe import OfficialRecipe, official_tflite, preprocess
from benchmarks.results import Figure, Report
from edgepose.figures import render_figure
from edgepose.runtime.backends import open_backend
from edgepose.runtime.bundle import Bundle

THREADS = (1, 2)
REQUIRED = {"RT": 1.25, "RT_LITE": 1.25}
ROUNDS = 150


def run(bundles: Path, quick: bool) -> Report:
    """Time both engines of every variant on the same input."""
    report = Report(
        "network",
        "Network",
        "One inference, input tensor in and output tensor out, LiteRT with XNNPACK. The official file "
        "computes the full maps, edgepose's engine the heatmaps that its decoder needs.",
    )
    pictures = [render_figure(seed).image[..., ::-1] for seed in range(4)]
    for variant in VARIANTS:
        bundle = Bundle.open(bundle_path(bundles, variant))
        for threads in THREADS:
            backend = open_backend(bundle.manifest.engine, bundle.engine_bytes(), threads)
            recipe = OfficialRecipe(official_tflite(variant), is_lite(variant), threads)
            tensors = [preprocess(picture, recipe.resolution, recipe.lite) for picture in pictures]
            samples = interleave(
                {"official": (recipe.infer, tensors), "edgepose": (backend.infer, tensors)},
                10 if quick else ROUNDS,
            )
            ratio, (low, high) = ratio_of_medians(samples["official"], samples["edgepose"])
            label = f"{variant}, {threads} thread" + "s" * (threads > 1)
            report.add(
                Figure(f"{label}: official", median(samples["official"]), "ms"),
                Figure(f"{label}: edgepose", median(samples["edgepose"]), "ms"),
                Figure(
                    f"{label}: times faster",
                    ratio,
                    "×",
                    at_least=REQUIRED.get(variant),
                    note=f"{low:.2f}–{high:.2f}",
                ),
            )
            report.samples[label] = samples
    return report
