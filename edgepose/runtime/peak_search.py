"""The exact argmax of separable linear maps, without computing the maps."""

import cv2
import numpy as np

# Cells on a side of the window that is evaluated first, around the highest heatmap cell.
WINDOW = 3
# Cells evaluated at once: bounds the memory that a flat map takes, where every cell can win.
BATCH = 4096
# Weighted bounds are float32 sums of at most a few hundred positive terms; this covers their rounding.
SLACK = 1e-4


class SeparablePeakSearch(object):
    """Finds the argmax of ``S = rows · H · columnsᵀ`` for every channel of a heatmap ``H``.

    ``rows`` is float64 [height * block, height], ``columns`` [width * block, width]; both are non-negative and banded
    with row sums of at most one. A *cell* is the block x block pixels of ``S`` that belong to one value of ``H``.

    1. A window of 3x3 cells around the highest value of ``H`` is evaluated.
    2. Every other cell is bounded from above: its pixels are averages of the ``H`` around it, so none exceeds the
       largest value there (a dilation), nor the sum of the positive values, each times the largest weight that any
       pixel of the cell gives it (a correlation).
    3. The cells whose bounds reach the best value found are evaluated as well.

    Values are computed in float64 and compared as float32, the type of the official maps, so that pixels equal but
    for the order of summation are equal here too; of equal pixels the first in row-major order wins. An instance
    reuses its buffers: it serves one thread at a time.
    """

    def __init__(self, rows, columns, block, channels):
        self._block, self._channels = block, channels
        self._height, self._width = rows.shape[1], columns.shape[1]
        reach = self._reach = max(_reach(rows, block), _reach(columns, block))
        self._window = (min(WINDOW, self._height), min(WINDOW, self._width))
        self._window_rows = _row_blocks(rows, block, reach, self._window[0])
        self._window_columns = _row_blocks(columns, block, reach, self._window[1]).transpose(0, 2, 1).copy()
        self._cell_rows = _row_blocks(rows, block, reach, 1)
        self._cell_columns = _row_blocks(columns, block, reach, 1).transpose(0, 2, 1).copy()
        self._row_weights = self._cell_rows.max(axis=(0, 1))
        self._column_weights = self._cell_columns.max(axis=(0, 2))

        # Zeros around the heatmap: what the transposed convolutions see beyond its borders.
        self._padded = np.zeros((self._height + 2 * reach, self._width + 2 * reach, channels), dtype=np.float32)
        self._inside = (slice(reach, reach + self._height), slice(reach, reach + self._width))
        self._support = np.ones((2 * reach + 1, 2 * reach + 1), dtype=np.uint8)
        self._bounds = np.empty_like(self._padded)
        self._weighted = np.empty_like(self._padded)
        self._to_beat = np.empty(self._padded.shape[1:], dtype=np.float32)
        self._window_patch = self._flat_offsets(self._window[0] + 2 * reach, self._window[1] + 2 * reach)
        self._cell_patch = self._flat_offsets(2 * reach + 1, 2 * reach + 1)
        self._window_cells = self._flat_offsets(self._window[0], self._window[1])

    def find(self, heatmap):
        """The peaks of ``heatmap``, float32 [height, width, channels], all finite.

        Returns (rows int64 [channels], columns int64 [channels], values float32 [channels]) in pixels of ``S``.
        """
        self._padded[self._inside] = heatmap
        channel = np.arange(self._channels)
        top, left = divmod(heatmap.reshape(-1, self._channels).argmax(axis=0), self._width)
        top = np.clip(top - WINDOW // 2, 0, self._height - self._window[0])
        left = np.clip(left - WINDOW // 2, 0, self._width - self._window[1])
        patches = self._flat_index(channel, top, left)[:, None, None] + self._window_patch
        peaks, best = self._maxima(patches, self._window_rows[top], self._window_columns[left])
        rows, columns = divmod(peaks, self._window[1] * self._block)
        rows += top * self._block
        columns += left * self._block

        channel, top, left = self._cells_that_can_win(best, self._flat_index(channel, top, left))
        for start in range(0, len(channel), BATCH):
            part = slice(start, start + BATCH)
            patches = self._flat_index(channel[part], top[part], left[part])[:, None, None] + self._cell_patch
            peaks, values = self._maxima(patches, self._cell_rows[top[part]], self._cell_columns[left[part]])
            for cell in np.flatnonzero(values >= best[channel[part]]):
                index = channel[start + cell]
                row, column = divmod(peaks[cell], self._block)
                row += top[start + cell] * self._block
                column += left[start + cell] * self._block
                if (-values[cell], row, column) < (-best[index], rows[index], columns[index]):
                    rows[index], columns[index], best[index] = row, column, values[cell]
        return rows, columns, best

    def _maxima(self, patches, row_blocks, column_blocks):
        """(flat index of the first maximum, maximum) of each of n squares of ``S``.

        ``patches`` holds the flat indices of the padded heatmap values that each of them is computed from.
        """
        values = self._padded.reshape(-1)[patches].astype(np.float64)
        values = np.matmul(np.matmul(row_blocks, values), column_blocks).astype(np.float32)
        values = values.reshape(len(values), -1)
        peaks = values.argmax(axis=1)
        return peaks, values[np.arange(len(values)), peaks]

    def _cells_that_can_win(self, best, windows):
        """(channel, row, column) of every cell whose bound reaches ``best``, but for the ``windows`` evaluated."""
        shape = self._padded.shape
        # Images of one channel, width * channels wide: OpenCV and numpy take several times as long with 16 channels.
        cv2.threshold(_flat(self._padded), 0, 0, cv2.THRESH_TOZERO, dst=_flat(self._bounds))
        cv2.sepFilter2D(
            self._bounds, -1, self._column_weights, self._row_weights, self._weighted, borderType=cv2.BORDER_CONSTANT
        )
        cv2.dilate(self._padded, self._support, dst=self._bounds)
        np.minimum(self._bounds, self._weighted, out=self._bounds)
        self._to_beat[:] = best - SLACK * np.abs(best)
        can_win = (_flat(self._bounds) >= self._to_beat.reshape(-1)).reshape(shape)
        # In the padded map, indices of the windows' cells are those of their patches moved inwards.
        inward = (self._reach * shape[1] + self._reach) * self._channels
        can_win.reshape(-1)[windows[:, None, None] + (self._window_cells + inward)] = False
        cells, channel = divmod(np.flatnonzero(can_win[self._inside]), self._channels)
        row, column = divmod(cells, self._width)
        return channel, row, column

    def _flat_index(self, channel, row, column):
        return (row * self._padded.shape[1] + column) * self._channels + channel

    def _flat_offsets(self, rows, columns):
        return self._flat_index(0, np.arange(rows)[:, None], np.arange(columns))


def _flat(maps):
    return maps.reshape(maps.shape[0], -1)


def _reach(matrix, block):
    """How many cells away from its own a pixel of ``matrix`` [cells * block, cells] takes values from, at most."""
    pixels, cells = np.nonzero(matrix)
    return int(np.abs(pixels // block - cells).max())


def _row_blocks(matrix, block, reach, count):
    """[cells - count + 1, count * block, count + 2 * reach]: the rows of each run of ``count`` cells.

    Columns are relative to the run and cover what lies within ``reach`` of it, the zeros beyond the borders included.
    """
    padded = np.pad(matrix, ((0, 0), (reach, reach)), mode="constant")
    return np.stack(
        [
            padded[block * first : block * (first + count), first : first + count + 2 * reach]
            for first in range(matrix.shape[1] - count + 1)
        ]
    )
