"""Several views of each person, their heatmaps averaged before they are decoded: the flip and multi-scale test.

The maps of every view are brought into the frame of the plain one and averaged there. A mirrored view is the network's
input with its columns reversed; its maps are reversed again, and left and right joints exchanged. Cells fall onto
cells exactly, and nothing is shifted: the stride-2 convolutions pad on one side (TF 'SAME'), but training has made up
for it (joints of plain and mirrored views of the official RT, RT_LITE and I_LITE differ by 0.01 to 0.03 cell in the
mean). A view at another scale has the same centre and shows the person that much larger; its maps are sampled
bilinearly at the cells of the plain view, and a cell that it does not show is the mean of the views that do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgepose.runtime.bundle import Bundle
from edgepose.runtime.errors import UsageError
from edgepose.runtime.estimator import PoseEstimator
from edgepose.runtime.joints import JOINTS
from edgepose.runtime.pose import Pose
from edgepose.runtime.preprocess import CropTransform

SCALES = (0.5, 2.0)


def _mirrored_name(name: str) -> str:
    side, _, joint = name.partition("_")
    return {"left": "right_", "right": "left_"}[side] + joint if side in ("left", "right") else name


# The joint that each joint becomes in a mirror.
MIRRORED = tuple(JOINTS.index(_mirrored_name(name)) for name in JOINTS)


class AugmentedEstimator(PoseEstimator):
    """A :class:`PoseEstimator` that looks at each region several times; with one plain view it is one."""

    def __init__(
        self,
        bundle: Bundle,
        threads: int | None = None,
        decoder: str | None = None,
        flip: bool = False,
        scales: Sequence[float] = (1.0,),
        device: str | None = None,
        allow_cpu: bool = False,
    ):
        """``flip``: look at the mirrored view, too; ``scales``: times the person's size in the plain view.

        The other options are those of :class:`PoseEstimator`.

        Raises :class:`UsageError` where ``scales`` lacks 1, the view that the others are brought to, repeats one, or
        has one outside 0.5 to 2, and as :class:`PoseEstimator` does.
        """
        if not all(SCALES[0] <= scale <= SCALES[1] for scale in scales) or len(set(scales)) < len(scales):
            raise UsageError(f"{_words(scales)} are not scales to average", "different ones, 0.5 to 2")
        if 1.0 not in scales:
            raise UsageError(f"1 is not among the scales {_words(scales)}", "their maps are averaged in its frame")
        super().__init__(bundle, threads, decoder, device, allow_cpu)
        self.flip = flip
        self.scales = (1.0, *(scale for scale in scales if scale != 1.0))
        views = [f"scales {_words(scales)}"] if len(scales) > 1 else []
        #: What the heatmaps are averaged over, in words; empty for one view.
        self.views = ", ".join([*views, "mirrored"] if flip else views)

    def _find(self, frame: np.ndarray, region: Sequence[float] | None, color: str) -> Pose:
        if not self.views:
            return super()._find(frame, region, color)
        if region is None:
            region = (0, 0, frame.shape[1], frame.shape[0])
        height, width = self.manifest.heatmap_size
        total, weight = np.zeros((height, width, len(JOINTS))), np.zeros((height, width, 1))
        plain = None
        for scale in self.scales:
            tensor, transform = self._preprocessor.prepare(frame, region=_resized(region, 1 / scale), color=color)
            plain = plain or transform
            maps = self._real_heatmaps(tensor)
            if self.flip:
                maps = (maps + self._mirrored_heatmaps(tensor)) / 2
            rows, columns = self._resampling(plain, transform)
            total += np.einsum("yi,xj,ijk->yxk", rows, columns, maps, optimize=True)
            weight += np.outer(rows.sum(1), columns.sum(1))[..., None]
        assert plain is not None
        peaks, scores = self._decoder.decode((total / weight).astype(np.float32))
        return Pose(plain.to_frame(peaks), scores)

    def _mirrored_heatmaps(self, tensor: np.ndarray) -> np.ndarray:
        """Heatmaps of the mirrored ``tensor``, as if it had not been mirrored."""
        width = 2 if self.manifest.engine.input.layout == "NHWC" else 3
        return self._real_heatmaps(np.ascontiguousarray(np.flip(tensor, width)))[:, ::-1][..., MIRRORED]

    def _real_heatmaps(self, tensor: np.ndarray) -> np.ndarray:
        """Heatmaps [height, width, 16] in real units, float64."""
        spec = self.manifest.engine.output
        maps = self._backend.infer(tensor).astype(np.float64)
        return maps if spec.scale is None else (maps - spec.zero_point) * spec.scale

    def _resampling(self, plain: CropTransform, view: CropTransform) -> tuple[np.ndarray, np.ndarray]:
        """For rows and for columns: [cells of ``plain``, cells of ``view``], bilinear; zeros beyond ``view``."""
        height, width = self.manifest.heatmap_size
        factor = self.manifest.decoder.upsampling
        matrices = []
        for axis, cells in ((1, height), (0, width)):
            at_centres = (np.arange(cells) + 0.5) * factor
            (a, b), (c, d) = (_affine(transform, axis) for transform in (plain, view))
            wanted = ((a * at_centres + b - d) / c) / factor - 0.5
            matrix = np.maximum(0, 1 - np.abs(wanted[:, None] - np.arange(cells)))
            matrix[(wanted < -0.5) | (wanted > cells - 0.5)] = 0
            matrices.append(matrix)
        return matrices[0], matrices[1]


def _affine(transform: CropTransform, axis: int) -> tuple[float, float]:
    """(a, b): pixel u of the full map lies at ``a * u + b`` in the frame, unclipped."""
    stretch = transform.region[axis] / transform.resized[axis]
    return transform.map_scale[axis] * stretch, transform.origin[axis] - transform.padding[axis] * stretch


def _resized(region: Sequence[float], factor: float) -> tuple[float, float, float, float]:
    x, y, width, height = region
    wide, high = width * factor, height * factor
    return x + (width - wide) / 2, y + (height - high) / 2, wide, high


def _words(scales: Sequence[float]) -> str:
    return ", ".join(f"{scale:g}" for scale in scales)


def parse_scales(text: str) -> tuple[float, ...]:
    """``"0.8,1,1.2"`` as numbers. Raises :class:`UsageError` for anything else."""
    try:
        scales = tuple(float(number) for number in text.split(","))
    except ValueError as error:
        raise UsageError(f"{text!r} are not scales", "numbers with commas between them, as in 0.8,1,1.2") from error
    if not all(map(math.isfinite, scales)):
        raise UsageError(f"{text!r} are not scales", "numbers with commas between them, as in 0.8,1,1.2")
    return scales
