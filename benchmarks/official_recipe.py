"""The peer: one still image through the official project, written again from what that project does.

Behaviour of ``track.py`` and ``utils/helpers.py`` of github.com/daniegr/EfficientPose for a still image and
the TensorFlow Lite framework: scikit-image ``rescale`` to fit the network's square input, zero padding, bytes
by truncation, the ImageNet formula (full variants) or ``x / 127.5 - 1`` (Lite variants), the official
``.tflite`` file, a Gaussian of sigma 1 over every one of the sixteen full-resolution maps, and the highest
pixel of each.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from edgepose.evaluation.datasets import PoseDataset, open_dataset

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
IMAGENET_STD = np.array([0.229, 0.224, 0.225], np.float32)
REALTIME_THRESHOLD = 0.3


def reference_folder() -> Path:
    """The folder that ``EDGEPOSE_REFERENCE`` names: official weights and annotated photographs."""
    folder = os.environ.get("EDGEPOSE_REFERENCE")
    if not folder or not Path(folder).is_dir():
        raise SystemExit(
            "benchmarks compare with the official project: set EDGEPOSE_REFERENCE to the folder that holds "
            "weights/tflite/*.tflite and data/lspet-dev/annotations.json"
        )
    return Path(folder)


def open_tflite(model: Path | bytes, threads: int) -> Any:
    """A LiteRT interpreter with ``threads`` threads, its tensors allocated."""
    from ai_edge_litert.interpreter import Interpreter

    source = {"model_content": model} if isinstance(model, bytes) else {"model_path": str(model)}
    interpreter = Interpreter(num_threads=threads, **source)
    interpreter.allocate_tensors()
    return interpreter


def preprocess(image_rgb: np.ndarray, resolution: int, lite: bool) -> np.ndarray:
    """uint8 RGB [H, W, 3] -> float32 [1, resolution, resolution, 3]."""
    from skimage.transform import rescale

    height, width = image_rgb.shape[:2]
    scale = resolution / max(height, width)
    fitted = rescale(image_rgb, scale, channel_axis=-1)
    rows, columns = fitted.shape[:2]
    top, left = (resolution - rows) // 2, (resolution - columns) // 2
    square = np.pad(
        fitted, [(top, resolution - rows - top), (left, resolution - columns - left), (0, 0)], mode="constant"
    )
    tensor = (255 * square).astype(np.uint8).astype(np.float32)[np.newaxis]
    # In place and channel by channel, as Keras's ``preprocess_input`` does: half the time of broadcasting.
    if lite:
        tensor /= 127.5
        tensor -= 1.0
    else:
        tensor /= 255.0
        for channel, (mean, std) in enumerate(zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)):
            tensor[..., channel] -= mean
            tensor[..., channel] /= std
    return tensor


def peaks(full_maps: np.ndarray, smooth: bool = True) -> np.ndarray:
    """Highest pixel of each full-resolution map [H, W, 16], as (x, y) pixel centres, float64 [16, 2].

    ``smooth``: the still-image decoder (Gaussian of sigma 1 first); otherwise the real-time one, without its
    threshold.
    """
    found = np.empty((full_maps.shape[2], 2))
    for joint in range(full_maps.shape[2]):
        heatmap = full_maps[..., joint]
        if smooth:
            heatmap = gaussian_filter(heatmap, sigma=1.0)
        row, column = divmod(int(np.argmax(heatmap)), heatmap.shape[1])
        found[joint] = column + 0.5, row + 0.5
    return found


def to_frame(points: np.ndarray, resolution: int, frame_height: int, frame_width: int) -> np.ndarray:
    """Full-map pixels [16, 2] -> pixels of the frame that was letterboxed, clipped to that frame."""
    side = max(frame_height, frame_width)
    normalised = points / resolution
    offset = np.array([(side - frame_width) / 2, (side - frame_height) / 2])
    return np.clip(normalised * side - offset, 0, [frame_width, frame_height])


class OfficialRecipe:
    """Frame -> sixteen joints, as the official project does it on TensorFlow Lite."""

    def __init__(self, model: Path, lite: bool, threads: int):
        self.lite = lite
        self.interpreter = open_tflite(model, threads)
        self._input = self.interpreter.get_input_details()[0]
        # Full variants have four outputs; the confidence maps at full resolution are the last.
        self._output = self.interpreter.get_output_details()[-1]
        self.resolution = int(self._input["shape"][1])

    def infer(self, tensor: np.ndarray) -> np.ndarray:
        """float32 [1, R, R, 3] -> full-resolution confidence maps, float32 [R, R, 16]."""
        self.interpreter.set_tensor(self._input["index"], tensor)
        self.interpreter.invoke()
        return self.interpreter.get_tensor(self._output["index"])[0]

    def heatmaps(self) -> np.ndarray:
        """Heatmaps of the last :meth:`infer` before upsampling, [R/8, R/8, 16]; full variants alone."""
        return self.interpreter.get_tensor(self.interpreter.get_output_details()[-2]["index"])[0]

    def __call__(self, frame_bgr: np.ndarray) -> np.ndarray:
        """uint8 BGR [H, W, 3] -> joints [16, 2] in pixels of the frame."""
        # ``track.py`` looks these up anew for every frame.
        self.interpreter.get_input_details()
        self.interpreter.get_output_details()
        full_maps = self.infer(preprocess(frame_bgr[..., ::-1], self.resolution, self.lite))
        return to_frame(peaks(full_maps), self.resolution, *frame_bgr.shape[:2])


def crop(picture: np.ndarray, region: tuple[int, int, int, int] | None) -> np.ndarray:
    """The (x, y, width, height) of ``picture`` [H, W, 3], black outside it; ``None`` for all of it."""
    if region is None:
        return picture
    x, y, width, height = region
    rows, columns = picture.shape[:2]
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + width, columns), min(y + height, rows)
    cut = np.zeros((height, width, 3), np.uint8)
    cut[top - y : bottom - y, left - x : right - x] = picture[top:bottom, left:right]
    return cut


def reference_dataset() -> PoseDataset:
    """The annotated photographs of the reference folder."""
    return open_dataset(reference_folder() / "data" / "lspet-dev")


def official_tflite(variant: str) -> Path:
    """Path of the official TensorFlow Lite file of ``variant`` in the reference folder."""
    return reference_folder() / "weights" / "tflite" / f"EfficientPose{variant}.tflite"
