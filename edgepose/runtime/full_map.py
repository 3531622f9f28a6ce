"""The map that the official decoders search, computed in full and in their own arithmetic, bit for bit.

Too slow for every joint of every frame. It settles the joints where two pixels are equal but for float32 rounding, so
that they too fall where the official code lets them fall; :mod:`edgepose.runtime.peak_search` finds all the others.
"""

import cv2
import numpy as np

from edgepose.runtime.upsampling import gaussian_kernel

# For an even and an odd pixel of a stride-2 transposed convolution: (offset of the input, weight), in kernel order.
TAPS = (((0, 0.75), (-1, 0.25)), ((1, 0.25), (0, 0.75)))


def upsample(heatmap, upsampling):
    """Float32 [h, w] -> [h * upsampling, w * upsampling]: the official 4x4 stride-2 transposed convolutions.

    As XNNPACK computes them: products are accumulated in the order of the kernel by fused multiply-add in float32.
    """
    size = heatmap.shape[0] * upsampling
    while heatmap.shape[0] < size:
        heatmap = _double(heatmap)
    return heatmap


def smooth(full_map, sigma):
    """``scipy.ndimage.gaussian_filter(full_map, sigma)`` of a float32 [H, W].

    Like scipy: along rows first, in float64 within an axis, rounded to float32 after each. Its border mode 'reflect'
    is OpenCV's BORDER_REFLECT.
    """
    kernel, identity = gaussian_kernel(sigma), np.ones(1)
    for along_x, along_y in ((identity, kernel), (kernel, identity)):
        full_map = full_map.astype(np.float64)
        full_map = cv2.sepFilter2D(full_map, -1, along_x, along_y, borderType=cv2.BORDER_REFLECT).astype(np.float32)
    return full_map


def _double(heatmap):
    height, width = heatmap.shape
    padded = np.pad(heatmap.astype(np.float64), 1, mode="constant")
    doubled = np.empty((2 * height, 2 * width), dtype=np.float32)
    for row_parity in (0, 1):
        for column_parity in (0, 1):
            total = np.zeros((height, width), dtype=np.float32)
            for row, row_weight in TAPS[row_parity]:
                for column, column_weight in TAPS[column_parity]:
                    values = padded[1 + row : 1 + row + height, 1 + column : 1 + column + width]
                    # Exact in float64, rounded once: a fused multiply-add.
                    total = (values * (row_weight * column_weight) + total).astype(np.float32)
            doubled[row_parity::2, column_parity::2] = total
    return doubled
