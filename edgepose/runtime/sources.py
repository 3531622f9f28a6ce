"""What a user names on the command line - images, folders, videos - as one stream of frames."""

import os
import re
from typing import NamedTuple, Optional

import numpy as np

from edgepose.runtime.errors import SourceError
from edgepose.runtime.images import IMAGE_SUFFIXES, is_image, read_image
from edgepose.runtime.videos import VIDEO_SUFFIXES, VideoReader

# ``index`` and ``seconds`` are None for images.
Frame = NamedTuple(
    "Frame", [("source", str), ("index", Optional[int]), ("seconds", Optional[float]), ("image", np.ndarray)]
)


class ImageSource(object):
    """One image file: a stream of one frame."""

    is_video = False
    frame_count = 1
    #: What :meth:`frames` found to be wrong without giving up; None for images.
    warning = None

    def __init__(self, path):
        self.path = path

    def frames(self):
        """Yield the one :class:`Frame`. Raises :class:`SourceError` where the file is no whole image."""
        yield Frame(self.path, None, None, read_image(self.path))


class VideoSource(object):
    """One video file: a stream of its frames, never more than one in memory."""

    is_video = True

    def __init__(self, path):
        self.path = path
        #: A sentence, after :meth:`frames` has ended before the end that the file claims.
        self.warning = None
        #: What the container claims; None before :meth:`frames` begins, or where it claims nothing.
        self.frame_count = None
        self.fps = None

    def frames(self):
        """Yield each :class:`Frame`. Raises :class:`SourceError` where the file cannot be opened or holds none."""
        with VideoReader(self.path) as reader:
            self.frame_count, self.fps = reader.frame_count, reader.fps
            for index, seconds, image in reader.frames():
                yield Frame(self.path, index, seconds, image)
            if reader.frames_missing:
                self.warning = "{} ends after {} of the {} frames that it claims".format(
                    self.path, reader.frames_read, reader.frame_count
                )


def open_sources(paths):
    """The sources that ``paths`` name: images (by content), videos (by suffix), and folders of both, in natural order.

    Files of other kinds inside a folder are passed over, as are folders in it. Nothing is decoded yet. Raises
    :class:`SourceError` for a path that is not there, a file that is neither, and a folder that holds none.
    """
    sources = []
    for path in paths:
        path = os.fspath(path)
        if os.path.isdir(path):
            sources.extend(_folder_sources(path))
        elif os.path.isfile(path):
            sources.append(_file_source(path))
        elif os.path.exists(path):
            raise SourceError("{} is not a file or folder".format(path))
        else:
            raise SourceError("there is no file {}".format(path), "check the path")
    return sources


def natural_order(name):
    """A sort key under which ``frame2`` comes before ``frame10``."""
    parts = re.split(r"([0-9]+)", name.lower())  # text and digits in turn
    return [int(part) if position % 2 else part for position, part in enumerate(parts)], name


def _file_source(path):
    if path.lower().endswith(VIDEO_SUFFIXES):
        return VideoSource(path)
    # A file that only claims to be an image is opened as one, for the error that says what is wrong with it.
    if path.lower().endswith(IMAGE_SUFFIXES) or is_image(path):
        return ImageSource(path)
    raise SourceError(
        "{} is neither an image nor a video".format(path),
        "images are JPEG, PNG, BMP or WebP; videos end in " + ", ".join(VIDEO_SUFFIXES),
    )


def _folder_sources(path):
    try:
        names = sorted(os.listdir(path), key=natural_order)
    except OSError as error:
        raise SourceError("cannot read the folder {}: {}".format(path, error.strerror or error))
    files = [
        os.path.join(path, name)
        for name in names
        if name.lower().endswith(IMAGE_SUFFIXES + VIDEO_SUFFIXES) and not name.startswith(".")
    ]
    files = [file for file in files if os.path.isfile(file)]
    if not files:
        raise SourceError(
            "the folder {} holds no image and no video".format(path),
            "files ending in " + ", ".join(IMAGE_SUFFIXES + VIDEO_SUFFIXES) + " are taken",
        )
    return [_file_source(file) for file in files]
