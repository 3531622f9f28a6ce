"""Accuracy: the float bundles against the official recipe on annotated photographs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.bundles import VARIANTS, bundle_path, is_lite
from benchmarks.official_recipe import OfficialRecipe, crop, official_tflite, reference_dataset
from benchmarks.results import Figure, Report
from edgepose import load
from edgepose.evaluation.agreement import agreement
from edgepose.evaluation.datasets import PersonRecord, PoseDataset
from edgepose.evaluation.pckh import pckh_difference
from edgepose.evaluation.predictions import predict
from edgepose.evaluation.score import Score, score
from edgepose.runtime.images import read_image

# PCKh@50 and PCKh@10 of the official TFLite files with the still-image decoder on the 600 upright persons.
BASELINES = {"RT": (70.6, 14.7), "I": (70.4, 15.6), "RT_LITE": (65.6, 12.3), "I_LITE": (68.6, 14.4)}
TOLERANCE = 0.2
# That of the baselines, which are of the annotated square itself.
CROP_SCALE = 1.0


def run(bundles: Path, quick: bool) -> Report:
    """Evaluate the float bundles of :data:`VARIANTS`."""
    report = Report(
        "accuracy",
        "Accuracy",
        "PCKh of the float bundles on 600 upright persons (LSPET), still-image decoder, annotated square in "
        "whole pixels; the other 205 (tumbling persons, and five from MPII) apart. The difference is paired "
        "with the official recipe on the same crops in the same run; intervals are 95 % over persons.",
    )
    dataset = reference_dataset()
    if quick:
        dataset = PoseDataset(dataset.name, dataset.records[::40])
    for variant in VARIANTS:
        with load(bundle_path(bundles, variant), threads=2) as estimator:
            predictions = predict(estimator, dataset, crop_scale=CROP_SCALE)
        upright = score(predictions.select(_upright, "upright"))
        rest = score(predictions.select(lambda record: not _upright(record), "rest"))
        for name, ours, baseline in zip(
            ("PCKh@50", "PCKh@10"), (upright.pckh50, upright.pckh10), BASELINES[variant], strict=True
        ):
            report.add(
                Figure(
                    f"{variant} {name}",
                    round(ours.total, 2),
                    "",
                    at_least=None if quick else round(baseline - TOLERANCE, 1),
                    at_most=None if quick else round(baseline + TOLERANCE, 1),
                    note=f"{ours.interval.low:.1f}–{ours.interval.high:.1f}",
                )
            )
        _compare(report, variant, upright)
        for name, shares in (("PCKh@50", rest.pckh50), ("PCKh@10", rest.pckh10)):
            report.add(Figure(f"{variant} {name}, the other {shares.persons}", round(shares.total, 2), ""))
        report.samples[variant] = {**upright.predictions.conditions(), **upright.to_dict()}
    return report


def _upright(record: PersonRecord) -> bool:
    return record.upright and record.source == "lspet"


def _compare(report: Report, variant: str, ours: Score) -> None:
    """Add the paired differences to the official recipe, and how many joints are the same."""
    recipe = OfficialRecipe(official_tflite(variant), is_lite(variant), threads=2)
    records = ours.predictions.dataset.records
    official = np.stack(
        [recipe(crop(read_image(one.image), one.region)) + (one.region or (0, 0))[:2] for one in records]
    )
    theirs = score(replace(ours.predictions, keypoints=official, bundle="official recipe"))
    hits = {}
    for percent in (50, 10):
        found, peer = ((one.distances <= percent / 100).sum(1) for one in (ours, theirs))
        difference = pckh_difference(ours.distances, theirs.distances, ours.evaluate, percent / 100)
        report.add(
            Figure(
                f"{variant} PCKh@{percent} minus the official recipe's",
                round(difference.total, 2),
                "points",
                note="{:+.2f} to {:+.2f}".format(*difference.interval),
            )
        )
        hits[f"found@{percent}"] = {"edgepose": found.tolist(), "official": peer.tolist()}
    heads = np.array([record.head_length for record in records])
    same = agreement(ours.predictions.keypoints, official, heads, 0.1).total
    report.add(Figure(f"{variant} joints within 0.1 head of the official recipe's", round(same, 2), "%"))
    report.samples[f"{variant} joints found a person"] = hits
