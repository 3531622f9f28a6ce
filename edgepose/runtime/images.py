"""Images from files, checked before and after OpenCV decodes them."""

import os

import cv2
import numpy as np

from edgepose.runtime.errors import SourceError
from edgepose.runtime.image_header import read_image_header

MAX_IMAGE_BYTES = 1 << 30
MAX_IMAGE_PIXELS = 200000000
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


def read_image(path):
    """The image file at ``path`` as uint8 [H, W, 3], BGR, turned upright by its EXIF orientation.

    JPEG, PNG, BMP and WebP, recognised by content. Grey images become BGR, alpha is dropped. Raises
    :class:`SourceError` for anything else: missing, empty, truncated or damaged files, more than 8 bits a channel
    (which OpenCV would cut without saying so), more than 200 million pixels.
    """
    data = _read_bytes(path)
    try:
        header = read_image_header(data)
    except SourceError as error:
        raise SourceError("cannot read {}: {}".format(path, error.message), error.hint)
    if header is None:
        raise SourceError("{} is not an image".format(path), "JPEG, PNG, BMP and WebP files are read")
    if header.width * header.height > MAX_IMAGE_PIXELS:
        raise SourceError(
            "{} claims {}x{} pixels; at most {} million are read".format(
                path, header.width, header.height, MAX_IMAGE_PIXELS // 1000000
            ),
            "scale it down",
        )
    if header.bits > 8:
        raise SourceError(
            "{} has {} bits a channel; 8 are read".format(path, header.bits), "convert it to 8 bits, as it should look"
        )
    if not header.complete:
        raise SourceError("{} is cut short: its {} data has no end".format(path, header.format), "copy it again")
    try:
        image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise SourceError("cannot decode {}: {}".format(path, str(error).strip().split("\n")[0]))
    if image is None or image.size == 0:
        raise SourceError("{} is damaged: its {} data cannot be decoded".format(path, header.format), "copy it again")
    return image


def is_image(path):
    """Whether the file at ``path`` begins like an image that is read here."""
    try:
        with open(path, "rb") as file:
            start = file.read(12)
    except OSError:
        return False
    return start.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM")) or (
        start.startswith(b"RIFF") and start[8:12] == b"WEBP"
    )


def _read_bytes(path):
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_IMAGE_BYTES:
                raise SourceError("{} has {} bytes; no image is that large".format(path, size))
            data = file.read(MAX_IMAGE_BYTES)
    except OSError as error:
        raise SourceError("cannot read {}: {}".format(path, error.strerror or error), "check the path and rights")
    if not data:
        raise SourceError("{} is empty".format(path))
    return data
