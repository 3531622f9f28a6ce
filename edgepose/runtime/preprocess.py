"""From a frame to the network's input: cut, resize and letterbox, then one look-up table that does the rest."""

import math
from typing import Any, NamedTuple, Optional, Tuple  # noqa: F401 - in type comments

import cv2
import numpy as np

from edgepose.runtime.errors import SourceError, UsageError, did_you_mean

COLOR_ORDERS = ("bgr", "rgb")
# What turns pixels of each number of channels into RGB. Alpha is ignored.
_TO_RGB = {
    (1, "bgr"): cv2.COLOR_GRAY2RGB,
    (1, "rgb"): cv2.COLOR_GRAY2RGB,
    (3, "bgr"): cv2.COLOR_BGR2RGB,
    (3, "rgb"): None,
    (4, "bgr"): cv2.COLOR_BGRA2RGB,
    (4, "rgb"): cv2.COLOR_RGBA2RGB,
}
# A region that reaches beyond its frame is copied into black; it may have this many times the frame's pixels.
MAX_REGION_FRAMES = 16
MIN_PADDED_PIXELS = 1 << 22
# Frames at least this many times too large are halved first: a quarter of the work, and the same picture.
HALVE_FROM = 4.0
# The variance of a 3x3 box is 2/3 pixel an axis. A Gaussian this near to it is that box, three times as fast: of the
# joints of 200 photographs of 640x640 pixels 99.4 % are then within 0.1 head of the official ones instead of 99.8 %.
BOX_VARIANCES = (0.45, 0.9)

_CropTransform = NamedTuple(
    "_CropTransform",
    [
        ("origin", Tuple[int, int]),  # x, y of the region in the frame
        ("region", Tuple[int, int]),  # width, height
        ("padding", Tuple[int, int]),  # left, top, in network input pixels
        ("resized", Tuple[int, int]),  # width, height of the region in the network input
        ("map_scale", Tuple[float, float]),  # network input pixels per pixel of the full map: x, y
        ("visible", Tuple[int, int, int, int]),  # the part of the region inside the frame: left, top, right, bottom
    ],
)


class CropTransform(_CropTransform):
    """The way back: from pixels of the upsampled heatmap to pixels of the caller's frame.

    It uses the region's true geometry after rounding to whole pixels, where the official code takes the padding of
    the ideal, unrounded one (a difference of less than half a pixel of the network input). Joints that fall into the
    padding are moved to the nearest border of the region's visible part; the official code marks some of them -0.5
    pixel instead.
    """

    __slots__ = ()

    def to_frame(self, peaks):
        """Full-map coordinates [n, 2] (x, y) -> float32 [n, 2] in pixels of the frame, clipped to what is visible."""
        # Plain numbers and comparisons: Python is faster than numpy on sixteen points, and than its own min and max.
        axes = [self._axis_to_frame(places, axis) for axis, places in enumerate(np.asarray(peaks).T.tolist())]
        return np.array(axes, dtype=np.float32).T

    def _axis_to_frame(self, peaks, axis):
        scale, padding, origin = self.map_scale[axis], self.padding[axis], self.origin[axis]
        resizing = self.region[axis] / self.resized[axis]
        low, high = self.visible[axis], self.visible[axis + 2]
        places = [(peak * scale - padding) * resizing + origin for peak in peaks]
        return [low if place < low else high if place > high else place for place in places]


# What follows from where a region lies: the same from frame to frame as long as that does not move.
_Plan = NamedTuple(
    "_Plan",
    [
        ("box", Tuple[int, int, int, int]),  # what is cut out of the frame: left, top, right, bottom
        ("halvings", int),
        ("smoothing", Optional[Tuple[int, float]]),  # width of the kernel, standard deviation; see _smoothing
        ("place", Tuple[slice, slice]),  # rows and columns of the network's input that are drawn
        ("transform", CropTransform),
    ],
)


class Preprocessor(object):
    """Prepares frames for one engine, as the official ``preprocess`` in ``utils/helpers.py`` does, in one pass.

    The official order is: rescale to fit (scikit-image: Gaussian anti-aliasing, then bilinear), pad with black to a
    centred square, round to bytes, normalise. Here the rescaling is done on bytes, and normalising, quantising (for
    int8 engines) and converting become one look-up table of 256 entries a channel. The tensor that
    :meth:`prepare` returns is the instance's own buffer: it holds until the next call, and an instance serves one
    thread at a time.
    """

    def __init__(self, manifest):
        tensor = manifest.engine.input
        self._size = manifest.input_size
        self._planar = tensor.layout == "NCHW"
        self._tables = lookup_tables(manifest.preprocessing, tensor)
        # [1, 256] or [1, 256, 3]: OpenCV takes half the time for one table (Lite variants) that serves all channels.
        alike = (self._tables == self._tables[0]).all()
        self._interleaved_table = self._tables[:1] if alike else np.ascontiguousarray(self._tables.T)[None]
        height, width = manifest.heatmap_size
        upsampling = manifest.decoder.upsampling
        self._map_scale = (self._size / (width * upsampling), self._size / (height * upsampling))
        self._tensor = np.empty(tensor.shape, dtype=self._tables.dtype)
        self._planned_for = None  # type: Optional[Tuple[int, ...]]
        self._plan = None  # type: Any
        # Where the last region was drawn: only a change of place makes the padding black again.
        self._drawn = None

    def prepare(self, frame, region=None, color="bgr"):
        """Fill the network's input from ``frame``.

        ``frame``: uint8 [H, W, 3] (``color`` 'bgr' as OpenCV gives it, or 'rgb'), [H, W] or [H, W, 1] (grey), or
        [H, W, 4] (the fourth channel, alpha, is ignored).
        ``region``: (x, y, width, height) in pixels of the frame, rounded to whole ones; what of it lies outside the
        frame is black. None for the whole frame. Regions more than four times as wide as the network's input lose
        what is left after dividing by a power of two: less than one pixel of the input.

        Returns (tensor of the engine's shape and dtype, :class:`CropTransform`).
        Raises :class:`SourceError` for a frame or region that cannot be, :class:`UsageError` for another color order.
        """
        frame = checked_frame(frame)
        code = _TO_RGB.get((frame.shape[2], color))
        if color not in COLOR_ORDERS:
            raise UsageError("there is no color order {!r}{}".format(color, did_you_mean(color, COLOR_ORDERS)))
        height, width = frame.shape[:2]
        wanted = (width, height) + _whole_region(region, width, height)
        if wanted != self._planned_for:
            self._plan = self._planned(*wanted)
            self._planned_for = wanted
        plan = self._plan
        pixels = _resize(_cut(frame, *plan.box), plan.transform.resized, plan.halvings, plan.smoothing)
        if code is not None:
            pixels = cv2.cvtColor(pixels, code)
        self._draw(pixels, plan.place)
        return self._tensor, plan.transform

    def _planned(self, width, height, left, top, right, bottom):
        """The :class:`_Plan` for a region, in whole pixels, of frames of ``width`` x ``height``."""
        halvings = _halvings(max(right - left, bottom - top) / self._size)
        left, right = _multiple_of(left, right, halvings)
        top, bottom = _multiple_of(top, bottom, halvings)
        region_size = (right - left, bottom - top)

        scale = self._size / max(region_size)
        resized = (max(1, round(region_size[0] * scale)), max(1, round(region_size[1] * scale)))
        padding = (int((self._size - resized[0]) / 2), int((self._size - resized[1]) / 2))
        transform = CropTransform(
            origin=(left, top),
            region=region_size,
            padding=padding,
            resized=resized,
            map_scale=self._map_scale,
            visible=(max(left, 0), max(top, 0), min(right, width), min(bottom, height)),
        )
        place = (slice(padding[1], padding[1] + resized[1]), slice(padding[0], padding[0] + resized[0]))
        return _Plan((left, top, right, bottom), halvings, _smoothing(1.0 / scale, halvings), place, transform)

    def _draw(self, pixels, place):
        """Look ``pixels`` (RGB bytes) up in the tables, straight into their ``place`` in the tensor."""
        if self._drawn != place:
            # Black before normalisation, as in the official code, is not zero after it.
            black = self._tables[:, 0]
            self._tensor[:] = black[:, None, None] if self._planar else black
            self._drawn = place
        if self._planar:
            for channel, plane in enumerate(cv2.split(pixels)):
                cv2.LUT(plane, self._tables[channel][None], dst=self._tensor[0, channel][place])
        else:
            cv2.LUT(pixels, self._interleaved_table, dst=self._tensor[0][place])


def lookup_tables(preprocessing, tensor):
    """[3, 256]: what each byte of R, G and B becomes in the engine's input ``tensor`` (float32 or int8)."""
    bytes_ = np.arange(256, dtype=np.float64)
    tables = bytes_ * np.array(preprocessing.scale)[:, None] + np.array(preprocessing.offset)[:, None]
    if tensor.dtype == "float32":
        return tables.astype(np.float32)
    # Halves away from zero, as TFLite's QUANTIZE rounds.
    steps = tables / tensor.scale
    steps = np.sign(steps) * np.floor(np.abs(steps) + 0.5) + tensor.zero_point
    return np.clip(steps, -128, 127).astype(np.int8)


def checked_frame(frame):
    """``frame`` as uint8 [H, W, C] with C in 1, 3, 4. Raises :class:`SourceError` saying what it is instead."""
    if not isinstance(frame, np.ndarray):
        raise SourceError(
            "a frame is a numpy array, not {}".format(type(frame).__name__),
            "cv2.imread gives None for a file that it cannot read" if frame is None else None,
        )
    if frame.dtype != np.uint8:
        raise SourceError(
            "frames have 8 bits a channel (uint8); this one is {}".format(frame.dtype),
            "scale it to 0..255 and convert it with .astype(np.uint8)",
        )
    if frame.ndim == 2:
        frame = frame[:, :, None]
    if frame.ndim != 3 or frame.shape[2] not in (1, 3, 4):
        raise SourceError(
            "a frame is [H, W, 3] (or [H, W], [H, W, 1], [H, W, 4]); this one is {}".format(list(frame.shape)),
            "pass one image, channels last",
        )
    if frame.size == 0:
        raise SourceError("the frame has no pixels: it is {}".format(list(frame.shape)))
    return frame


def _whole_region(region, width, height):
    """(left, top, right, bottom) in whole pixels of a frame of ``width`` x ``height``."""
    if region is None:
        return 0, 0, width, height
    try:
        x, y, region_width, region_height = (float(number) for number in region)
    except (TypeError, ValueError, OverflowError):
        raise SourceError("a region is four numbers (x, y, width, height), not {!r}".format(region))
    if not all(abs(number) < 1e9 for number in (x, y, region_width, region_height)):
        raise SourceError("the region {!r} is not finite, or out of all proportion".format(tuple(region)))
    if region_width <= 0 or region_height <= 0:
        raise SourceError("the region {!r} has no area".format(tuple(region)), "give x, y, width, height in pixels")
    left, top = math.floor(x + 0.5), math.floor(y + 0.5)
    right = max(left + 1, math.floor(x + region_width + 0.5))
    bottom = max(top + 1, math.floor(y + region_height + 0.5))
    if right <= 0 or bottom <= 0 or left >= width or top >= height:
        raise SourceError("the region {!r} lies outside the frame of {}x{}".format(tuple(region), width, height))
    inside = left >= 0 and top >= 0 and right <= width and bottom <= height
    area = (right - left) * (bottom - top)
    if not inside and area > max(MIN_PADDED_PIXELS, MAX_REGION_FRAMES * width * height):
        raise SourceError(
            "the region {!r} is more than {} times as large as the frame of {}x{}".format(
                tuple(region), MAX_REGION_FRAMES, width, height
            )
        )
    return left, top, right, bottom


def _halvings(ratio):
    """How often a region ``ratio`` times too large is halved before it is smoothed."""
    halvings = 0
    while ratio >= HALVE_FROM:
        ratio /= 2
        halvings += 1
    return halvings


def _multiple_of(low, high, halvings):
    """The longest centred part of [low, high) that can be halved as often as its length allows."""
    length = high - low
    factor = 1 << min(halvings, length.bit_length() - 1)
    low += length % factor // 2
    return low, low + length // factor * factor


def _cut(frame, left, top, right, bottom):
    """The pixels of a region, black outside the frame."""
    height, width = frame.shape[:2]
    inside = frame[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    if inside.shape[:2] != (bottom - top, right - left):
        cut = np.zeros((bottom - top, right - left, frame.shape[2]), dtype=np.uint8)
        y, x = max(-top, 0), max(-left, 0)
        cut[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
        return cut
    if inside.strides[1:] != (frame.shape[2], 1) or inside.strides[0] < inside.shape[1] * frame.shape[2]:
        return inside.copy(order="C")  # views that OpenCV cannot read: mirrored, or channels swapped
    return inside


def _smoothing(ratio, halvings):
    """(kernel width, standard deviation) of the Gaussian before a region is resized to ``1 / ratio``; None for none.

    Official (scikit-image's rescale): a standard deviation of (ratio - 1) / 2, then bilinear interpolation, which adds
    a variance of 1/6 pixel. Halvings add the variance of a box, and coarser interpolation; the Gaussian makes up what
    is missing. A width of 3 with a standard deviation of 0 is the box of :data:`BOX_VARIANCES`.
    """
    if ratio <= 1:
        return None
    step = 2.0**halvings
    missing = ((ratio - 1) / 2) ** 2 + 1 / 6 - (step * step - 1) / 12 - step * step / 6
    variance = max(missing, 0.0) / (step * step)
    if BOX_VARIANCES[0] <= variance <= BOX_VARIANCES[1]:
        return 3, 0.0
    sigma = math.sqrt(variance)
    # Wider kernels cost a third more time and change no pixel by more than rounding.
    radius = int(2.5 * sigma + 0.5)
    return (2 * radius + 1, sigma) if radius > 0 else None


def _resize(pixels, size, halvings, smoothing):
    """Resize to ``size`` (width, height) after ``halvings`` and the ``smoothing`` that :func:`_smoothing` found."""
    if pixels.shape[:2] == (1, 1):
        return np.tile(pixels, (size[1], size[0], 1))  # OpenCV 4.5.4 cannot read a single pixel
    for _ in range(halvings):
        half = (max(1, pixels.shape[1] // 2), max(1, pixels.shape[0] // 2))
        pixels = cv2.resize(pixels, half, interpolation=cv2.INTER_AREA)
    if smoothing is not None:
        width, sigma = smoothing
        kernel = (width, width)
        pixels = cv2.GaussianBlur(pixels, kernel, sigma) if sigma else cv2.blur(pixels, kernel)
    return cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR)
