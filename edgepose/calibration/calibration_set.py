"""Opening calibration sets: verified when opened, decoded when looked at."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from edgepose.calibration.description import (
    DESCRIPTION,
    MAX_CROP_BYTES,
    MAX_DESCRIPTION_BYTES,
    CropEntry,
    Description,
)
from edgepose.calibration.members import COPY_AGAIN, Members, MemoryMembers, Read, members_at
from edgepose.figures.demo import demo_recipe, demo_set
from edgepose.runtime.errors import DatasetError, SourceError, did_you_mean
from edgepose.runtime.image_header import read_image_header
from edgepose.version import __version__

DEMO = "demo"


class CalibrationCrop(NamedTuple):
    """One person to look at.

    ``image``: uint8 [S, S, 3], BGR, the whole of which is the region. ``head``: length of the head in pixels of the
    crop, as PCKh divides by; ``None`` where it is not known. ``keypoints``: float32 [16, 2], pixels of the crop, where
    (0, 0) is the corner of the first pixel, NaN where not annotated; they may lie outside. ``evaluate``: bool [16],
    whether PCKh counts the joint. Both are ``None`` where the source has no labels.
    """

    id: str
    image: np.ndarray
    head: float | None
    keypoints: np.ndarray | None = None
    evaluate: np.ndarray | None = None


@dataclass(frozen=True)
class CalibrationSet:
    """A verified calibration set.

    ``digest``: SHA-256 over recipe and crops. ``recipe``: sources and their digests, count, seed, crop rule and the
    edgepose that made it, as JSON values. ``sides``: pixels of each crop's side.
    """

    name: str
    digest: str
    licence: str
    recipe: dict[str, Any]
    _entries: tuple[CropEntry, ...] = field(repr=False)
    _members: Members = field(repr=False)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def sides(self) -> tuple[int, ...]:
        """The side of each crop, in pixels."""
        return tuple(entry.side for entry in self._entries)

    @property
    def labelled(self) -> bool:
        """Whether PCKh can be measured on every crop: a joint to evaluate and a head, which come together."""
        return all(entry.evaluate is not None and any(entry.evaluate) for entry in self._entries)

    def crops(self) -> Iterator[CalibrationCrop]:
        """Every crop, in the order of the set. Raises :class:`DatasetError` where one has been damaged since."""
        with self._members.opened() as read:
            for entry in self._entries:
                image = _decoded(_verified(read, entry), entry)
                yield CalibrationCrop(entry.id, image, entry.head, *_labels(entry))


def open_calibration_set(name_or_path: str | Path) -> CalibrationSet:
    """The set called ``demo`` (rendered figures, which ship with edgepose), or the one at a path.

    A set is a folder or a ``.zip`` made by ``edgepose calibrate``. Raises :class:`DatasetError` for one that is
    damaged, holds what it does not list, or is of another schema, and for photographs that are no set yet.
    """
    if str(name_or_path) == DEMO:
        return _demo()
    path = Path(name_or_path)
    if not path.exists():
        raise DatasetError(
            f"there is no calibration set {str(path)!r}{did_you_mean(str(path), [DEMO])}",
            f"name '{DEMO}', or a folder or .zip made by 'edgepose calibrate SOURCE -o SET.zip'",
        )
    members = members_at(path)
    if members is None:
        made = f"{path.resolve().stem or 'set'}-calibration.zip"
        raise DatasetError(
            f"{path} is not a calibration set",
            f"make one of it: edgepose calibrate {shlex.quote(str(path))} -o {shlex.quote(made)}",
        )
    return load(members, str(path))


def load(members: Members, where: str) -> CalibrationSet:
    """The set that ``members`` make up; ``where`` names it in errors. Raises :class:`DatasetError`."""
    with members.opened() as read:
        description = Description.from_bytes(read(DESCRIPTION, MAX_DESCRIPTION_BYTES), where)
        expected = {entry.file for entry in description.entries} | {DESCRIPTION}
        strangers = sorted(members.names() - expected)
        if strangers:
            raise DatasetError(f"{where} holds {strangers[0]!r}, which it does not list", COPY_AGAIN)
        for entry in description.entries:
            _verified(read, entry)
    return CalibrationSet(
        description.name, description.digest, description.licence, description.recipe, description.entries, members
    )


def encoded(crop: CalibrationCrop, index: int) -> tuple[CropEntry, bytes]:
    """The entry and the PNG of ``crop``, the ``index``-th of its set."""
    data = cv2.imencode(".png", crop.image)[1].tobytes()
    digest = hashlib.sha256(data).hexdigest()
    head = None if crop.head is None else round(float(crop.head), 3)
    keypoints = None if crop.keypoints is None else [[_coordinate(one) for one in point] for point in crop.keypoints]
    evaluate = None if crop.evaluate is None else crop.evaluate.tolist()
    file = f"crops/{index:04d}.png"
    return CropEntry(crop.id, file, digest, crop.image.shape[0], head, keypoints, evaluate), data


def _demo() -> CalibrationSet:
    recipe = demo_recipe()
    entries, files = [], {}
    for index, figure in enumerate(demo_set()):
        name, every = f"figure {recipe.first_seed + index}", np.ones(len(figure.keypoints), bool)
        crop = CalibrationCrop(name, figure.image, figure.head_length, figure.keypoints, every)
        entry, data = encoded(crop, index)
        entries.append(entry)
        files[entry.file] = data
    settings = {"sources": [{"kind": recipe.generator, "name": recipe.name}], "count": recipe.count}
    settings |= {"seed": recipe.first_seed, "crop": f"whole figures, {recipe.size} pixels", "edgepose": __version__}
    description = Description(recipe.name, recipe.licence, settings, tuple(entries))
    files[DESCRIPTION] = description.to_bytes()
    return load(MemoryMembers(files), DEMO)


def _coordinate(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 3)


def _labels(entry: CropEntry) -> tuple[np.ndarray | None, np.ndarray | None]:
    if entry.keypoints is None:
        return None, None
    return np.array(entry.keypoints, np.float32), np.array(entry.evaluate, bool)  # null becomes NaN


def _verified(read: Read, entry: CropEntry) -> bytes:
    data = read(entry.file, MAX_CROP_BYTES)
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise DatasetError(f"crop {entry.file} ({entry.id}) does not match its SHA-256", COPY_AGAIN)
    return data


def _decoded(data: bytes, entry: CropEntry) -> np.ndarray:
    """The pixels of a PNG that its header says to be what the description says."""
    try:
        header = read_image_header(data)
    except SourceError as error:
        raise DatasetError(f"crop {entry.file} ({entry.id}): {error.message}", COPY_AGAIN) from error
    expected = ("PNG", entry.side, entry.side, 8, True)
    if header is None or (header.format, header.width, header.height, header.bits, header.complete) != expected:
        raise DatasetError(
            f"crop {entry.file} ({entry.id}) is not a PNG of 8 bits and {entry.side} pixels a side", COPY_AGAIN
        )
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None or image.shape != (entry.side, entry.side, 3):
        raise DatasetError(f"crop {entry.file} ({entry.id}) cannot be decoded", COPY_AGAIN)
    return image
