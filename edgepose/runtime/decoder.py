"""From heatmaps to joints: the official decoders' own answers, several times faster."""

import numpy as np

from edgepose.runtime.errors import EngineError, UsageError
from edgepose.runtime.full_map import smooth, upsample
from edgepose.runtime.heatmaps import require_finite
from edgepose.runtime.joints import JOINTS
from edgepose.runtime.peak_search import SeparablePeakSearch
from edgepose.runtime.upsampling import full_map_matrix


class HeatmapDecoder(object):
    """Finds each joint where the official code finds it: at the argmax of the full, upsampled map.

    Source: ``extract_coordinates`` in ``utils/helpers.py`` of the official project. Its still-image decoder smooths
    the full map with a Gaussian of one pixel (``sigma`` = 1, 'official'), its real-time decoder does not (``sigma``
    = 0, 'realtime'). The official code has the network compute the full map; here it is evaluated only where a
    maximum can be (:class:`SeparablePeakSearch`), and in full for the one joint in some thousands where two pixels
    are equal but for the rounding of the official arithmetic (:mod:`edgepose.runtime.full_map`). The threshold of the
    official real-time decoder is left to the caller, who has the scores. An instance reuses its buffers: it serves
    one thread at a time.
    """

    def __init__(self, height, width, upsampling, sigma=0.0):
        """Prepare for heatmaps of ``height`` x ``width`` cells.

        ``upsampling``: pixels of the full map per cell, a power of two; 1 where the engine computes the full map.
        ``sigma``: standard deviation of the Gaussian, in pixels of the full map; 0 for none.
        Raises :class:`UsageError` where one of them cannot be.
        """
        if height < 1 or width < 1 or sigma < 0:
            raise UsageError("no heatmap has {}x{} cells and a sigma of {}".format(height, width, sigma))
        if upsampling < 1 or upsampling & (upsampling - 1):
            raise UsageError("an upsampling of {} is not a power of two".format(upsampling))
        self.height, self.width, self.upsampling, self.sigma = height, width, upsampling, sigma
        self._search = None
        if upsampling > 1:
            rows = full_map_matrix(height, upsampling, sigma)
            columns = rows if width == height else full_map_matrix(width, upsampling, sigma)
            self._search = SeparablePeakSearch(rows, columns, upsampling, len(JOINTS))

    def decode(self, heatmaps, zero_point=0):
        """Find the joints in ``heatmaps`` [height, width, 16], float32, or integers as int8 engines compute them.

        Returns (peaks float32 [16, 2], scores float32 [16]): x and y in pixels of the full map, where the centre of
        the first pixel is 0.5, and the value of the decoder's own map there. Integers are searched as what they are,
        less their ``zero_point``: scores are then in the same integers, for the caller to scale. Raises
        :class:`EngineError` for heatmaps of another shape, or with values that are not finite.
        """
        expected = (self.height, self.width, len(JOINTS))
        if heatmaps.shape != expected:
            raise EngineError("heatmaps have the shape {}, not {}".format(heatmaps.shape, expected))
        integral = heatmaps.dtype.kind == "i"
        if integral:
            heatmaps = heatmaps.astype(np.float32, order="C")
            heatmaps -= zero_point
        else:
            heatmaps = np.ascontiguousarray(heatmaps, dtype=np.float32)
            require_finite(heatmaps)
        if self._search is None:
            pixels = np.zeros(len(JOINTS), dtype=np.int64)
            scores = np.zeros(len(JOINTS))
            settled = np.zeros(len(JOINTS), dtype=bool)
        else:
            pixels, scores, settled = self._search.find(heatmaps, integral)
        scores = scores.astype(np.float32)
        if np.count_nonzero(settled) < len(JOINTS):
            self._search_full_maps(heatmaps, ~settled, pixels, scores)
        peaks = np.empty((len(JOINTS), 2), dtype=np.float32)
        width = self.width * self.upsampling
        rows = pixels // width
        peaks[:, 1], peaks[:, 0] = rows, pixels - rows * width
        peaks += 0.5
        return peaks, scores

    def _search_full_maps(self, heatmaps, joints, pixels, scores):
        """Find ``joints`` (bool [16]) as the official code does; their ``pixels`` and ``scores`` are set in place."""
        for joint in np.flatnonzero(joints):
            full_map = upsample(heatmaps[:, :, joint], self.upsampling)
            if self.sigma > 0:
                full_map = smooth(full_map, self.sigma)
            pixels[joint] = full_map.argmax()
            scores[joint] = full_map.flat[pixels[joint]]
