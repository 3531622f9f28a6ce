"""Everybody on the same persons: the official files, edgepose's bundles, and whatever peers are given as TFLite files.

Accuracy and latency come of the same calls, interleaved in one process.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from benchmarks.bundles import ALL_VARIANTS, bundle_path, is_lite
from benchmarks.measuring import median, ratio_of_medians
from benchmarks.official_recipe import OfficialRecipe, crop, official_tflite, reference_dataset
from benchmarks.peer_models import LIMB_JOINTS, PeerModel, PoseFunction
from benchmarks.results import Figure, Report
from edgepose import load
from edgepose.evaluation.datasets import PersonRecord
from edgepose.evaluation.datasets.regions import enlarged
from edgepose.evaluation.pckh import normalised_distances, pckh
from edgepose.runtime.images import read_image
from edgepose.runtime.joints import JOINTS

PRECISIONS = ("fp32", "int8")
THREADS = 1
PERSONS, QUICK_PERSONS = 600, 12
WARM_UP = 3
YARDSTICK = "official RT"
LIMBS = np.array([joint in LIMB_JOINTS for joint in JOINTS])


class Contestant(NamedTuple):
    """One model: how it finds joints in a picture of a person, and how much of the person's square it wants to see."""

    name: str
    find: PoseFunction
    crop_scale: float = 1.0


def run(
    bundles: Path,
    quick: bool,
    variants: Sequence[str] = ALL_VARIANTS,
    peers: Sequence[Path] = (),
    persons: int = PERSONS,
) -> Report:
    """Run everybody on upright persons of the reference set, the first ``persons`` of every so many."""
    report = Report(
        "peers",
        "Peers",
        "Latency and accuracy of the same calls, interleaved in one process, one thread: a person's crop in memory to "
        "joints. PCKh over the twelve limb joints of upright persons (LSPET), which all models have. The official "
        "files with the official recipe; edgepose with its still-image decoder; other networks as their files are, "
        f"on the crops they were made for. The ratio is of medians, to {YARDSTICK}: above 1 is faster.",
    )
    upright = [one for one in reference_dataset().records if one.upright and one.source == "lspet"]
    wanted = QUICK_PERSONS if quick else persons
    chosen = upright[:: max(1, len(upright) // wanted)][:wanted]
    threads_before = cv2.getNumThreads()
    cv2.setNumThreads(THREADS)
    with ExitStack() as stack:
        samples, found = run_interleaved(_contestants(stack, bundles, variants, peers), chosen)
    cv2.setNumThreads(threads_before)
    _add_figures(report, samples, found, chosen)
    return report


def run_interleaved(
    contestants: Sequence[Contestant], records: Sequence[PersonRecord]
) -> tuple[dict[str, list[float]], dict[str, np.ndarray]]:
    """Milliseconds of each call, and the joints [n, 16, 2] that it found in pixels of the picture, by contestant.

    All look at a person before any looks at the next, in an order that turns round person by person (ABBA).
    """
    samples: dict[str, list[float]] = {one.name: [] for one in contestants}
    found = {one.name: np.full((len(records), len(JOINTS), 2), np.nan) for one in contestants}
    order = list(contestants)
    for number in range(-WARM_UP, len(records)):
        record = records[max(number, 0)]
        picture = read_image(record.image)
        for one in order if number % 2 == 0 else reversed(order):
            region = None if record.region is None else enlarged(record.region, one.crop_scale)
            frame = crop(picture, region)
            gc.disable()
            start = time.perf_counter_ns()
            joints = one.find(frame)
            elapsed = time.perf_counter_ns() - start
            gc.enable()
            if number >= 0:
                samples[one.name].append(round(elapsed / 1e6, 4))
                found[one.name][number] = joints + ((0, 0) if region is None else region[:2])
    return samples, found


def _contestants(stack: ExitStack, bundles: Path, variants: Sequence[str], peers: Sequence[Path]) -> list[Contestant]:
    # The yardstick comes first, whoever else does.
    names = ["RT", *(variant for variant in variants if variant != "RT")]
    contestants = [
        Contestant(f"official {name}", OfficialRecipe(official_tflite(name), is_lite(name), THREADS)) for name in names
    ]
    for variant in variants:
        for precision in PRECISIONS:
            path = bundle_path(bundles, variant, precision)
            estimator = stack.enter_context(load(path, threads=THREADS, decoder="official"))
            contestants.append(
                Contestant(f"edgepose {variant} {precision}", lambda frame, find=estimator: find(frame).keypoints)
            )
    for path in peers:
        model = PeerModel(path, THREADS)
        contestants.append(Contestant(f"{model.family} {path.stem}", model, model.crop_scale))
    return contestants


def _add_figures(
    report: Report,
    samples: dict[str, list[float]],
    found: dict[str, np.ndarray],
    records: Sequence[PersonRecord],
) -> None:
    truth = np.stack([record.keypoints for record in records])
    heads = np.array([record.head_length for record in records])
    counted = np.stack([record.evaluate for record in records]) & LIMBS
    for name, times in samples.items():
        distances = normalised_distances(found[name], truth, heads)
        at50, at10 = (pckh(distances, counted, threshold) for threshold in (0.5, 0.1))
        ratio, (low, high) = ratio_of_medians(samples[YARDSTICK], times)
        report.add(
            Figure(f"{name}: PCKh@50", at50.total, "", note="{:.1f}–{:.1f}".format(*at50.interval)),
            Figure(f"{name}: PCKh@10", at10.total, "", note="{:.1f}–{:.1f}".format(*at10.interval)),
            Figure(f"{name}: latency", median(times), "ms"),
            Figure(f"{name}: times as fast as {YARDSTICK}", ratio, "×", note=f"{low:.2f}–{high:.2f}"),
        )
        report.samples[name] = {
            "milliseconds": times,
            "found50": ((distances <= 0.5) & counted).sum(1).tolist(),
            "found10": ((distances <= 0.1) & counted).sum(1).tolist(),
        }
    report.samples["persons"] = {"ids": [record.id for record in records], "joints": counted.sum(1).tolist()}


def print_table(report: Report) -> None:
    """Print accuracy, latency and ratio of each model in a line."""
    figures = {figure.name: figure for figure in report.figures}
    print(f"{'':<34} {'PCKh@50':>8} {'@10':>6} {'ms':>8} {'times as fast':>14}")
    for name in report.samples:
        if name == "persons":
            continue
        at50, at10, ms, ratio = (
            figures[f"{name}: {part}"] for part in ("PCKh@50", "PCKh@10", "latency", f"times as fast as {YARDSTICK}")
        )
        print(f"{name:<34} {at50.value:8.1f} {at10.value:6.1f} {ms.value:8.2f} {ratio.value:7.2f} {ratio.note:>11}")
