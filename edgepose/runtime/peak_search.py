"""The exact argmax of separable linear maps, without computing the maps."""

from typing import Dict  # noqa: F401 - in a type comment

import numpy as np

# A channel with more cells than this as high as its peak is flat, and not searched here; real ones have one or two.
MAX_WINDOWS = 64
# So few windows altogether that there is no need to count those of each channel.
MANY_WINDOWS = 4 * MAX_WINDOWS
# Of the largest value. The cells with at least this hold the peak of 99.9 % of real joints, and that shows afterwards.
LIKELY = 0.7
# So few that BLAS does not wake a second thread for them.
PATCHES_AT_ONCE = 32
# Pixels outside the window of a cell take at most this share of their values from it.
MAX_SHARE = 0.25
# Bounds are rounded to float32; this, relative to the largest value, covers it.
SLACK = 1e-5
# Relative differences of values: up to the first, pixels are equal (a float64 sum in another order); up to the second,
# the float32 arithmetic of the official code (at most four roundings of 6e-8 for each of two pixels) may swap them.
EQUAL, CLOSE = 1e-12, 6e-7


class SeparablePeakSearch(object):
    """Finds the argmax of ``S = rows · H · columnsᵀ`` for every channel of a heatmap ``H``.

    ``rows`` is float64 [height * block, height], ``columns`` [width * block, width]; both are non-negative and banded
    with row sums of at most one. A *cell* is the block x block pixels of ``S`` that belong to one value of ``H``; its
    *window* is those and the pixels around them that take more than a small share ``e`` of their values from it.

    1. ``M`` is the largest value of ``H``. The windows of all cells with at least ``h``, a guess below ``M``, are
       evaluated: a handful for each joint of a real heatmap. ``b`` is the highest pixel in them.
    2. A pixel outside those windows takes a share of at most ``e`` from such cells, and the rest from lower ones: it
       does not exceed ``e M + (1 - e) h``. Where that is at most ``b``, ``b`` is the peak.
    3. Otherwise once more, with ``h = (b - e M) / (1 - e)``, for which it is.

    Values are computed in float64. An instance reuses its buffers: it serves one thread at a time.
    """

    def __init__(self, rows, columns, block, channels):
        self._channels = channels
        height, width = rows.shape[1], columns.shape[1]
        margin, self._share = search_margin(rows, columns, block)
        reach = max(_reach(rows, block, margin), _reach(columns, block, margin))
        self._row_windows, row_kind = _unique(_windows(rows, block, margin, reach))
        self._column_windows, column_kind = _unique(_windows(columns, block, margin, reach))
        self._kernels = {}  # type: Dict[int, np.ndarray]

        # Channels apart, with zeros around them: what the transposed convolutions see beyond the borders.
        planes = np.zeros((channels, height + 2 * reach, width + 2 * reach), dtype=np.float32)
        self._heatmap = planes[:, reach : reach + height, reach : reach + width].transpose(1, 2, 0)
        self._planes, self._values = planes.reshape(channels, -1), planes.reshape(-1)
        self._starts = self._planes.shape[1] * np.arange(channels)
        self._around = (planes.shape[2] * np.arange(-reach, reach + 1)[:, None] + np.arange(-reach, reach + 1)).ravel()
        # Of every value: the kind of its cell (those of one kind have the same weights) and where its window begins.
        self._kind = self._of_values(row_kind[:, None] * len(self._column_windows) + column_kind, reach)
        self._usual_kind = int(row_kind[height // 2] * len(self._column_windows) + column_kind[width // 2])
        first_row, first_column = block * np.arange(height) - margin, block * np.arange(width) - margin
        self._origin = self._of_values(width * block * first_row[:, None] + first_column, reach)
        side = np.arange(block + 2 * margin)
        self._offsets = (width * block * side[:, None] + side).ravel()

    def find(self, heatmap, integral):
        """The peaks of ``heatmap``, float32 [height, width, channels], all finite.

        Returns lists of one entry a channel (pixels, values, settled): row-major indices into ``S``, the values there,
        and whether they are the peak. A channel is not settled, and its peak a guess, where it is flat or where
        float32 arithmetic may find another pixel higher. ``integral``: all values are small integers, on which that
        arithmetic is exact enough to keep equal pixels equal; of those the first one is the peak.
        """
        self._heatmap[:] = heatmap
        largest = self._planes.max(axis=1).tolist()
        # Nothing is known of pixels that take part of their values from the zeros beyond the borders otherwise.
        settled = [value > 0 for value in largest]
        height = [LIKELY * value if value > 0 else np.inf for value in largest]
        while True:
            cells, channel = self._cells_at_least(height, settled)
            values = self._evaluate(cells)
            # What follows is a few dozen numbers, on which Python is faster than numpy.
            best = [0.0] * self._channels
            for of, value in zip(channel, values.max(axis=1).tolist()):
                best[of] = max(best[of], value)
            enough = [
                (reached - (self._share + SLACK) * top) / (1 - self._share) for reached, top in zip(best, largest)
            ]
            settled = [is_settled and low > 0 for is_settled, low in zip(settled, enough)]
            if all(low >= high for low, high, is_settled in zip(enough, height, settled) if is_settled):
                break
            height = [min(low, high) if low > 0 else high for low, high in zip(enough, height)]

        near_best = np.array([best[of] * (1 - CLOSE) for of in channel])
        window, offset = (values >= near_best[:, None]).nonzero()
        pixel = self._origin.take(cells.take(window)) + self._offsets.take(offset)
        near = [(channel[index], at) for index, at in zip(window.tolist(), pixel.tolist())]
        peak = dict(near)
        # One window may show a pixel that another one shows too.
        if len(set(near)) > len(peak):
            values_near = values[window, offset].tolist()
            ties = [value >= best[of] * (1 - EQUAL) for (of, _), value in zip(near, values_near)]
            _settle(peak, settled, near, ties, integral)
        return [peak.get(of, 0) for of in range(self._channels)], best, settled

    def _cells_at_least(self, height, settled):
        """(indices of the values that reach ``height``, a number a channel; the channel of each, a list).

        Channels with too many are left out, and their ``settled`` becomes False.
        """
        cells = (self._planes >= np.array(height, dtype=np.float32)[:, None]).ravel().nonzero()[0]
        if len(cells) > MANY_WINDOWS:
            channel = cells // self._planes.shape[1]
            narrow = np.bincount(channel, minlength=self._channels) <= MAX_WINDOWS
            settled[:] = [is_settled and bool(is_narrow) for is_settled, is_narrow in zip(settled, narrow)]
            cells = cells[narrow[channel]]
        return cells, (cells // self._planes.shape[1]).tolist()

    def _evaluate(self, cells):
        """Float64 [n, pixels of a window]: the windows of n cells, zero where they reach beyond the map."""
        patches = self._values.take(cells[:, None] + self._around, mode="clip").astype(np.float64)
        # Nearly all cells are of the usual kind: evaluated as if all were, the others again.
        values = np.empty((len(cells), len(self._offsets)))
        for first in range(0, len(cells), PATCHES_AT_ONCE):
            some = slice(first, first + PATCHES_AT_ONCE)
            np.dot(patches[some], self._kernel(self._usual_kind), out=values[some])
        kind = self._kind.take(cells)
        unusual = kind != self._usual_kind
        if np.count_nonzero(unusual):
            for other in set(kind[unusual].tolist()):
                values[kind == other] = patches[kind == other].dot(self._kernel(other))
        return values

    def _kernel(self, kind):
        """Float64 [values around a cell, pixels of its window]: the weights of a kind, computed when first needed."""
        if kind not in self._kernels:
            row_kind, column_kind = divmod(kind, len(self._column_windows))
            weights = np.einsum("pi,qj->ijpq", self._row_windows[row_kind], self._column_windows[column_kind])
            self._kernels[kind] = weights.reshape(len(self._around), len(self._offsets))
        return self._kernels[kind]

    def _of_values(self, of_cells, reach):
        """[height, width] numbers of cells as numbers of all values, the zeros around them included."""
        padded = np.pad(of_cells, reach, mode="constant")
        return np.tile(padded.ravel(), self._channels)


def _settle(peak, settled, near, ties, integral):
    """Decide, in place, the channels that have several pixels near their highest value.

    ``near``: channel and pixel of each; ``ties``: whether it is as high as the highest but for rounding.
    """
    if not integral:
        for of, at in near:
            settled[of] = settled[of] and at == peak[of]
        return
    first = {}  # type: Dict[int, int]
    for (of, at), is_tie in zip(near, ties):
        if is_tie:
            first[of] = min(at, first.get(of, at))
        else:
            settled[of] = False
    peak.update(first)


def search_margin(rows, columns, block):
    """(pixels of a window on each side of its cell, the share that pixels outside take from it): a low one.

    The C decoder searches the same windows (:mod:`edgepose.export_c`).
    """
    margin = block // 2
    while True:
        share = _share_outside(rows, block, margin) + _share_outside(columns, block, margin)
        if share <= MAX_SHARE:
            return margin, share
        margin += block // 2


def _share_outside(matrix, block, margin):
    """The largest sum of the weights with which a pixel of one axis takes values from cells with other windows."""
    pixel, cell = np.arange(matrix.shape[0])[:, None], np.arange(matrix.shape[1])
    outside = (pixel < block * cell - margin) | (pixel >= block * (cell + 1) + margin)
    return float((matrix * outside).sum(axis=1).max())


def _reach(matrix, block, margin):
    """How many cells away from its own a window of ``matrix`` [cells * block, cells] takes values from, at most."""
    pixels, cells = np.nonzero(matrix)
    own = np.arange(matrix.shape[1])[:, None]
    inside = (pixels >= block * own - margin) & (pixels < block * (own + 1) + margin)
    return int((np.abs(cells - own) * inside).max())


def _windows(matrix, block, margin, reach):
    """[cells, block + 2 * margin, 2 * reach + 1]: the rows of each window, and the columns within ``reach`` of it."""
    padded = np.pad(matrix, ((margin, margin), (reach, reach)), mode="constant")
    return np.stack(
        [
            padded[block * cell : block * (cell + 1) + 2 * margin, cell : cell + 2 * reach + 1]
            for cell in range(matrix.shape[1])
        ]
    )


def _unique(windows):
    """(the different ones among ``windows``, index into them of each): most, away from the borders, are alike."""
    _, first, kind = np.unique(
        np.round(windows, 12).reshape(len(windows), -1), axis=0, return_index=True, return_inverse=True
    )
    return windows[first], kind.reshape(-1)
