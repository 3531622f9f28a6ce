"""Where frames come from: cameras, network streams, video files and iterators, all read one frame at a time."""

import os
import re
import sys

import numpy as np

from edgepose.runtime.errors import SourceError, UsageError

_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_DEVICE = re.compile(r"/dev/video([0-9]+)\Z")
# A network camera that says nothing for this long is gone. FFmpeg's own patience is half a minute.
NETWORK_TIMEOUT_MS = 5000
MAX_CAMERA_INDEX = 1023


class EndOfSource(Exception):  # noqa: N818 - not an error
    """A source that has an end has reached it."""


class CameraCapture(object):
    """A camera or network stream that OpenCV opens. ``read()`` waits for its next frame."""

    def __init__(self, name, place, backend, timeout_ms=None):
        """Open ``place`` (index, pipeline or address) with OpenCV's ``backend``; raises :class:`SourceError`."""
        import cv2

        self.name = name
        if timeout_ms is not None and hasattr(cv2, "CAP_PROP_READ_TIMEOUT_MSEC"):
            limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout_ms]
            self._capture = cv2.VideoCapture(place, backend, limits)
        else:
            self._capture = cv2.VideoCapture(place, backend)
        if not self._capture.isOpened():
            self._capture.release()
            raise SourceError("{} cannot be opened".format(name), "check that it is connected and not in use")
        self._position = cv2.CAP_PROP_POS_MSEC

    def read(self):
        """(seconds by the source's own clock or None, frame). Raises :class:`SourceError` where the camera is gone."""
        read, image = self._capture.read()
        if not read:
            raise SourceError("{} gives no more frames".format(self.name), "check its cable, power and network")
        seconds = self._capture.get(self._position) / 1000
        return (seconds if seconds > 0 else None), image

    def close(self):
        """Let go of the camera."""
        self._capture.release()


class FileCapture(object):
    """A video file, every frame of it once."""

    def __init__(self, path):
        """Open ``path``; raises :class:`SourceError`."""
        from edgepose.runtime.videos import VideoReader

        self.name = path
        self._reader = VideoReader(path)
        self._frames = self._reader.frames()

    def read(self):
        """(position in seconds, frame). Raises :class:`EndOfSource`, or :class:`SourceError` where it holds none."""
        for _, seconds, image in self._frames:
            return seconds, image
        raise EndOfSource()

    def close(self):
        """Close the file."""
        self._reader.close()


class IteratorCapture(object):
    """Frames that a program makes: each item is a frame, or (seconds, frame)."""

    def __init__(self, name, frames):
        self.name = name
        self._frames = iter(frames)

    def read(self):
        """(seconds or None, frame), the frame copied: a program may draw its next one into the same array."""
        try:
            item = next(self._frames)
        except StopIteration:
            raise EndOfSource()
        seconds, image = item if isinstance(item, tuple) and len(item) == 2 else (None, item)
        return seconds, image.copy() if isinstance(image, np.ndarray) else image

    def close(self):
        """End a generator, so that its ``finally`` runs here and now."""
        close = getattr(self._frames, "close", None)
        if close is not None:
            close()


class Source(object):
    """What to read: ``name``, whether it is ``live`` (opened again when it goes), and ``open()``."""

    def __init__(self, name, live, opener):
        self.name = name
        self.live = live
        self.open = opener


def find_source(source):
    """The :class:`Source` that ``source`` means; nothing is opened yet.

    A whole number or ``/dev/videoN``: a V4L2 camera. A string with ``!`` in it: a GStreamer pipeline that ends in
    ``appsink``. An address such as ``rtsp://``: a network stream. Another string or path: a video file. A callable:
    called for an iterator of frames each time the camera is (re)opened. Anything else: an iterable of frames.
    Raises :class:`UsageError` for what is none of these, :class:`SourceError` for a file that is not there.
    """
    if isinstance(source, bool):
        raise UsageError("{!r} is not a source of frames".format(source))
    if isinstance(source, (int, np.integer)):
        return _camera(int(source))
    if hasattr(source, "__fspath__") or isinstance(source, str):
        return _named_source(os.fspath(source))
    if callable(source):
        name = getattr(source, "__name__", "camera")
        return Source(name, True, lambda: IteratorCapture(name, source()))
    if hasattr(source, "__iter__") and not isinstance(source, (bytes, np.ndarray)):
        return Source("frames", False, lambda: IteratorCapture("frames", source))
    raise UsageError(
        "{} is not a source of frames".format(type(source).__name__),
        "a camera number, GStreamer pipeline, address, video file, or an iterable of frames",
    )


def _named_source(text):
    import cv2

    if not isinstance(text, str):
        raise UsageError("{!r} is not a source of frames".format(text), "pass a str")
    device = _DEVICE.match(text)
    if text.isdigit() or device:
        return _camera(int(device.group(1) if device else text))
    if "!" in text and not os.path.exists(text):
        if not has_gstreamer():
            raise UsageError(
                "this OpenCV was built without GStreamer: it cannot run the pipeline {!r}".format(text),
                "use the OpenCV of the board's own image (JetPack has one), not the one of pip",
            )
        name = "the pipeline {!r}".format(text)
        return Source(name, True, lambda: CameraCapture(name, text, cv2.CAP_GSTREAMER))
    if _URL.match(text):
        name = without_password(text)
        return Source(name, True, lambda: CameraCapture(name, text, cv2.CAP_FFMPEG, NETWORK_TIMEOUT_MS))
    if not os.path.isfile(text):
        raise SourceError("there is no video or camera {}".format(text), "check the path")
    return Source(text, False, lambda: FileCapture(text))


def _camera(index):
    import cv2

    if not 0 <= index <= MAX_CAMERA_INDEX:
        raise UsageError("there is no camera {}".format(index), "cameras count from 0")
    backend = cv2.CAP_V4L2 if sys.platform.startswith("linux") else cv2.CAP_ANY
    name = "camera {}".format(index)
    return Source(name, True, lambda: CameraCapture(name, index, backend))


def has_gstreamer():
    """Whether this OpenCV can run GStreamer pipelines."""
    import cv2

    return bool(re.search(r"GStreamer:\s+YES", cv2.getBuildInformation()))


def without_password(address):
    """``address`` for showing: what stands before the host (user and password) left out."""
    return re.sub(r"(://)[^/@]*@", r"\1", address)
