"""Decoding: the joints of the official decoders, and the time they take."""

from __future__ import annotations

import numpy as np

from benchmarks.bundles import is_lite
from benchmarks.measuring import interleave, median, ratio_of_medians
from benchmarks.official_recipe import (
    OfficialRecipe,
    crop,
    official_tflite,
    peaks,
    preprocess,
    reference_dataset,
)
from benchmarks.results import Figure, Report
from edgepose.runtime.decoder import HeatmapDecoder
from edgepose.runtime.images import read_image

# These official files put out the heatmaps before their upsampling beside those after it.
VARIANTS = ("RT", "I")
DECODERS = {"official": 1.0, "realtime": 0.0}
UPSAMPLING = 8


def run(quick: bool) -> Report:
    """Decode every crop of the reference set both ways."""
    report = Report(
        "decoder",
        "Decoder",
        "The official `.tflite` of RT and I computes heatmaps and full maps of every annotated crop in one "
        "call. edgepose decodes the heatmaps; the official decoder (SciPy's Gaussian of every full map, or "
        "none, then argmax) decodes the full maps. Times are of the still-image decoder on RT's maps.",
    )
    records = reference_dataset().records[:: 40 if quick else 1]
    for variant in VARIANTS:
        recipe = OfficialRecipe(official_tflite(variant), is_lite(variant), threads=2)
        cells = recipe.resolution // UPSAMPLING
        decoders = {name: HeatmapDecoder(cells, cells, UPSAMPLING, sigma) for name, sigma in DECODERS.items()}
        different: dict[str, list[str]] = {name: [] for name in DECODERS}
        kept = []
        for number, record in enumerate(records):
            picture = crop(read_image(record.image), record.region)
            full_maps = recipe.infer(preprocess(picture[..., ::-1], recipe.resolution, recipe.lite)).copy()
            heatmaps = recipe.heatmaps()
            for name, decoder in decoders.items():
                wrong = (decoder.decode(heatmaps)[0] != peaks(full_maps, smooth=DECODERS[name] > 0)).any(axis=1)
                different[name] += [f"{record.id}:{joint}" for joint in np.flatnonzero(wrong)]
            if variant == "RT" and number % max(1, len(records) // 50) == 0:
                kept.append((heatmaps, full_maps))
        total = len(records) * 16
        for name, joints in different.items():
            report.add(Figure(f"{variant}, {name}: joints that differ, of {total:,}", len(joints), "", at_most=0))
            report.samples[f"{variant} {name} different joints"] = joints
        if variant == "RT":
            report.samples["milliseconds"] = times = _time(decoders["official"], kept, 40 if quick else 400)
    ratio, (low, high) = ratio_of_medians(times["scipy"], times["edgepose"])
    report.add(
        Figure("official decoder on the full map", median(times["scipy"]), "ms"),
        Figure("edgepose on the heatmaps", median(times["edgepose"]), "ms", at_most=0.3),
        Figure("times faster", ratio, "×", at_least=10, note=f"{low:.1f}–{high:.1f}"),
    )
    return report


def _time(decoder: HeatmapDecoder, maps: list, rounds: int) -> dict[str, list[float]]:
    return interleave(
        {
            "scipy": (peaks, [full_maps for _, full_maps in maps]),
            "edgepose": (decoder.decode, [heatmaps for heatmaps, _ in maps]),
        },
        rounds,
    )
