"""The exact argmax of separable linear maps, without computing the maps."""

import cv2
import numpy as np

# Cells evaluated at once: bounds the memory that a flat map takes, where every cell can win.
BATCH = 4096
# Bounds are float32 sums of at most a few hundred terms; this, relative to the value to beat, covers their rounding.
SLACK = 1e-4


class SeparablePeakSearch(object):
    """Finds the argmax of ``S = rows · H · columnsᵀ`` for every channel of a heatmap ``H``.

    ``rows`` is float64 [height * block, height], ``columns`` [width * block, width]; both are non-negative and banded
    with row sums of at most one. A *cell* is the block x block pixels of ``S`` that belong to one value of ``H``.

    1. The largest value of ``S`` at the cells' centres is what a cell has to reach.
    2. Every cell is bounded from above: its pixels are averages of the ``H`` around it, so none exceeds the largest
       value there (a dilation), nor the sum of the positive values, each times the largest weight that any pixel of
       the cell gives it (a correlation).
    3. The cells whose bounds reach the value of step 1, a dozen or so for each joint of a real heatmap, are evaluated.

    Values are computed in float64 and compared as float32, the type of the official maps, so that pixels equal but
    for the order of summation are equal here too; of equal pixels the first in row-major order wins. An instance
    reuses its buffers: it serves one thread at a time.
    """

    def __init__(self, rows, columns, block, channels):
        self._block, self._channels = block, channels
        self._height, self._width = rows.shape[1], columns.shape[1]
        reach = self._reach = max(_reach(rows, block), _reach(columns, block))
        row_blocks, column_blocks = _cell_blocks(rows, block, reach), _cell_blocks(columns, block, reach)
        self._row_bound = row_blocks.max(axis=(0, 1)).astype(np.float32)
        self._column_bound = column_blocks.max(axis=(0, 1)).astype(np.float32)
        # Away from the borders all cells have the same weights; `inner` are those, where there are any.
        self._inner = (slice(reach, self._height - reach), slice(reach, self._width - reach))
        self._row_centre = row_blocks[self._height // 2, block // 2].astype(np.float32)
        self._column_centre = column_blocks[self._width // 2, block // 2].astype(np.float32)
        row_blocks, self._row_kind = _unique_blocks(row_blocks)
        column_blocks, self._column_kind = _unique_blocks(column_blocks)
        # [row kind, column kind, values around the cell, pixels of the cell]
        self._kernels = np.einsum("rpi,cqj->rcijpq", row_blocks, column_blocks).reshape(
            len(row_blocks), len(column_blocks), (2 * reach + 1) ** 2, block * block
        )

        # Zeros around the heatmap: what the transposed convolutions see beyond its borders.
        self._padded = np.zeros((self._height + 2 * reach, self._width + 2 * reach, channels), dtype=np.float32)
        self._inside = (slice(reach, reach + self._height), slice(reach, reach + self._width))
        self._support = np.ones((2 * reach + 1, 2 * reach + 1), dtype=np.uint8)
        self._around = self._flat_index(0, np.arange(2 * reach + 1)[:, None], np.arange(2 * reach + 1)).reshape(-1)
        self._bounds, self._correlated = np.empty_like(self._padded), np.empty_like(self._padded)
        self._to_reach = np.empty(self._padded.shape[1:], dtype=np.float32)

    def find(self, heatmap):
        """The peaks of ``heatmap``, float32 [height, width, channels], all finite.

        Returns (rows int64 [channels], columns int64 [channels], values float32 [channels]) in pixels of ``S``.
        """
        self._padded[self._inside] = heatmap
        row, column, channel = self._cells_that_can_win()
        if len(channel) <= BATCH:
            pixels, values = self._maxima(row, column, channel)
        else:
            parts = [slice(start, start + BATCH) for start in range(0, len(channel), BATCH)]
            maxima = [self._maxima(row[part], column[part], channel[part]) for part in parts]
            pixels, values = (np.concatenate(arrays) for arrays in zip(*maxima))
        # By channel, then the highest value, then the first pixel.
        order = np.lexsort((pixels, -values, channel))
        first = order[np.searchsorted(channel[order], np.arange(self._channels))]
        rows, columns = divmod(pixels[first], self._width * self._block)
        return rows, columns, values[first]

    def _cells_that_can_win(self):
        """(row, column, channel) of every cell of the padded heatmap whose bound reaches its channel's best centre."""
        cv2.sepFilter2D(self._padded, -1, self._column_centre, self._row_centre, self._correlated)
        centres = self._correlated[self._inside][self._inner]
        if centres.size:
            best = centres.reshape(-1, self._channels).max(axis=0)
            self._to_reach[:] = best - SLACK * np.abs(best)
        else:
            self._to_reach[:] = -np.inf
        # Seen as images of one channel where that makes no difference: with 16 it takes several times as long.
        cv2.threshold(_flat(self._padded), 0, 0, cv2.THRESH_TOZERO, dst=_flat(self._bounds))
        cv2.sepFilter2D(
            self._bounds, -1, self._column_bound, self._row_bound, self._correlated, borderType=cv2.BORDER_CONSTANT
        )
        cv2.dilate(self._padded, self._support, dst=self._bounds)
        np.minimum(self._bounds, self._correlated, out=self._bounds)
        can_win = (_flat(self._bounds) >= self._to_reach.reshape(-1)).reshape(self._padded.shape)
        cells, channel = divmod(np.flatnonzero(can_win[self._inside]), self._channels)
        row, column = divmod(cells, self._width)
        return row, column, channel

    def _maxima(self, row, column, channel):
        """(flat index in ``S`` of the first maximum, maximum) of each of n cells."""
        patches = self._padded.reshape(-1)[self._flat_index(channel, row, column)[:, None] + self._around]
        patches = patches.astype(np.float64)
        peaks = np.empty(len(row), dtype=np.int64)
        values = np.empty(len(row), dtype=np.float32)
        kind = self._row_kind[row] * self._kernels.shape[1] + self._column_kind[column]
        for one in np.unique(kind):
            cells = np.flatnonzero(kind == one)
            row_kind, column_kind = divmod(one, self._kernels.shape[1])
            pixels = patches[cells].dot(self._kernels[row_kind, column_kind]).astype(np.float32)
            peaks[cells] = pixels.argmax(axis=1)
            values[cells] = pixels[np.arange(len(cells)), peaks[cells]]
        pixel_row, pixel_column = divmod(peaks, self._block)
        pixel_row += row * self._block
        pixel_column += column * self._block
        return pixel_row * (self._width * self._block) + pixel_column, values

    def _flat_index(self, channel, row, column):
        return (row * self._padded.shape[1] + column) * self._channels + channel


def _flat(maps):
    return maps.reshape(maps.shape[0], -1)


def _reach(matrix, block):
    """How many cells away from its own a pixel of ``matrix`` [cells * block, cells] takes values from, at most."""
    pixels, cells = np.nonzero(matrix)
    return int(np.abs(pixels // block - cells).max())


def _cell_blocks(matrix, block, reach):
    """[cells, block, 2 * reach + 1]: each cell's rows, and of those the columns around the cell; zeros beyond borders."""
    padded = np.pad(matrix, ((0, 0), (reach, reach)), mode="constant")
    return np.stack(
        [padded[block * cell : block * (cell + 1), cell : cell + 2 * reach + 1] for cell in range(matrix.shape[1])]
    )


def _unique_blocks(blocks):
    """(the different ones among ``blocks``, index into them of each): most cells, away from the borders, are alike."""
    _, first, kind = np.unique(
        np.round(blocks, 12).reshape(len(blocks), -1), axis=0, return_index=True, return_inverse=True
    )
    return blocks[first], kind.reshape(-1)
