import os

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_bundles import PATIENT

from edgepose.runtime.decoder import HeatmapDecoder
from edgepose.runtime.errors import EngineError, UsageError
from edgepose.runtime.full_map import smooth, upsample

JOINTS = 16
KERNEL = (0.25, 0.75, 0.75, 0.25)


def doubled(maps, axis):
    """One axis of a stride-2 transposed convolution of ``maps`` [h, w, n], by shifting and adding."""
    maps = np.moveaxis(maps, axis, 0)
    spread = np.zeros((2 * len(maps) + 2,) + maps.shape[1:])
    for tap, weight in enumerate(KERNEL):
        spread[tap : tap + 2 * len(maps) : 2] += weight * maps
    return np.moveaxis(spread[1:-1], 0, axis)


def smoothed(maps, axis, sigma):
    """One axis of scipy's gaussian_filter: cut at four sigma, borders reflected."""
    radius = int(4 * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / float(sigma)) ** 2)
    weights /= weights.sum()
    maps = np.moveaxis(maps, axis, 0)
    length = len(maps)
    padded = np.pad(maps, [(radius, radius)] + [(0, 0)] * (maps.ndim - 1), mode="symmetric")
    total = np.zeros_like(maps)
    for offset, weight in enumerate(weights):
        total += weight * padded[offset : offset + length]
    return np.moveaxis(total, 0, axis)


def full_maps(heatmaps, upsampling, sigma):
    """The map that the official decoders search, float64 [H, W, 16], computed in full and in another way."""
    maps = heatmaps.astype(np.float64)
    while maps.shape[0] < heatmaps.shape[0] * upsampling:
        maps = doubled(doubled(maps, 0), 1)
    if sigma > 0:
        maps = smoothed(smoothed(maps, 0, sigma), 1, sigma)
    return maps


def assert_finds_the_argmax(heatmaps, upsampling, sigma):
    """The decoder's pixel is the maximum, and no earlier pixel is as high but for rounding."""
    maps = full_maps(heatmaps, upsampling, sigma)
    peaks, scores = HeatmapDecoder(heatmaps.shape[0], heatmaps.shape[1], upsampling, sigma).decode(heatmaps)
    assert peaks.dtype == scores.dtype == np.float32
    columns, rows = (peaks - 0.5).astype(int).T
    for joint in range(JOINTS):
        flat = maps[:, :, joint].reshape(-1)
        index = rows[joint] * maps.shape[1] + columns[joint]
        rounding = 4e-7 * np.abs(heatmaps[:, :, joint]).max()
        assert flat[index] >= flat.max() - rounding
        assert not (flat[:index] > flat[index] + rounding).any()
        np.testing.assert_allclose(scores[joint], flat[index], atol=rounding + 1e-30)
        clear = np.flatnonzero(flat > flat.max() - 2 * rounding)
        if len(clear) == 1:
            assert index == clear[0]


def noise(rng, shape):
    return rng.standard_normal(shape)


def plateaus(rng, shape):
    return rng.randint(-1, 3, shape)


def negative(rng, shape):
    return -1 - rng.random_sample(shape)


def constant(rng, shape):
    return np.broadcast_to(rng.randint(-2, 3, shape[2]), shape)


def impulses(rng, shape):
    """A few equal peaks a joint, often at a border, on a floor of little noise."""
    maps = 1e-3 * rng.standard_normal(shape)
    for joint in range(shape[2]):
        for _ in range(rng.randint(1, 4)):
            row = rng.choice([0, shape[0] - 1, rng.randint(shape[0])])
            column = rng.choice([0, shape[1] - 1, rng.randint(shape[1])])
            maps[row, column, joint] = 1
    return maps


def blobs(rng, shape):
    """Two Gaussian peaks a joint, about as high: the highest cell is not always where the highest pixel is."""
    rows, columns = np.arange(shape[0])[:, None], np.arange(shape[1])
    maps = np.zeros(shape)
    for joint in range(shape[2]):
        for height in (1.0, rng.uniform(0.9, 1.0)):
            row, column = rng.uniform(-1, shape[0]), rng.uniform(-1, shape[1])
            width = rng.uniform(0.3, 2.0)
            maps[:, :, joint] += height * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * width**2))
    return maps


@PATIENT
@given(
    kind=st.sampled_from([noise, plateaus, negative, constant, impulses, blobs]),
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    upsampling=st.sampled_from([1, 2, 4, 8]),
    sigma=st.sampled_from([0.0, 1.0, 2.5]),
    seed=st.integers(0, 2**32 - 1),
)
def test_finds_the_argmax_of_the_full_map(kind, height, width, upsampling, sigma, seed):
    heatmaps = kind(np.random.RandomState(seed), (height, width, JOINTS)).astype(np.float32)
    assert_finds_the_argmax(heatmaps, upsampling, sigma)


@pytest.mark.parametrize("sigma", [0.0, 1.0])
@pytest.mark.parametrize("kind", [noise, plateaus, negative, constant, impulses, blobs])
def test_finds_the_argmax_of_maps_of_the_size_of_rt(kind, sigma):
    heatmaps = kind(np.random.RandomState(3), (28, 28, JOINTS)).astype(np.float32)
    assert_finds_the_argmax(heatmaps, 8, sigma)


@PATIENT
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 8), width=st.integers(1, 8))
def test_of_equal_pixels_the_first_wins(seed, height, width):
    """Small integers are upsampled without rounding: ties are exact, and the official argmax takes the first."""
    heatmaps = np.random.RandomState(seed).randint(-3, 4, (height, width, JOINTS)).astype(np.int16)
    expected = full_maps(heatmaps, 8, 0).reshape(-1, JOINTS).argmax(axis=0)
    for same in (heatmaps, heatmaps.astype(np.float32)):
        peaks, _ = HeatmapDecoder(height, width, 8).decode(same)
        np.testing.assert_array_equal((peaks[:, 1] - 0.5) * width * 8 + peaks[:, 0] - 0.5, expected)


@PATIENT
@given(
    seed=st.integers(0, 2**32 - 1),
    height=st.integers(4, 10),
    width=st.integers(4, 10),
    sigma=st.sampled_from([0.0, 1.0]),
    difference=st.sampled_from([0.0, 1e-9, 1e-8, 3e-8, 1e-7, 3e-7, 1e-6]),
)
def test_pixels_that_only_rounding_tells_apart_are_told_apart_as_in_the_official_code(
    seed, height, width, sigma, difference
):
    """Peaks that are mirror images of each other but for less than float32 resolves: its arithmetic decides."""
    rng = np.random.RandomState(seed)
    half = blobs(rng, (height, width, JOINTS))
    heatmaps = (half + half[:, ::-1] + difference * rng.standard_normal(half.shape)).astype(np.float32)
    peaks, scores = HeatmapDecoder(height, width, 8, sigma).decode(heatmaps)
    for joint in range(JOINTS):
        full_map = upsample(heatmaps[:, :, joint], 8)
        full_map = smooth(full_map, sigma) if sigma > 0 else full_map
        row, column = divmod(full_map.argmax(), full_map.shape[1])
        assert tuple(peaks[joint] - 0.5) == (column, row)
        np.testing.assert_allclose(scores[joint], full_map[row, column], rtol=1e-6)


def test_symmetric_peaks_are_ties_after_smoothing_too():
    heatmaps = np.zeros((9, 9, JOINTS), dtype=np.int16)
    heatmaps[2, 2] = heatmaps[2, 6] = heatmaps[6, 2] = heatmaps[6, 6] = 119
    peaks, _ = HeatmapDecoder(9, 9, 8, 1.0).decode(heatmaps)
    # A peak on a cell is as high on the four pixels around its centre: the first of them.
    np.testing.assert_array_equal(peaks, np.full((JOINTS, 2), 2 * 8 + 3.5))


@pytest.mark.parametrize("upsampling", [1, 8])
def test_integers_count_from_their_zero_point(upsampling):
    heatmaps = np.random.RandomState(6).randint(-128, 128, (6, 9, JOINTS)).astype(np.int8)
    before = heatmaps.copy()
    decoder = HeatmapDecoder(6, 9, upsampling, 1.0)
    for zero_point in (-128, 0, 93):
        expected = decoder.decode(heatmaps.astype(np.int16) - np.int16(zero_point))
        for found, same in zip(decoder.decode(heatmaps, zero_point), expected):
            np.testing.assert_array_equal(found, same)
    np.testing.assert_array_equal(heatmaps, before)


def test_a_lower_cell_can_hold_the_higher_pixel():
    """Two neighbours of 0.9 make a higher peak than one cell of 1.0: what a windowed search misses."""
    heatmaps = np.zeros((16, 16, JOINTS), dtype=np.float32)
    heatmaps[3, 3] = 1.0
    heatmaps[11:13, 11:13] = 0.9
    peaks, scores = HeatmapDecoder(16, 16, 8, 1.0).decode(heatmaps)
    np.testing.assert_array_equal(peaks, np.full((JOINTS, 2), 12 * 8 - 0.5))
    assert (scores < 0.9).all()
    assert (scores > 0.7).all()


def test_decoding_leaves_the_heatmaps_and_earlier_answers_alone():
    rng = np.random.RandomState(4)
    first, second = (rng.standard_normal((6, 6, JOINTS)).astype(np.float32) for _ in range(2))
    before = first.copy()
    decoder = HeatmapDecoder(6, 6, 8, 1.0)
    peaks, scores = decoder.decode(first)
    kept = peaks.copy(), scores.copy()
    decoder.decode(second)
    np.testing.assert_array_equal(first, before)
    np.testing.assert_array_equal(peaks, kept[0])
    np.testing.assert_array_equal(scores, kept[1])
    np.testing.assert_array_equal(decoder.decode(first)[0], kept[0])


def test_planar_heatmaps_are_read_as_well():
    maps = np.random.RandomState(5).standard_normal((JOINTS, 6, 9)).astype(np.float32)
    decoder = HeatmapDecoder(6, 9, 8, 1.0)
    transposed = decoder.decode(np.transpose(maps, (1, 2, 0)))
    copied = decoder.decode(np.ascontiguousarray(np.transpose(maps, (1, 2, 0))))
    np.testing.assert_array_equal(transposed[0], copied[0])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("upsampling", [1, 8])
def test_values_that_are_not_finite_are_refused(value, upsampling):
    heatmaps = np.zeros((4, 4, JOINTS), dtype=np.float32)
    heatmaps[3, 0, 7] = value
    with pytest.raises(EngineError, match="not finite"):
        HeatmapDecoder(4, 4, upsampling, 1.0).decode(heatmaps)


def test_another_shape_is_refused():
    with pytest.raises(EngineError, match=r"\(5, 4, 16\)"):
        HeatmapDecoder(4, 4, 8).decode(np.zeros((5, 4, JOINTS), dtype=np.float32))


@pytest.mark.parametrize("arguments", [(0, 4, 8, 0), (4, 4, 3, 0), (4, 4, 0, 0), (4, 4, 8, -1)])
def test_maps_that_cannot_be_are_refused(arguments):
    with pytest.raises(UsageError):
        HeatmapDecoder(*arguments)


@pytest.mark.parametrize("variant", ["RT", "I"])
@pytest.mark.parametrize("sigma", [0.0, 1.0])
def test_joints_of_real_photographs_are_scipys(variant, sigma):
    """The official engine computes its heatmaps before and after upsampling; the official decoder gets the latter."""
    folder = os.environ.get("EDGEPOSE_REFERENCE")
    if not folder:
        pytest.skip("EDGEPOSE_REFERENCE is not set: official weights and photographs are not at hand")
    gaussian_filter = pytest.importorskip("scipy.ndimage").gaussian_filter
    interpreter_module = pytest.importorskip("ai_edge_litert.interpreter", reason="no LiteRT for this Python")
    interpreter = interpreter_module.Interpreter(
        os.path.join(folder, "weights", "tflite", f"EfficientPose{variant}.tflite"), num_threads=2
    )
    interpreter.allocate_tensors()
    size = int(interpreter.get_input_details()[0]["shape"][1])
    outputs = interpreter.get_output_details()
    low = [output["index"] for output in outputs if tuple(output["shape"]) == (1, size // 8, size // 8, 16)][-1]
    full = [output["index"] for output in outputs if tuple(output["shape"]) == (1, size, size, 16)][-1]
    decoder = HeatmapDecoder(size // 8, size // 8, 8, sigma)
    images = os.path.join(folder, "data", "lspet-dev", "images")
    for name in sorted(os.listdir(images))[:12]:
        image = cv2.resize(cv2.imread(os.path.join(images, name))[:, :, ::-1], (size, size))
        tensor = (image / 255.0 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], tensor[None].astype(np.float32))
        interpreter.invoke()
        maps = interpreter.get_tensor(full)[0]
        if sigma > 0:
            maps = np.stack([gaussian_filter(maps[:, :, joint], sigma) for joint in range(JOINTS)], axis=2)
        expected = maps.reshape(-1, JOINTS).argmax(axis=0)
        peaks, scores = decoder.decode(interpreter.get_tensor(low)[0])
        np.testing.assert_array_equal(peaks[:, 1] - 0.5, expected // size)
        np.testing.assert_array_equal(peaks[:, 0] - 0.5, expected % size)
        np.testing.assert_allclose(scores, maps.reshape(-1, JOINTS).max(axis=0), atol=1e-6)
