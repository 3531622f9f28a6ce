"""The exact argmax of separable linear maps, without computing the maps."""

from typing import Dict  # noqa: F401 - in a type comment

import cv2
import numpy as np

# A channel in which more cells than this can win is flat, and not searched here; real ones have about a dozen.
MAX_CELLS = 512
# Values further away than a pixel's core count for at most this share of it.
OUTSIDE_CORE = 0.01
# Bounds are rounded to float32; this, relative to the largest value, covers it.
SLACK = 1e-5
# Relative differences of values: up to the first, pixels are equal (a float64 sum in another order); up to the second,
# the float32 arithmetic of the official code (at most four roundings of 6e-8 for each of two pixels) may swap them.
EQUAL, CLOSE = 1e-12, 6e-7


class SeparablePeakSearch(object):
    """Finds the argmax of ``S = rows · H · columnsᵀ`` for every channel of a heatmap ``H``.

    ``rows`` is float64 [height * block, height], ``columns`` [width * block, width]; both are non-negative and banded
    with row sums of at most one. A *cell* is the block x block pixels of ``S`` that belong to one value of ``H``.

    1. The largest value of ``S`` around the centres of cells, those at the borders left out, is what has to be reached.
    2. Every cell is bounded from above. Its pixels are averages of the ``H`` around it, all but a share ``e`` of them
       of its core, the cells next to it: with ``m`` the largest value of the core (a dilation) and ``M`` the largest of
       all, no pixel exceeds ``m + e (M - m)``.
    3. The cells whose bounds reach the value of step 1, a dozen or so for each joint of a real heatmap, are evaluated.

    Values are computed in float64. An instance reuses its buffers: it serves one thread at a time.
    """

    def __init__(self, rows, columns, block, channels):
        self._block, self._channels = block, channels
        self._height, self._width = rows.shape[1], columns.shape[1]
        reach = self._reach = max(_reach(rows, block), _reach(columns, block))
        row_blocks, column_blocks = _cell_blocks(rows, block, reach), _cell_blocks(columns, block, reach)
        core, self._outside = _core(row_blocks, column_blocks)
        # The mean of the 2x2 pixels around a cell's centre: symmetric weights, which OpenCV correlates faster.
        centre = slice(block // 2 - 1, block // 2 + 1)
        self._row_centre = row_blocks[self._height // 2, centre].mean(axis=0).astype(np.float32)
        self._column_centre = column_blocks[self._width // 2, centre].mean(axis=0).astype(np.float32)
        self._row_blocks, self._row_kind = _unique_blocks(row_blocks)
        self._column_blocks, self._column_kind = _unique_blocks(column_blocks)
        # Where the weights of the middle cell hold: everywhere but at the borders.
        self._inner = (_as_middle(self._row_kind, reach), _as_middle(self._column_kind, reach))
        self._middle_kind = int(self._kind(self._height // 2, self._width // 2))
        self._kernels = {}  # type: Dict[int, np.ndarray]

        # Zeros around the heatmap: what the transposed convolutions see beyond its borders.
        self._padded = np.zeros((self._height + 2 * reach, self._width + 2 * reach, channels), dtype=np.float32)
        self._inside = (slice(reach, reach + self._height), slice(reach, reach + self._width))
        self._core = np.ones((2 * core + 1, 2 * core + 1), dtype=np.uint8)
        self._around = self._flat_index(0, np.arange(2 * reach + 1)[:, None], np.arange(2 * reach + 1)).reshape(-1)
        self._centres, self._core_maxima = np.empty_like(self._padded), np.empty_like(self._padded)
        self._to_reach = np.empty(self._padded.shape[1:], dtype=np.float32)

    def find(self, heatmap, integral):
        """The peaks of ``heatmap``, float32 [height, width, channels], all finite.

        Returns (pixels int64 [channels], values float64 [channels], settled bool [channels]): row-major indices into
        ``S`` and the values there. A channel is not settled, and its peak a guess, where it is flat or where float32
        arithmetic may find another pixel higher. ``integral``: all values are small integers, on which that
        arithmetic is exact enough to keep equal pixels equal; of those the first one is the peak.
        """
        self._padded[self._inside] = heatmap
        row, column, channel = self._cells_that_can_win()
        settled = np.ones(self._channels, dtype=bool)
        if len(channel) > MAX_CELLS:
            settled = np.bincount(channel, minlength=self._channels) <= MAX_CELLS
            narrow = settled[channel]
            row, column, channel = row[narrow], column[narrow], channel[narrow]
        values = self._evaluate(row, column, channel)

        highest = values[np.arange(len(values)), values.argmax(axis=1)]  # numpy's max takes twice as long
        # Of several assignments to one channel the last stays: the largest value, and below the smallest index.
        order = highest.argsort()
        best = np.zeros(self._channels)
        best[channel[order]] = highest[order]
        size = np.abs(best)
        close, equal = best - CLOSE * size, best - EQUAL * size
        cells = np.flatnonzero(highest >= close[channel])
        near, pixel = divmod(np.flatnonzero(values[cells] >= close[channel[cells], None]), values.shape[1])
        cells = cells[near]
        row, column, channel = row[cells], column[cells], channel[cells]
        ties = values[cells, pixel] >= equal[channel]
        if integral:
            settled[channel[~ties]] = False
        else:
            settled[np.bincount(channel, minlength=self._channels) > 1] = False
        index = (row * self._block + pixel // self._block) * (self._width * self._block)
        index += column * self._block + pixel % self._block
        index, channel = index[ties], channel[ties]
        order = index.argsort()[::-1]
        pixels = np.zeros(self._channels, dtype=np.int64)
        pixels[channel[order]] = index[order]
        return pixels, best, settled

    def _cells_that_can_win(self):
        """(row, column, channel) of every cell of the padded heatmap whose bound reaches its channel's best centre."""
        cv2.sepFilter2D(
            self._padded, -1, self._column_centre, self._row_centre, self._centres, borderType=cv2.BORDER_CONSTANT
        )
        cv2.dilate(self._padded, self._core, dst=self._core_maxima)
        # One axis at a time, and below as an image of one channel: several times as fast as [rows, columns, channels].
        best = self._centres[self._inner].max(axis=0).max(axis=0)
        largest = self._core_maxima.max(axis=0).max(axis=0)
        to_reach = best - SLACK * np.maximum(largest, np.abs(best))
        self._to_reach[:] = (to_reach - self._outside * largest) / (1 - self._outside)
        can_win = _flat(self._core_maxima) >= self._to_reach.reshape(-1)
        cells, channel = divmod(np.flatnonzero(can_win.reshape(self._padded.shape)[self._inside]), self._channels)
        row, column = divmod(cells, self._width)
        return row, column, channel

    def _evaluate(self, row, column, channel):
        """Float64 [n, block * block]: the pixels of each of n cells."""
        patches = self._padded.reshape(-1)[self._flat_index(channel, row, column)[:, None] + self._around]
        patches = patches.astype(np.float64)
        # Nearly all cells are of the middle one's kind: evaluated as if all were, the others again.
        values = patches.dot(self._kernel(self._middle_kind))
        kind = self._kind(row, column)
        for other in set(kind[kind != self._middle_kind].tolist()):
            cells = np.flatnonzero(kind == other)
            values[cells] = patches[cells].dot(self._kernel(other))
        return values

    def _kind(self, row, column):
        """Cells of one kind are computed with the same weights from what is around them."""
        return self._row_kind[row] * len(self._column_blocks) + self._column_kind[column]

    def _kernel(self, kind):
        """Float64 [values around a cell, pixels of the cell]: the weights of a kind, computed when first needed."""
        if kind not in self._kernels:
            row_kind, column_kind = divmod(kind, len(self._column_blocks))
            weights = np.einsum("pi,qj->ijpq", self._row_blocks[row_kind], self._column_blocks[column_kind])
            self._kernels[kind] = weights.reshape(len(self._around), self._block * self._block)
        return self._kernels[kind]

    def _flat_index(self, channel, row, column):
        return (row * self._padded.shape[1] + column) * self._channels + channel


def _flat(maps):
    return maps.reshape(maps.shape[0], -1)


def _reach(matrix, block):
    """How many cells away from its own a pixel of ``matrix`` [cells * block, cells] takes values from, at most.

    At least one: pixels at a border are averages with the zeros beyond it, which have to be in sight.
    """
    pixels, cells = np.nonzero(matrix)
    return max(1, int(np.abs(pixels // block - cells).max()))


def _cell_blocks(matrix, block, reach):
    """[cells, block, 2 * reach + 1]: the rows of each cell, and of those the columns within ``reach`` of it."""
    padded = np.pad(matrix, ((0, 0), (reach, reach)), mode="constant")
    return np.stack(
        [padded[block * cell : block * (cell + 1), cell : cell + 2 * reach + 1] for cell in range(matrix.shape[1])]
    )


def _core(row_blocks, column_blocks):
    """(reach of the core, largest share of a pixel that comes from outside): the smallest that keeps the share low."""
    reach = row_blocks.shape[2] // 2
    for core in range(1, reach + 1):
        outside = np.ones(row_blocks.shape[2], dtype=bool)
        outside[reach - core : reach + core + 1] = False
        share = sum(blocks[:, :, outside].sum(axis=2).max() for blocks in (row_blocks, column_blocks))
        if share <= OUTSIDE_CORE:
            return core, share
    raise AssertionError("all of a pixel comes from within its reach")


def _as_middle(kind, reach):
    """The slice, in a heatmap padded by ``reach``, of the cells that are of the same kind as the middle one."""
    same = np.flatnonzero(kind == kind[len(kind) // 2])
    return slice(reach + same[0], reach + same[-1] + 1)


def _unique_blocks(blocks):
    """(the different ones among ``blocks``, index into them of each): most cells, away from the borders, are alike."""
    _, first, kind = np.unique(
        np.round(blocks, 12).reshape(len(blocks), -1), axis=0, return_index=True, return_inverse=True
    )
    return blocks[first], kind.reshape(-1)
