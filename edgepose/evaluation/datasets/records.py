"""What every reader of data sets yields: persons in pictures."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgepose.evaluation.datasets.regions import Region
from edgepose.runtime.errors import DatasetError
from edgepose.runtime.joints import JOINTS


class Labels(NamedTuple):
    """The labelled part of a :class:`PersonRecord`."""

    keypoints: np.ndarray
    evaluate: np.ndarray
    head_length: float


def unlabelled() -> Labels:
    """Labels of a person whose joints are not known."""
    return Labels(np.full((len(JOINTS), 2), np.nan, np.float32), np.zeros(len(JOINTS), bool), math.nan)


@dataclass(frozen=True, eq=False)
class PersonRecord:
    """One person in one picture.

    ``region``: the person's square as the format gives it, not enlarged: (x, y, width, height) in whole pixels, or
    ``None`` for the whole picture. Who looks at it multiplies its side by a crop scale, which
    :attr:`PoseDataset.crop_scale` proposes. ``keypoints``: float32 [16, 2], NaN where not annotated; ``evaluate``:
    bool [16]; ``head_length``: pixels, NaN without labels; ``upright``: ``None`` where the data set does not say.
    """

    id: str
    image: Path
    region: Region | None
    keypoints: np.ndarray
    evaluate: np.ndarray
    head_length: float
    upright: bool | None
    source: str


@dataclass(frozen=True)
class PoseDataset:
    """Records of one data set, in file order.

    ``format``: which reader read it. ``crop_scale``: what the side of every region is multiplied by where nobody asks
    for something else: 1.25 where the square ends where the person ends (MPII, COCO, boxes), 1 where it holds the room
    around the person already, or is the whole picture. ``remarks``: sentences for people about what the reader passed
    over.
    """

    name: str
    records: tuple[PersonRecord, ...]
    format: str = "annotations"
    crop_scale: float = 1.0
    remarks: tuple[str, ...] = ()

    @property
    def labelled(self) -> bool:
        """Whether every record has joints to compare with."""
        return all(record.evaluate.any() for record in self.records)

    @property
    def tells_upright(self) -> bool:
        """Whether every record says if its person is upright."""
        return all(record.upright is not None for record in self.records)

    def select(self, keep: Callable[[PersonRecord], bool], name: str | None = None) -> PoseDataset:
        """The records that ``keep`` accepts, under ``name``. Raises :class:`DatasetError` for none."""
        kept = tuple(record for record in self.records if keep(record))
        if not kept:
            raise DatasetError(f"no record of data set {self.name!r} is left after selecting {name or 'some'}")
        return dataclasses.replace(self, name=name or self.name, records=kept)


def passed_over(reasons: dict[str, int]) -> tuple[str, ...]:
    """The remark on persons that a reader leaves out, by reason; none where it left out none."""
    if not reasons:
        return ()
    return ("passed over: " + ", ".join(f"{persons(count)} {reason}" for reason, count in sorted(reasons.items())),)


def persons(count: int) -> str:
    """``count`` persons, in words."""
    return f"{count} person" if count == 1 else f"{count} persons"
