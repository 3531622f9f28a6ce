"""The exact argmax of separable linear maps, without computing the maps."""

from typing import Dict  # noqa: F401 - in a type comment

import numpy as np

# A channel with more cells than this as high as its peak is flat, and not searched here; real ones have one or two.
MAX_WINDOWS = 64
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

    1. The window of the largest value ``M`` of ``H`` is evaluated: its highest pixel ``b`` is what has to be reached.
    2. A pixel outside the windows of all cells with at least ``h`` takes a share of at most ``e`` from those, and the
       rest from lower ones: it does not exceed ``e M + (1 - e) h``. With ``h = (b - e M) / (1 - e)`` that is ``b``.
    3. So the windows of the cells with at least ``h``, one or two for each joint of a real heatmap, are evaluated.

    Values are computed in float64. An instance reuses its buffers: it serves one thread at a time. What runs for every
    frame is written in few and simple calls: after an engine has filled the processor's caches, each costs some
    microseconds, whatever it computes.
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
        # Where the values of each window begin, of as many windows as are ever evaluated.
        self._rows = len(self._offsets) * np.arange(channels * MAX_WINDOWS)

    def find(self, heatmap, integral):
        """The peaks of ``heatmap``, float32 [height, width, channels], all finite.

        Returns (pixels int64 [channels], values float64 [channels], settled bool [channels]): row-major indices into
        ``S`` and the values there. A channel is not settled, and its peak a guess, where it is flat or where float32
        arithmetic may find another pixel higher. ``integral``: all values are small integers, on which that
        arithmetic is exact enough to keep equal pixels equal; of those the first one is the peak.
        """
        self._heatmap[:] = heatmap
        cells, settled = self._cells_that_can_win()
        channel = cells // self._planes.shape[1]
        if len(cells) > MAX_WINDOWS:
            settled &= np.bincount(channel, minlength=self._channels) <= MAX_WINDOWS
            narrow = settled[channel]
            cells, channel = cells[narrow], channel[narrow]
        values = self._evaluate(cells)

        highest = self._highest(values)
        # Of several assignments to one channel the last stays: the largest value.
        order = highest.argsort()
        best = np.zeros(self._channels)
        best[channel[order]] = highest[order]
        near = _indices_of(values >= (best * (1 - CLOSE)).take(channel)[:, None])
        window = near // values.shape[1]
        channel = channel.take(window)
        pixel = self._origin.take(cells.take(window)) + self._offsets.take(near - window * values.shape[1])
        pixels = np.zeros(self._channels, dtype=np.int64)
        pixels[channel] = pixel
        if np.count_nonzero(pixel != pixels.take(channel)):
            ties = values.ravel()[near] >= (best * (1 - EQUAL))[channel]
            _settle(pixels, settled, channel, pixel, ties, integral)
        return pixels, best, settled

    def _cells_that_can_win(self):
        """(indices of the values whose windows can hold their channel's peak, which channels have such values)."""
        top = self._planes.argmax(axis=1) + self._starts
        largest = self._values.take(top)
        needed = (self._highest(self._evaluate(top)) - (self._share + SLACK) * largest) / (1 - self._share)
        # Nothing is known of pixels that take part of their values from the zeros beyond the borders otherwise.
        settled = np.minimum(largest, needed) > 0
        if np.count_nonzero(settled) < len(settled):
            needed[~settled] = np.inf
        return _indices_of(self._planes >= needed.astype(np.float32)[:, None]), settled

    def _evaluate(self, cells):
        """Float64 [n, pixels of a window]: the windows of n cells, zero where they reach beyond the map."""
        patches = self._values.take(cells[:, None] + self._around, mode="clip").astype(np.float64)
        # Nearly all cells are of the usual kind: evaluated as if all were, the others again.
        values = patches.dot(self._kernel(self._usual_kind))
        kind = self._kind.take(cells)
        for other in set(kind.tolist()) - {self._usual_kind}:
            values[kind == other] = patches[kind == other].dot(self._kernel(other))
        return values

    def _highest(self, values):
        """The largest of each row; numpy's max takes twice as long."""
        return values.take(values.argmax(axis=1) + self._rows[: len(values)])

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


def _indices_of(mask):
    """Flat indices of what is true in ``mask``; numpy's flatnonzero is three Python functions around the same."""
    return mask.ravel().nonzero()[0]


def _settle(pixels, settled, channel, pixel, ties, integral):
    """Decide, in place, the channels that have several pixels near their highest value, one a line."""
    if integral:
        settled[channel[~ties]] = False
        channel, pixel = channel[ties], pixel[ties]
        # The smallest index stays.
        order = pixel.argsort()[::-1]
        pixels[channel[order]] = pixel[order]
    else:
        settled[channel[pixel != pixels[channel]]] = False


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
