"""The drift of an engine on crops that its calibration has not seen: what a conversion is gated on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgepose.calibration import CalibrationCrop, CalibrationSet, open_calibration_set
from edgepose.conversion.probe_writer import float_preprocessor
from edgepose.evaluation.datasets import PersonRecord, PoseDataset
from edgepose.evaluation.drift import Drift, drift
from edgepose.evaluation.gate import Gate, Limits, check_gate
from edgepose.evaluation.predictions import Predictions
from edgepose.network.variants import Variant
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.errors import UsageError
from edgepose.runtime.estimator import PoseEstimator
from edgepose.runtime.joints import JOINTS

# Every fifth crop of a set is held out, and no more than a minute's work.
EVERY = 5
MOST_CROPS = 64
# Ranges are steady from here on.
ENOUGH_CROPS = 64
# Percent of joints within 0.1 head of the float model's that an engine must find on the crops held out, where the user
# asks for nothing else. Without annotated heads the ruler is short (:mod:`edgepose.evaluation.drift`): a sound int8 RT
# keeps 68 by it where it keeps 86 by annotated heads.
LEAST_AGREEMENT = {"fp16": 97.0, "int8": 50.0}


@dataclass(frozen=True, eq=False)
class Samples:
    """A calibration set in two parts: the crops that ranges are chosen by, and those held out to measure on."""

    source: CalibrationSet
    calibration: tuple[CalibrationCrop, ...]
    held_out: tuple[CalibrationCrop, ...]

    @property
    def dataset(self) -> PoseDataset:
        """The crops held out as records of a data set."""
        return PoseDataset(f"{self.source.name}, held out", tuple(map(_record, self.held_out)))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know about the set."""
        if len(self.source) >= ENOUGH_CROPS:
            return ()
        return (f"the calibration set {self.source.name!r} has {len(self.source)} crops: ranges need {ENOUGH_CROPS}",)

    @property
    def record(self) -> dict[str, Any]:
        """Where the crops come from, for the manifest."""
        return {
            "name": self.source.name,
            "sha256": self.source.digest,
            "licence": self.source.licence,
            "calibration_crops": len(self.calibration),
            "held_out_crops": len(self.held_out),
        }


def read_samples(name_or_path: str) -> Samples:
    """Open a calibration set and part it. Raises :class:`DatasetError`, and :class:`UsageError` for too few crops."""
    source = open_calibration_set(name_or_path)
    if len(source) < EVERY:
        raise UsageError(
            f"the calibration set {source.name!r} has {len(source)} crops, which is too few to hold one out",
            f"make one of {ENOUGH_CROPS} or more with 'edgepose calibrate'",
        )
    crops = list(source.crops())
    held_out = range(len(crops))[EVERY - 1 :: EVERY][:MOST_CROPS]
    calibration = tuple(crop for index, crop in enumerate(crops) if index not in held_out)
    return Samples(source, calibration, tuple(crops[index] for index in held_out))


def network_inputs(variant: Variant, crops: Iterable[CalibrationCrop]) -> list[np.ndarray]:
    """Crops as ``variant`` takes them: float32 [1, 3, S, S] each."""
    preprocessor = float_preprocessor(variant)
    return [preprocessor.prepare(crop.image)[0].copy() for crop in crops]


def measure_hold_out(engine: Bundle, reference: Bundle, samples: Samples, simulate: bool = False) -> Drift:
    """The drift of ``engine`` from the float ``reference`` on the crops held out, in the back end it is meant for.

    An accelerator's engine runs on this machine's CPU: host-simulated. ``simulate``: that of a Jetson, even here.
    """
    dataset, crops = samples.dataset, samples.held_out
    return drift(_predict(engine, dataset, crops, simulate), _predict(reference, dataset, crops))


def gate_hold_out(measured: Drift, precision: str, limits: Limits) -> Gate:
    """``measured`` against what the user asked for, or else against the least agreement of ``precision``."""
    return check_gate(measured, limits if limits.any else Limits(min_agreement=LEAST_AGREEMENT[precision]))


def _predict(
    bundle: Bundle, dataset: PoseDataset, crops: Sequence[CalibrationCrop], simulate: bool = False
) -> Predictions:
    with PoseEstimator(bundle, threads=1, allow_cpu=True, simulate=simulate) as estimator:
        poses = [estimator(crop.image) for crop in crops]
        return Predictions(
            dataset,
            np.stack([pose.keypoints for pose in poses]),
            np.stack([pose.scores for pose in poses]),
            sides=np.array([float(crop.image.shape[0]) for crop in crops]),
            crop_scale=1.0,
            bundle=bundle.manifest.name,
            bundle_sha256=bundle.sha256,
            library=estimator.library,
            decoder=estimator.decoder,
            views="",
            dataset_sha256="",
        )


def _record(crop: CalibrationCrop) -> PersonRecord:
    keypoints = np.full((len(JOINTS), 2), np.nan, np.float32) if crop.keypoints is None else crop.keypoints
    evaluate = np.zeros(len(JOINTS), bool) if crop.evaluate is None else crop.evaluate
    return PersonRecord(
        id=crop.id,
        image=Path(crop.id),
        region=(0, 0, crop.image.shape[1], crop.image.shape[0]),
        keypoints=keypoints,
        evaluate=evaluate,
        head_length=math.nan if crop.head is None else crop.head,
        upright=None,
        source="",
    )
