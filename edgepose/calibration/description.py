"""``calibration.json``: what a calibration set says about itself.

::

    {"schema": 1, "name": "mpii", "licence": "...", "recipe": {...}, "digest": "<sha256>",
     "crops": [{"id": "015601864.jpg:1", "file": "crops/0000.png", "sha256": "...", "side": 640, "head": 52.1,
                "keypoints": [[x, y] or [null, null], ... 16], "evaluate": [true or false, ... 16]}, ...]}

``side`` is the crop's in pixels; ``head`` the length of the head in pixels of the crop, null where not known.
``keypoints``, in EfficientPose order, are pixels of the crop with the *corner* of the first at (0, 0), unlike those of
``annotations.json``; they and ``evaluate`` come together, with a head, or are null. The digest covers recipe and crops;
name and licence note are for people.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from edgepose.evaluation.datasets.annotations import read_labels
from edgepose.evaluation.datasets.fields import Place
from edgepose.runtime.errors import DatasetError

SCHEMA = 1
DESCRIPTION = "calibration.json"
CROPS_FOLDER = "crops"
MAX_CROPS = 4096
MAX_SIDE = 640  # pixels; the largest network looks at 600
MAX_DESCRIPTION_BYTES = 16 << 20
MAX_CROP_BYTES = 2 * 3 * MAX_SIDE * MAX_SIDE
_HINT = "copy the set again, or make it again with 'edgepose calibrate'"
_FILE = re.compile(r"crops/[0-9]{4}\.png\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


class CropEntry(NamedTuple):
    """One crop of a set, as its description lists it, in JSON values."""

    id: str
    file: str
    sha256: str
    side: int
    head: float | None
    keypoints: list[list[float | None]] | None
    evaluate: list[bool] | None


@dataclass(frozen=True)
class Description:
    """A checked ``calibration.json``."""

    name: str
    licence: str
    recipe: dict[str, Any]
    entries: tuple[CropEntry, ...]

    @property
    def digest(self) -> str:
        """SHA-256 over recipe and crops."""
        return hashlib.sha256(_json({"recipe": self.recipe, "crops": _listed(self.entries)})).hexdigest()

    def to_bytes(self) -> bytes:
        """The file's content."""
        fields = {"schema": SCHEMA, "name": self.name, "licence": self.licence, "recipe": self.recipe}
        return _json({**fields, "digest": self.digest, "crops": _listed(self.entries)}) + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes, where: str) -> Description:
        """Read and check what :meth:`to_bytes` wrote; ``where`` names the set. Raises :class:`DatasetError`."""
        try:
            document = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise DatasetError(f"{where}: {DESCRIPTION} is not JSON: {error}", _HINT) from error
        place = Place(f"{where}: {DESCRIPTION}", _HINT)
        place.require(isinstance(document, dict), "the document", "is not an object")
        if document.get("schema") != SCHEMA:
            raise DatasetError(
                f"{where} has schema {document.get('schema')!r}; this edgepose reads {SCHEMA}",
                "update edgepose, or make the set again with 'edgepose calibrate'",
            )
        for field, kind in (("name", str), ("licence", str), ("recipe", dict), ("crops", list), ("digest", str)):
            place.require(isinstance(document.get(field), kind), field, "is missing or of another type")
        crops = document["crops"]
        place.require(1 <= len(crops) <= MAX_CROPS, "crops", f"are {len(crops)}, not 1 to {MAX_CROPS}")
        entries = tuple(_entry(crop, Place(f"{where}: crop {index}", _HINT)) for index, crop in enumerate(crops))
        for field in ("id", "file"):
            values = [getattr(entry, field) for entry in entries]
            place.require(len(set(values)) == len(values), "crops", f"share a {field}")
        description = cls(document["name"], document["licence"], document["recipe"], entries)
        try:
            digest = description.digest
        # Infinity, and depths that can be read but not written.
        except (ValueError, RecursionError) as error:
            raise DatasetError(f"{where}: the recipe is no JSON value: {error}", _HINT) from error
        place.require(digest == document["digest"], "digest", "is not that of recipe and crops")
        return description


def _entry(crop: Any, place: Place) -> CropEntry:
    place.require(isinstance(crop, dict), "the entry", "is not an object")
    id_, file, sha256, side, head, keypoints, evaluate = (crop.get(field) for field in CropEntry._fields)
    place.require(isinstance(id_, str) and 0 < len(id_) <= 500, "id", "is not a short text")
    place.require(isinstance(file, str) and bool(_FILE.match(file)), "file", f"is {file!r}, not like crops/0000.png")
    place.require(isinstance(sha256, str) and bool(_SHA256.match(sha256)), "sha256", "is not a SHA-256")
    whole = isinstance(side, int) and not isinstance(side, bool)
    place.require(whole and 1 <= side <= MAX_SIDE, "side", f"is not a whole number, 1 to {MAX_SIDE}")
    if keypoints is not None or evaluate is not None:
        head = read_labels(crop, place).head_length
    elif head is not None:
        head = place.number(head, "head")
        place.require(head > 0, "head", "is not positive")
    return CropEntry(id_, file, sha256, side, head, keypoints, evaluate)


def _listed(entries: Sequence[CropEntry]) -> list[dict[str, Any]]:
    return [entry._asdict() for entry in entries]


def _json(document: Any) -> bytes:
    return json.dumps(document, indent=1, sort_keys=True, allow_nan=False).encode()
