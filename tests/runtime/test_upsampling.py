import numpy as np
import pytest

from edgepose.runtime.upsampling import bilinear_upsampling_matrix, full_map_matrix, gaussian_smoothing_matrix

KERNEL = np.outer([0.25, 0.75, 0.75, 0.25], [0.25, 0.75, 0.75, 0.25])


def transposed_convolution(image):
    """Stride 2, 4x4 kernel, TF 'SAME': each value is spread over the kernel, what falls outside is cut off."""
    height, width = image.shape
    spread = np.zeros((2 * height + 2, 2 * width + 2))
    for row in range(height):
        for column in range(width):
            spread[2 * row : 2 * row + 4, 2 * column : 2 * column + 4] += image[row, column] * KERNEL
    return spread[1:-1, 1:-1]


@pytest.mark.parametrize("stages", [0, 1, 2, 3])
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (7, 2)])
def test_upsampling_is_the_chain_of_transposed_convolutions(shape, stages):
    image = np.random.RandomState(1).standard_normal(shape)
    expected = image
    for _ in range(stages):
        expected = transposed_convolution(expected)
    rows, columns = (bilinear_upsampling_matrix(side, 2**stages) for side in shape)
    np.testing.assert_allclose(rows.dot(image).dot(columns.T), expected, atol=1e-12)


@pytest.mark.parametrize("size", [1, 3, 40])
@pytest.mark.parametrize("sigma", [0.5, 1.0, 3.0])
def test_smoothing_is_scipys_gaussian_filter(size, sigma):
    ndimage = pytest.importorskip("scipy.ndimage", reason="scipy is not installed for this Python")
    line = np.random.RandomState(2).standard_normal(size)
    expected = ndimage.gaussian_filter1d(line, sigma)
    np.testing.assert_allclose(gaussian_smoothing_matrix(size, sigma).dot(line), expected, atol=1e-12)


def test_smoothing_reflects_at_the_borders():
    line = np.array([1.0, 2.0, 4.0])
    weights = np.exp(-0.5 * np.arange(-4, 5) ** 2)
    weights /= weights.sum()
    reflected = np.array([4, 4, 2, 1, 1, 2, 4, 4, 2, 1, 1.0])
    expected = [weights.dot(reflected[start : start + 9]) for start in range(3)]
    np.testing.assert_allclose(gaussian_smoothing_matrix(3, 1.0).dot(line), expected, atol=1e-12)


@pytest.mark.parametrize("sigma", [0.0, 1.0])
def test_rows_are_averages(sigma):
    """What the decoder's bounds rest on: weights are not negative, and add up to one but for the borders."""
    matrix = full_map_matrix(28, 8, sigma)
    assert matrix.shape == (224, 28)
    assert matrix.min() >= 0
    assert matrix.sum(axis=1).max() <= 1 + 1e-12
    np.testing.assert_allclose(matrix[16:-16].sum(axis=1), 1)
