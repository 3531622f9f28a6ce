"""Overlays as files: an image for an image, a video for a video, a folder for several of them."""

import contextlib
import os
from typing import Dict  # noqa: F401 - in a type comment

import cv2

from edgepose.runtime.atomic import atomic_path, write_bytes
from edgepose.runtime.errors import EdgeposeError, UsageError
from edgepose.runtime.images import IMAGE_SUFFIXES
from edgepose.runtime.videos import DEFAULT_FPS, VIDEO_SUFFIXES

VIDEO_CODES = {".mp4": "mp4v", ".m4v": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}
JPEG_QUALITY = 95


def overlay_paths(target, sources):
    """``{source path: overlay path}`` for every source, given what ``--overlay`` names.

    One source and a file name: that file. A folder, or several sources: files of the sources' own names in the
    folder ``target``, which is made; videos become ``.mp4``. Raises :class:`UsageError` for names that do not fit,
    collide, or would replace a source.
    """
    suffix = os.path.splitext(target)[1].lower()
    as_folder = os.path.isdir(target) or target.endswith(("/", os.sep))
    if len(sources) == 1 and not as_folder and suffix:
        source = sources[0]
        allowed = tuple(VIDEO_CODES) if source.is_video else IMAGE_SUFFIXES
        if suffix not in allowed:
            raise UsageError(
                "cannot write the overlay of {} to {}".format(source.path, target), "end it in " + ", ".join(allowed)
            )
        return {source.path: target}
    if suffix in IMAGE_SUFFIXES + VIDEO_SUFFIXES and not as_folder:
        raise UsageError(
            "one file, {}, cannot hold the overlays of {} sources".format(target, len(sources)), "name a folder"
        )
    paths = {}  # type: Dict[str, str]
    for source in sources:
        name = os.path.basename(source.path)
        if source.is_video:
            name = os.path.splitext(name)[0] + ".mp4"
        elif not name.lower().endswith(IMAGE_SUFFIXES):
            name += ".png"
        path = os.path.join(target, name)
        if path in paths.values():
            raise UsageError("two sources would be drawn into {}".format(path), "run them one after the other")
        paths[source.path] = path
    try:
        os.makedirs(target, exist_ok=True)
    except OSError as error:
        raise EdgeposeError("cannot make the folder {}: {}".format(target, error.strerror or error))
    return paths


def write_image(path, image):
    """Write ``image`` (uint8 [H, W, 3] BGR) to ``path``, atomically, in the format of its suffix."""
    suffix = os.path.splitext(path)[1].lower()
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if suffix in (".jpg", ".jpeg") else []
    try:
        encoded, data = cv2.imencode(suffix, image, options)
    except cv2.error as error:
        raise EdgeposeError("cannot write {}: {}".format(path, str(error).strip().split("\n")[0]))
    if not encoded:
        raise EdgeposeError("this OpenCV cannot write {} images".format(suffix), "name a .png file")
    write_bytes(path, data.tobytes())


class VideoOverlay(object):
    """Frames appended to one video file: ``write(image)`` for each, all of one size."""

    def __init__(self, path, temporary, fps):
        self._path, self._temporary, self._fps = path, temporary, fps
        self._writer = None
        self._size = (0, 0)
        self.frames = 0

    def write(self, image):
        """Append ``image`` (uint8 [H, W, 3] BGR). Raises :class:`EdgeposeError` where it cannot be encoded."""
        size = (image.shape[1], image.shape[0])
        if self._writer is None:
            code = VIDEO_CODES[os.path.splitext(self._path)[1].lower()]
            # cv2.VideoWriter_fourcc has moved between versions; it is these four bytes.
            fourcc = int.from_bytes(code.encode("ascii"), "little")
            self._writer = cv2.VideoWriter(self._temporary, fourcc, self._fps, size)
            self._size = size
            if not self._writer.isOpened():
                raise EdgeposeError(
                    "this OpenCV cannot write {}".format(self._path), "name an .avi file, or a folder of images"
                )
        if size != self._size:
            raise EdgeposeError(
                "{}: the frames change from {}x{} to {}x{}".format(self._path, self._size[0], self._size[1], *size)
            )
        self._writer.write(image)
        self.frames += 1

    def finish(self):
        """Close the file and count its frames again: OpenCV does not report a full disk."""
        if self._writer is None:
            return
        self._writer.release()
        self._writer = None
        capture = cv2.VideoCapture(self._temporary)
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
        capture.release()
        if count < self.frames:
            raise EdgeposeError(
                "cannot write {}: {} of {} frames reached the disk".format(self._path, max(count, 0), self.frames),
                "free space, or name another place; nothing was written",
            )

    def abandon(self):
        """Close the file without looking at it."""
        if self._writer is not None:
            self._writer.release()


@contextlib.contextmanager
def open_video_overlay(path, fps):
    """Yield a :class:`VideoOverlay` that becomes ``path`` when the block ends without error."""
    with atomic_path(path) as temporary:
        overlay = VideoOverlay(path, temporary, fps or DEFAULT_FPS)
        try:
            yield overlay
            overlay.finish()
        finally:
            overlay.abandon()
