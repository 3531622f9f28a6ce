import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_bundles import PATIENT

from edgepose.runtime.full_map import smooth, upsample
from edgepose.runtime.upsampling import full_map_matrix


def noise(seed, height, width):
    return np.random.RandomState(seed).standard_normal((height, width)).astype(np.float32)


@PATIENT
@given(
    seed=st.integers(0, 2**32 - 1),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    upsampling=st.sampled_from([1, 2, 4, 8]),
    sigma=st.sampled_from([0.0, 0.5, 1.0, 2.5]),
)
def test_is_the_linear_map_but_for_rounding(seed, height, width, upsampling, sigma):
    heatmap = noise(seed, height, width)
    full_map = upsample(heatmap, upsampling)
    full_map = smooth(full_map, sigma) if sigma > 0 else full_map
    assert full_map.dtype == np.float32
    rows, columns = (full_map_matrix(side, upsampling, sigma) for side in (height, width))
    np.testing.assert_allclose(full_map, rows.dot(heatmap).dot(columns.T), atol=2e-6)


@pytest.mark.parametrize("shape", [(224, 224), (7, 30), (1, 3), (3, 1), (1, 1)])
@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.5])
def test_smoothing_is_scipys_bit_for_bit(shape, sigma):
    ndimage = pytest.importorskip("scipy.ndimage", reason="scipy is not installed for this Python")
    full_map = noise(1, *shape)
    np.testing.assert_array_equal(smooth(full_map, sigma), ndimage.gaussian_filter(full_map, sigma))


def test_upsampling_is_a_chain_of_fused_multiply_adds():
    """One pixel by hand: the four products in the order of the kernel, each sum rounded once to float32."""
    heatmap = noise(2, 3, 3)
    total = np.float32(0)
    # Pixel (3, 2) of 6x6: row 3 takes rows 2 and 1 by taps 0 and 2; column 2 takes columns 1 and 0 by taps 1 and 3.
    for row, row_weight in ((2, 0.25), (1, 0.75)):
        for column, column_weight in ((1, 0.75), (0, 0.25)):
            total = np.float32(float(heatmap[row, column]) * (row_weight * column_weight) + float(total))
    assert upsample(heatmap, 2)[3, 2] == total


def test_small_integers_are_upsampled_exactly():
    heatmap = np.random.RandomState(3).randint(-128, 128, (6, 5)).astype(np.float32)
    rows, columns = (full_map_matrix(side, 8, 0) for side in (6, 5))
    np.testing.assert_array_equal(upsample(heatmap, 8), rows.dot(heatmap).dot(columns.T))
