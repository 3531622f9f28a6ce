"""The linear map from a low-resolution heatmap to the full map that the official decoders search.

EfficientPose ends in three 4x4 stride-2 transposed convolutions whose kernels are the constant bilinear ones
(``models/`` of the official project; paper, section 3.4); its still-image decoder then smooths each map with
``scipy.ndimage.gaussian_filter(sigma=1)`` (``utils/helpers.py``, ``extract_coordinates``). Both act on rows and
columns alike and independently, so that the whole is ``S = A_rows · H · A_columnsᵀ`` with non-negative matrices whose
rows sum to at most one.
"""

import numpy as np

BILINEAR_KERNEL = (0.25, 0.75, 0.75, 0.25)
# scipy's default: the Gaussian is cut at this many standard deviations.
GAUSSIAN_TRUNCATE = 4.0


def full_map_matrix(cells, upsampling, sigma):
    """Float64 ``[cells * upsampling, cells]``: one axis of the map from heatmap cells to searched pixels.

    ``sigma`` is the standard deviation in pixels of the Gaussian of the still-image decoder; 0 leaves it out.
    """
    matrix = bilinear_upsampling_matrix(cells, upsampling)
    if sigma > 0:
        matrix = gaussian_smoothing_matrix(matrix.shape[0], sigma).dot(matrix)
    return matrix


def bilinear_upsampling_matrix(cells, upsampling):
    """Float64 ``[cells * upsampling, cells]``: stride-2 'SAME' transposed convolutions, zeros beyond every border.

    ``upsampling`` is a power of two; each factor of two is one convolution.
    """
    matrix = np.eye(cells)
    while matrix.shape[0] < cells * upsampling:
        matrix = _doubling_matrix(matrix.shape[0]).dot(matrix)
    return matrix


def gaussian_kernel(sigma):
    """Float64 weights of scipy's truncated Gaussian, from ``-radius`` to ``radius``, summing to one."""
    radius = int(GAUSSIAN_TRUNCATE * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 / (sigma * sigma) * offsets**2)
    return weights / weights.sum()


def gaussian_smoothing_matrix(size, sigma):
    """Float64 ``[size, size]``: one axis of scipy's ``gaussian_filter``, borders reflected (``b a | a b c | c b``)."""
    kernel = gaussian_kernel(sigma)
    radius = len(kernel) // 2
    matrix = np.zeros((size, size))
    pixels = np.arange(size)
    for offset, weight in zip(range(-radius, radius + 1), kernel):
        reflected = (pixels + offset) % (2 * size)
        reflected = np.where(reflected < size, reflected, 2 * size - 1 - reflected)
        # Offsets of one pixel are distinct rows, so that no two entries of one addition fall together.
        matrix[pixels, reflected] += weight
    return matrix


def _doubling_matrix(cells):
    matrix = np.zeros((2 * cells, cells))
    for cell in range(cells):
        for tap, weight in enumerate(BILINEAR_KERNEL):
            pixel = 2 * cell - 1 + tap
            if 0 <= pixel < 2 * cells:
                matrix[pixel, cell] = weight
    return matrix
