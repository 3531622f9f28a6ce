"""From heatmaps to joints: the official decoders' own answers, several times faster."""

import cv2
import numpy as np

from edgepose.runtime.errors import EngineError, UsageError
from edgepose.runtime.heatmaps import require_finite
from edgepose.runtime.joints import JOINTS
from edgepose.runtime.peak_search import SeparablePeakSearch
from edgepose.runtime.upsampling import full_map_matrix, gaussian_kernel


class HeatmapDecoder(object):
    """Finds each joint where the official code finds it: at the argmax of the full, upsampled map.

    Source: ``extract_coordinates`` in ``utils/helpers.py`` of the official project. Its still-image decoder smooths
    the full map with a Gaussian of one pixel (``sigma`` = 1, 'official'), its real-time decoder does not (``sigma``
    = 0, 'realtime'). The official code has the network compute the full map; here it is evaluated only where a
    maximum can be (:class:`SeparablePeakSearch`). The official threshold of the real-time decoder is left to the
    caller, who has the scores. An instance reuses its buffers: it serves one thread at a time.
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

    def decode(self, heatmaps):
        """Find the joints in ``heatmaps``, float32 [height, width, 16].

        Returns (peaks float32 [16, 2], scores float32 [16]): x and y in pixels of the full map, where the centre of
        the first pixel is 0.5, and the value of the decoder's own map there.
        Raises :class:`EngineError` for heatmaps of another shape, or with values that are not finite.
        """
        expected = (self.height, self.width, len(JOINTS))
        if heatmaps.shape != expected:
            raise EngineError("heatmaps have the shape {}, not {}".format(heatmaps.shape, expected))
        heatmaps = np.ascontiguousarray(heatmaps, dtype=np.float32)
        require_finite(heatmaps)
        rows, columns, scores = self._search_full_map(heatmaps) if self._search is None else self._search.find(heatmaps)
        return np.stack([columns, rows], axis=1).astype(np.float32) + np.float32(0.5), scores

    def _search_full_map(self, full_maps):
        """As :meth:`SeparablePeakSearch.find`, in maps that the engine has already upsampled."""
        peaks = np.zeros(len(JOINTS), dtype=np.int64)
        scores = np.zeros(len(JOINTS), dtype=np.float32)
        for joint in range(len(JOINTS)):
            full_map = full_maps[:, :, joint]
            if self.sigma > 0:
                kernel = gaussian_kernel(self.sigma)
                # float64 like scipy, whose 'reflect' is OpenCV's BORDER_REFLECT.
                full_map = cv2.sepFilter2D(full_map, cv2.CV_64F, kernel, kernel, borderType=cv2.BORDER_REFLECT).astype(
                    np.float32
                )
            peaks[joint] = full_map.argmax()
            scores[joint] = full_map.flat[peaks[joint]]
        rows, columns = divmod(peaks, self.width)
        return rows, columns, scores
