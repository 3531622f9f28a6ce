"""From sources to crops and the recipe that tells how they were chosen."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from edgepose.calibration.calibration_set import CalibrationCrop
from edgepose.calibration.description import MAX_CROPS, MAX_SIDE
from edgepose.calibration.sources import Coverage, Progress, Sample, Source
from edgepose.evaluation.datasets.records import persons
from edgepose.runtime.errors import DatasetError, UsageError
from edgepose.version import __version__

STABLE_FROM = 64
SAMPLING = "stratified by size and by pose or light; frames of videos evenly apart in time"
CROP_RULE = f"square, black outside the picture, at most {MAX_SIDE} pixels a side, never enlarged"


@dataclass(frozen=True)
class Collection:
    """Crops of all sources, cut while they are asked for, and what is said about them."""

    amount: int
    recipe: dict[str, Any]
    coverage: Coverage
    warnings: tuple[str, ...]
    remarks: tuple[str, ...]
    _samples: tuple[Sample, ...] = dataclasses.field(repr=False)

    def crops(self) -> Iterator[CalibrationCrop]:
        """The crops, once. Raises :class:`DatasetError` and :class:`SourceError` for pictures that cannot be used."""
        for number, sample in enumerate(self._samples, start=1):
            for crop in sample.crops:
                # Two sources may know the same name.
                yield crop if len(self._samples) == 1 else crop._replace(id=f"{number}/{crop.id}")


def collect(sources: Sequence[Source], count: int, seed: int, progress: Progress) -> Collection:
    """``count`` crops, shared evenly between ``sources``; what a small one lacks, the others give.

    ``progress`` hears of persons looked at. Raises :class:`UsageError` for a count that cannot
    be, :class:`DatasetError` for sources without persons.
    """
    check_count(count)
    there = sum(source.size for source in sources)
    if there == 0:
        raise DatasetError("the sources hold no person that is large enough to look at", "name other sources")
    warnings = []
    if there < count:
        warnings.append(f"the sources hold {persons(there)}, not {count}: all of them are taken")
    if min(count, there) < STABLE_FROM:
        warnings.append(f"a set of {min(count, there)} crops: percentile ranges are stable from {STABLE_FROM} crops on")
    for source in sources:
        if source.size == 0:
            warnings.append(f"{source.describe()['name']!r} holds no person that is large enough to look at")
    shares = _shared([source.size for source in sources], count)
    taken = [(source, share) for source, share in zip(sources, shares, strict=True) if share]
    samples = tuple(source.sample(share, seed, progress) for source, share in taken)
    coverage: Coverage = {}
    for sample in samples:
        for pair, (of, chosen) in sample.coverage.items():
            before = coverage.get(pair, (0, 0))
            coverage[pair] = before[0] + of, before[1] + chosen
    described = [
        {**source.describe(), "taken": sample.amount} for (source, _), sample in zip(taken, samples, strict=True)
    ]
    recipe = {"sources": described, "count": count, "seed": seed, "sampling": SAMPLING, "crop": CROP_RULE}
    return Collection(
        sum(sample.amount for sample in samples),
        {**recipe, "edgepose": __version__},
        coverage,
        tuple(warnings),
        tuple(remark for sample in samples for remark in sample.remarks),
        samples,
    )


def check_count(count: int | None) -> None:
    """Raise :class:`UsageError` for a ``count`` that no set can have; None is the recipe's."""
    if count is not None and not 1 <= count <= MAX_CROPS:
        raise UsageError(f"--count {count}: a calibration set has 1 to {MAX_CROPS} crops", "128 is a good number")


def _shared(sizes: list[int], count: int) -> list[int]:
    """``count`` shared evenly, the first sources getting what does not divide, none more than its size."""
    shares = [0] * len(sizes)
    left = min(count, sum(sizes))
    while left:
        open_ = [index for index, size in enumerate(sizes) if shares[index] < size]
        for index in open_[:left]:
            more = min(max(1, left // len(open_)), sizes[index] - shares[index], left)
            shares[index] += more
            left -= more
    return shares
