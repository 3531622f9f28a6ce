"""Video files, one frame at a time."""

import cv2

from edgepose.runtime.errors import SourceError

VIDEO_SUFFIXES = (
    ".mp4",
    ".m4v",
    ".mov",
    ".avi",
    ".mkv",
    ".webm",
    ".mpg",
    ".mpeg",
    ".ts",
    ".mts",
    ".wmv",
    ".flv",
    ".3gp",
    ".ogv",
)
DEFAULT_FPS = 25.0


class VideoReader(object):
    """Decodes one video file, frame by frame: ``frames()`` yields (index, seconds, uint8 [H, W, 3] BGR).

    ``frame_count`` is what the container claims, None where it claims nothing; ``fps`` is 25 where it says nothing.
    ``frames_read`` counts what has been decoded. It is a context manager that closes the file.
    """

    def __init__(self, path):
        """Open ``path``. Raises :class:`SourceError` where OpenCV cannot."""
        self.path = path
        self._capture = cv2.VideoCapture(path)
        if not self._capture.isOpened():
            raise SourceError(
                "{} cannot be opened as a video".format(path),
                "it is cut short, damaged, or of a codec that this OpenCV lacks",
            )
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.frame_count = int(count) if 0 < count < 1e9 else None
        self.fps = fps if 0 < fps < 1e4 else DEFAULT_FPS
        self.frames_read = 0

    def frames(self):
        """Yield every frame that can be decoded. Raises :class:`SourceError` where there is none."""
        while True:
            decoded, image = self._capture.read()
            if not decoded:
                break
            index = self.frames_read
            self.frames_read += 1
            position = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            # Some back ends do not tell positions.
            yield index, position if position > 0 or index == 0 else index / self.fps, image
        if self.frames_read == 0:
            raise SourceError("{} holds no frame that can be decoded".format(self.path), "it is cut short or damaged")

    @property
    def frames_missing(self):
        """How many of the frames that the container claims were not there, once :meth:`frames` has ended.

        Containers round: two frames, or one in a hundred, are not counted as missing.
        """
        missing = (self.frame_count or 0) - self.frames_read
        return missing if missing > max(2, 0.01 * (self.frame_count or 0)) else 0

    def close(self):
        """Close the file."""
        self._capture.release()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
