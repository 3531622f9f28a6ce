"""Pictures without known joints: a plain folder, or one with the boxes of its persons.

``boxes.csv``, beside the pictures, has one line a person, in pixels with the corner of the picture at (0, 0)::

    image,x,y,width,height
    street/0001.jpg,120,44,180,420

``x`` and ``y`` are the upper left corner of the box, ``image`` is relative to the folder. A box becomes the square
around its centre with its longer side. Pictures without a line are passed over.
"""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

from edgepose.evaluation.datasets.fields import PictureFolder, Place, check_count, check_size, files_in
from edgepose.evaluation.datasets.records import PersonRecord, PoseDataset, unlabelled
from edgepose.evaluation.datasets.regions import square_around
from edgepose.runtime.errors import DatasetError
from edgepose.runtime.images import IMAGE_SUFFIXES

BOXES = "boxes.csv"
COLUMNS = ("image", "x", "y", "width", "height")
CROP_SCALE = 1.25  # a box ends where the person ends; the networks are used to some room
_HINT = f"{BOXES} has the columns {','.join(COLUMNS)} and one line a person"


def list_pictures(folder: Path) -> list[Path]:
    """The pictures in ``folder``, by name."""
    return [file for file in files_in(folder) if file.suffix.lower() in IMAGE_SUFFIXES]


def whole_pictures(name: str, pictures: list[Path]) -> PoseDataset:
    """A data set of whole ``pictures``; those of one name in several folders are told apart by a number."""
    records, seen = [], Counter[str]()
    for picture in pictures:
        seen[picture.name] += 1
        record_id = picture.name if seen[picture.name] == 1 else f"{picture.name}:{seen[picture.name]}"
        records.append(PersonRecord(record_id, picture, None, *unlabelled(), upright=None, source=""))
    return PoseDataset(name, tuple(records), "pictures")


def read_boxes(path: Path, images: Path | None = None) -> PoseDataset:
    """The persons of the ``boxes.csv`` at ``path``, without labels.

    Raises :class:`DatasetError` for lines that break the format, and for missing pictures.
    """
    check_size(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            rows = [(reader.line_num, row) for row in reader]
            columns = reader.fieldnames or []
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}", "check the path and rights") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} is not a table of boxes: {error}", _HINT) from error
    missing = [column for column in COLUMNS if column not in columns]
    if missing:
        raise DatasetError(f"{path} has no column {missing[0]!r}", _HINT)
    check_count(path, len(rows), "boxes")
    pictures, in_picture, records = PictureFolder(images or path.parent), Counter[str](), []
    for line, row in rows:
        place = Place(f"{path}: line {line}", _HINT)
        name = place.file_name(row["image"], "image")
        x, y, width, height = (place.number(_parsed(row[column]), column) for column in COLUMNS[1:])
        place.require(width > 0 and height > 0, "the box", "has no area")
        in_picture[name] += 1
        region = square_around(x, y, width, height)
        record_id = f"{name}:{in_picture[name]}"
        records.append(PersonRecord(record_id, pictures.find(name), region, *unlabelled(), upright=None, source=""))
    pictures.refuse_missing()
    return PoseDataset(path.parent.resolve().name, tuple(records), "boxes", CROP_SCALE)


def _parsed(text: str | None) -> float | str | None:
    try:
        return float(text or "")
    except ValueError:
        return text
