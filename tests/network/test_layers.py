import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edgepose.network.layers import BilinearUpscaling, ConvNorm, Swish, bilinear_kernel
from edgepose.runtime.upsampling import bilinear_upsampling_matrix


def same_convolution(image: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    """TensorFlow's 'SAME' convolution of one channel, from its definition."""
    size, taps = len(image), len(kernel)
    out = math.ceil(size / stride)
    before = max((out - 1) * stride + taps - size, 0) // 2
    result = np.zeros((out, out))
    for row in range(out):
        for column in range(out):
            for i in range(taps):
                for j in range(taps):
                    y, x = row * stride + i - before, column * stride + j - before
                    if 0 <= y < size and 0 <= x < size:
                        result[row, column] += image[y, x] * kernel[i, j]
    return result


@settings(max_examples=25, deadline=None)
@given(
    half_size=st.integers(1, 5),
    kernel=st.sampled_from([1, 3, 5]),
    stride=st.sampled_from([1, 2]),
    seed=st.integers(0, 2**16),
)
def test_padding_is_that_of_tensorflow_same(half_size, kernel, stride, seed):
    assume(kernel >= stride)
    random = np.random.default_rng(seed)
    image = random.normal(size=(2 * half_size, 2 * half_size))
    layer = ConvNorm(1, 1, kernel, stride).double().eval()
    weight = layer.conv.weight.detach()[0, 0].numpy()
    with torch.no_grad():
        ours = layer(torch.from_numpy(image)[None, None])[0, 0].numpy()
    expected = same_convolution(image, weight, stride) / np.sqrt(1 + layer.norm.eps)
    np.testing.assert_allclose(ours, expected, atol=1e-12)


@pytest.mark.parametrize("beta", [1.0, 1.25])
def test_e_swish_is_beta_times_x_times_sigmoid(beta):
    x = torch.linspace(-6, 6, 25, dtype=torch.float64)
    expected = [beta * value / (1 + math.exp(-value)) for value in x.tolist()]
    np.testing.assert_allclose(Swish(beta)(x), expected, atol=1e-12)


def test_batch_norm_epsilon_is_that_of_the_official_models():
    assert ConvNorm(1, 1, 1).norm.eps == 1e-3


def test_upscaling_starts_as_the_linear_map_that_the_decoder_applies():
    maps = np.random.default_rng(0).normal(size=(1, 3, 5, 7)).astype(np.float32)
    with torch.no_grad():
        upscaled = BilinearUpscaling(channels=3, doublings=3)(torch.from_numpy(maps)).numpy()
    rows, columns = bilinear_upsampling_matrix(5, 8), bilinear_upsampling_matrix(7, 8)
    np.testing.assert_allclose(upscaled, rows @ maps @ columns.T, atol=1e-5)


def test_the_bilinear_kernel_mixes_no_channels():
    kernel = bilinear_kernel(4)
    assert kernel.shape == (4, 4, 4, 4)
    assert torch.count_nonzero(kernel) == 4 * 16
    assert kernel[2, 2, 0].tolist() == [0.0625, 0.1875, 0.1875, 0.0625]
