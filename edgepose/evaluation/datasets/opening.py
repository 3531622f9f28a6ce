"""Which reader a data set needs, told from its content."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from edgepose.evaluation.datasets.annotations import ANNOTATIONS, read_annotations
from edgepose.evaluation.datasets.coco import read_coco
from edgepose.evaluation.datasets.fields import read_json
from edgepose.evaluation.datasets.mpii_json import read_mpii_json
from edgepose.evaluation.datasets.mpii_mat import is_mat, read_mpii_mat
from edgepose.evaluation.datasets.pictures import BOXES, list_pictures, read_boxes, whole_pictures
from edgepose.evaluation.datasets.records import PoseDataset
from edgepose.runtime.errors import DatasetError, UsageError
from edgepose.runtime.images import IMAGE_SUFFIXES, is_image

# Where annotation files lie in the folders that people unpack.
_FOLDERS = (".", "annot", "annotations")
# Formats of sources that are their pictures themselves.
_PICTURES = {"pictures", "video"}


def open_dataset(path: str | Path, images: str | Path | None = None) -> PoseDataset:
    """Open an annotation file, the folder that holds one, or pictures without labels.

    Files: edgepose's ``annotations.json``, MPII's ``.mat``, MPII's JSON splits, COCO keypoints, ``boxes.csv``, one
    picture. ``images`` is the folder of the pictures, where it is not found beside the annotations; what are pictures
    themselves passes it over: see :func:`refuse_unused_images`. Raises :class:`DatasetError` for anything else, for
    annotations that break their format, and for missing pictures.
    """
    path, images = Path(path), None if images is None else Path(images)
    if path.is_dir():
        return _open_folder(path, images)
    if not path.is_file():
        raise DatasetError(
            f"there is no data set at {path}", "name an annotation file, a picture, or a folder that holds them"
        )
    if is_mat(path):
        return read_mpii_mat(path, images)
    if path.suffix.lower() == ".csv":
        return read_boxes(path, images)
    if path.suffix.lower() in IMAGE_SUFFIXES or is_image(path):
        return whole_pictures(path.name, [path])
    return _open_json(path, images)


def refuse_unused_images(images: Path | None, formats: Collection[str]) -> None:
    """Raise :class:`UsageError` where there is a folder of ``images``, and no source of ``formats`` asks for one."""
    if images is not None and _PICTURES.issuperset(formats):
        raise UsageError(
            f"--images {images} is not used: there are no annotations whose pictures it could hold",
            "name the annotation file, or leave --images out",
        )


def _open_json(path: Path, images: Path | None) -> PoseDataset:
    document = read_json(path)
    if isinstance(document, list):
        return read_mpii_json(path, document, images)
    if isinstance(document, dict) and "annotations" in document:
        return read_coco(path, document, images)
    return read_annotations(path, document, images)


def _open_folder(folder: Path, images: Path | None) -> PoseDataset:
    if (folder / ANNOTATIONS).is_file():
        return _open_json(folder / ANNOTATIONS, images)
    if (folder / BOXES).is_file():
        return read_boxes(folder / BOXES, images)
    pictures = list_pictures(folder)
    if pictures:
        return whole_pictures(folder.resolve().name, pictures)
    found = [file for name in _FOLDERS for kind in ("*.mat", "*.json") for file in sorted((folder / name).glob(kind))]
    if len(found) == 1:
        return open_dataset(found[0], images)
    if found:
        raise DatasetError(
            f"{folder} holds several annotation files: {', '.join(str(file.relative_to(folder)) for file in found)}",
            "name one of them",
        )
    raise DatasetError(
        f"{folder} holds neither {ANNOTATIONS} nor pictures ({', '.join(IMAGE_SUFFIXES)})",
        "name the folder that holds the pictures themselves",
    )
