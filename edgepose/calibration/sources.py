"""What a calibration set is made from: persons of data sets and pictures, and frames of videos."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgepose.calibration.calibration_set import CalibrationCrop
from edgepose.calibration.crops import cut_square
from edgepose.calibration.members import members_at
from edgepose.calibration.sample import Candidate, choose, look_traits, pose_traits, rank
from edgepose.evaluation.datasets import PersonRecord, PoseDataset, open_dataset, refuse_unused_images
from edgepose.evaluation.datasets.fields import files_in
from edgepose.evaluation.datasets.pictures import list_pictures, whole_pictures
from edgepose.evaluation.datasets.records import passed_over
from edgepose.evaluation.datasets.regions import check_crop_scale
from edgepose.runtime.errors import DatasetError, UsageError
from edgepose.runtime.images import IMAGE_SUFFIXES, read_image
from edgepose.runtime.videos import VIDEO_SUFFIXES, VideoReader

# Called with the number of things done and their total (None where it is not known).
Progress = Callable[[int, int | None], None]
Coverage = dict[tuple[str, str], tuple[int, int]]

MIN_REGION = 32  # pixels: of smaller persons a crop holds less than the smallest network sees
LOOKED_AT = 8  # pictures without joints are opened to be sorted: so many times as many as are wanted


@dataclass(frozen=True)
class Sample:
    """What one source gives: ``amount`` crops, cut while they are asked for, and how they cover the source."""

    amount: int
    crops: Iterator[CalibrationCrop]
    coverage: Coverage
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Persons:
    """The persons of one data set. ``crop_scale`` None is the format's own."""

    dataset: PoseDataset
    crop_scale: float | None

    @property
    def kind(self) -> str:
        """The format of the data set."""
        return self.dataset.format

    @property
    def size(self) -> int:
        """How many crops it can give."""
        return len(self._usable)

    @property
    def pictures(self) -> list[Path]:
        """Every picture file that it may read."""
        return [record.image for record in self.dataset.records]

    def describe(self) -> dict[str, Any]:
        """Its part of a recipe: the digest is over everything said about the persons, pictures' names included."""
        digest = hashlib.sha256()
        for record in self.dataset.records:
            digest.update(repr((record.id, record.image.name, record.region, record.head_length)).encode())
            digest.update(record.keypoints.tobytes() + record.evaluate.tobytes())
        facts = {"kind": self.kind, "name": self.dataset.name, "sha256": digest.hexdigest(), "persons": self.size}
        return {**facts, "crop_scale": self._scale}

    def sample(self, count: int, seed: int, progress: Progress) -> Sample:
        """``count`` persons, stratified. Raises :class:`DatasetError` for one outside the picture."""
        usable, remarks = self._usable, list(self.dataset.remarks)
        if len(usable) < len(self.dataset.records):
            small = len(self.dataset.records) - len(usable)
            remarks.extend(passed_over({f"smaller than {MIN_REGION} pixels": small}))
        opened = [record for record in usable if _is_opened(record)]
        if len(opened) > LOOKED_AT * count:
            remarks.append(f"{LOOKED_AT * count} of {len(opened)} pictures were looked at, drawn by the seed")
            opened = sorted(opened, key=lambda record: rank(seed, record.id))[: LOOKED_AT * count]
        records = [record for record in usable if not _is_opened(record)] + opened
        candidates = []
        for done, record in enumerate(records):
            candidates.append(self._candidate(record))
            progress(done + 1, len(records))
        choice = choose(candidates, count, seed)
        chosen = [records[index] for index in choice.indices]
        return Sample(len(chosen), map(self._cut, chosen), choice.coverage, tuple(remarks))

    @property
    def _usable(self) -> list[PersonRecord]:
        records = self.dataset.records
        return [record for record in records if record.region is None or min(record.region[2:]) >= MIN_REGION]

    @property
    def _scale(self) -> float:
        return self.dataset.crop_scale if self.crop_scale is None else self.crop_scale

    def _candidate(self, record: PersonRecord) -> Candidate:
        picture, posed = str(record.image), bool(record.evaluate.any())
        if posed and record.region is not None:
            return Candidate(record.id, picture, record.region[2], posed, pose_traits(record.keypoints))
        crop = self._cut(record).image
        return Candidate(
            record.id, picture, len(crop), posed, pose_traits(record.keypoints) if posed else look_traits(crop)
        )

    def _cut(self, record: PersonRecord) -> CalibrationCrop:
        cut = cut_square(read_image(record.image), record.region, self._scale)
        if cut is None:
            raise DatasetError(
                f"the region of {record.id!r} lies outside its picture {record.image}", "correct the annotation"
            )
        if np.isnan(record.head_length):  # no labels
            return CalibrationCrop(record.id, cut.image, None)
        head = float(record.head_length) * cut.scale
        return CalibrationCrop(record.id, cut.image, head, cut.to_crop(record.keypoints), record.evaluate)


def _is_opened(record: PersonRecord) -> bool:
    """Whether sorting ``record`` takes its picture: no square, or no joints."""
    return record.region is None or not record.evaluate.any()


@dataclass(frozen=True)
class Video:
    """One video file: whole frames, evenly apart in time."""

    path: Path
    frames: int
    kind = "video"

    @property
    def size(self) -> int:
        """How many crops it can give."""
        return self.frames

    @property
    def pictures(self) -> list[Path]:
        """No picture files."""
        return []

    def describe(self) -> dict[str, Any]:
        """Its part of a recipe; the digest is of the file."""
        digest = hashlib.sha256()
        with self.path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
        return {"kind": self.kind, "name": self.path.name, "sha256": digest.hexdigest(), "frames": self.frames}

    def sample(self, count: int, seed: int, progress: Progress) -> Sample:
        """``count`` frames, one from the same place of each of as many equal parts; the seed decides the place."""
        count = min(count, self.frames)
        place = int.from_bytes(rank(seed, self.path.name)[:4], "big") / 2**32
        wanted = [int((part + place) / count * self.frames) for part in range(count)]
        return Sample(count, self._cut(wanted), {}, ())

    def _cut(self, wanted: list[int]) -> Iterator[CalibrationCrop]:
        places = set(wanted)
        with VideoReader(str(self.path)) as reader:
            for index, _, image in reader.frames():
                if index in places:
                    places.remove(index)
                    cut = cut_square(image, None, 1.0)
                    assert cut is not None  # a frame has pixels
                    yield CalibrationCrop(f"{self.path.name}#{index}", cut.image, None)
                if not places:
                    return
        claimed = reader.frame_count or self.frames
        raise DatasetError(
            f"{self.path} ends after {reader.frames_read} of the {claimed} frames that it claims",
            "repair the file, for example with ffmpeg -i IN -c copy OUT",
        )


Source = Persons | Video


def open_sources(paths: Sequence[Path], images: Path | None, crop_scale: float | None) -> list[Source]:
    """The sources that ``paths`` name; pictures named one by one make one source.

    Raises :class:`DatasetError` for what is none, :class:`SourceError` for a video that cannot be opened,
    :class:`UsageError` for one named twice, for ``images`` that no source needs and for a ``crop_scale`` outside 0.5
    to 3.
    """
    check_crop_scale(crop_scale)
    for path, times in Counter(path.resolve() for path in paths).items():
        if times > 1:
            raise UsageError(f"{path} is named {times} times", "name each source once")
    sources: list[Source] = []
    pictures = [path for path in paths if path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES]
    if pictures:
        sources.append(Persons(whole_pictures("pictures", pictures), crop_scale))
    for path in paths:
        if path in pictures:
            continue
        if members_at(path) is not None:
            raise DatasetError(f"{path} is a calibration set already", "give it to 'edgepose convert --calibration'")
        videos = _videos_in(path)
        sources += map(_open_video, videos)
        if not videos or (path.is_dir() and list_pictures(path)):
            sources.append(Persons(open_dataset(path, images), crop_scale))
    refuse_unused_images(images, [source.kind for source in sources])
    return sources


def _videos_in(path: Path) -> list[Path]:
    files = files_in(path) if path.is_dir() else [path]
    return [file for file in files if file.suffix.lower() in VIDEO_SUFFIXES and file.is_file()]


def _open_video(path: Path) -> Video:
    with VideoReader(str(path)) as reader:
        if reader.frame_count is None:
            return Video(path, sum(1 for _ in reader.frames()))
        # Containers round: up to two frames that they claim may not be there.
        return Video(path, max(1, reader.frame_count - 2))
