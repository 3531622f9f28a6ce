import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_bundles import PATIENT, SIDE, manifest_document

from edgepose.runtime.errors import SourceError, UsageError
from edgepose.runtime.manifest import Manifest
from edgepose.runtime.preprocess import Preprocessor

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def manifest(engine="tflite", dtype="float32", side=SIDE, mean=MEAN, std=STD):
    document = manifest_document(engine, dtype)
    document["members"] = {"engine." + engine: {"bytes": 0, "sha256": "0" * 64}}
    document["engine"]["input"]["shape"] = [1, side, side, 3] if engine == "tflite" else [1, 3, side, side]
    cells = side // 8
    document["engine"]["output"]["shape"] = [1, cells, cells, 16] if engine == "tflite" else [1, 16, cells, cells]
    document["preprocessing"]["scale"] = [1 / (255 * one) for one in std]
    document["preprocessing"]["offset"] = [-one / other for one, other in zip(mean, std)]
    return Manifest(document)


def prepared(frame, region=None, color="bgr", engine="tflite", dtype="float32", side=SIDE):
    tensor, transform = Preprocessor(manifest(engine, dtype, side)).prepare(frame, region, color)
    return tensor.copy(), transform


def network_bytes(tensor):
    """The bytes, RGB, that a float tensor was looked up from."""
    pixels = (tensor[0] * STD + MEAN) * 255
    np.testing.assert_allclose(pixels, np.round(pixels), atol=1e-3)
    return np.round(pixels).astype(int)


def photograph(height, width, seed=0):
    """A smooth random picture with texture, uint8 [H, W, 3]."""
    cv2 = pytest.importorskip("cv2")
    rng = np.random.RandomState(seed)
    coarse = cv2.resize(rng.randint(0, 256, (5, 7, 3)).astype(np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(coarse.astype(int) + rng.randint(-20, 21, coarse.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("level", [0, 1, 128, 255])
def test_bytes_are_normalised_as_the_paper_does(level):
    frame = np.full((40, 40, 3), level, dtype=np.uint8)
    expected = (level / 255.0 - np.array(MEAN)) / STD
    np.testing.assert_allclose(prepared(frame)[0], np.broadcast_to(expected, (1, SIDE, SIDE, 3)), atol=1e-6)


def test_padding_is_black_before_normalisation():
    tensor, _ = prepared(np.full((10, 40, 3), 255, dtype=np.uint8))
    pixels = network_bytes(tensor)
    assert (pixels[12:20] == 255).all()
    assert (pixels[:12] == 0).all()
    assert (pixels[20:] == 0).all()


@pytest.mark.parametrize("shape", [(40, 64), (64, 40), (31, 33), (7, 500), (1, 1), (1, 300), (300, 1), (3, 2)])
def test_planar_and_interleaved_tensors_hold_the_same(shape):
    frame = photograph(*shape)
    for dtype in ("float32", "int8"):
        interleaved, transform = prepared(frame, dtype=dtype)
        planar, other = prepared(frame, engine="onnx", dtype=dtype)
        assert interleaved.dtype == planar.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(np.transpose(planar, (0, 2, 3, 1)), interleaved)
        assert transform == other


def test_channels_may_be_normalised_alike():
    """As in the Lite variants: the bytes of all channels from -1 to 1."""
    frame = photograph(50, 70)
    tensor, _ = Preprocessor(manifest(mean=[0.5] * 3, std=[0.5] * 3)).prepare(frame)
    np.testing.assert_allclose(tensor[0], network_bytes(prepared(frame)[0]) / 127.5 - 1, atol=1e-6)


def test_int8_tensors_are_the_quantised_float_ones():
    frame = photograph(50, 70)
    real, _ = prepared(frame)
    quantised, _ = prepared(frame, dtype="int8")
    spec = manifest(dtype="int8").engine.input
    expected = np.clip(np.floor(np.abs(real / spec.scale) + 0.5) * np.sign(real) + spec.zero_point, -128, 127)
    # Real values that lie between two steps may go either way: float32 against float64.
    assert np.abs(quantised - expected).max() <= 1
    assert (quantised != expected).mean() < 1e-3


def test_color_orders():
    frame = photograph(50, 70)
    tensor, _ = prepared(frame)
    np.testing.assert_array_equal(prepared(np.ascontiguousarray(frame[:, :, ::-1]), color="rgb")[0], tensor)
    with_alpha = np.dstack([frame, np.random.RandomState(1).randint(0, 256, (50, 70)).astype(np.uint8)])
    np.testing.assert_array_equal(prepared(with_alpha)[0], tensor)
    swapped = np.ascontiguousarray(with_alpha[:, :, [2, 1, 0, 3]])
    np.testing.assert_array_equal(prepared(swapped, color="rgb")[0], tensor)


def test_grey_frames_are_frames_of_three_equal_channels():
    grey = photograph(50, 70)[:, :, 0].copy()
    expected, _ = prepared(np.dstack([grey] * 3))
    np.testing.assert_array_equal(prepared(grey)[0], expected)
    np.testing.assert_array_equal(prepared(grey[:, :, None])[0], expected)


def test_views_are_read_as_their_copies():
    frame = photograph(60, 80)
    for view in (
        frame[::-1],
        frame[:, ::-1],
        frame[:, :, ::-1],
        frame[10:50, 5:71],
        frame[::2, ::3],
        frame.swapaxes(0, 1),
    ):
        np.testing.assert_array_equal(prepared(view)[0], prepared(view.copy())[0])


def test_a_frame_is_not_changed():
    frame = photograph(60, 80)
    before = frame.copy()
    prepared(frame, region=(-5, -5, 40, 90))
    np.testing.assert_array_equal(frame, before)


@PATIENT
@given(
    left=st.integers(-30, 50),
    top=st.integers(-30, 40),
    width=st.integers(1, 100),
    height=st.integers(1, 100),
)
def test_a_region_is_the_frame_cut_out_of_black(left, top, width, height):
    frame = photograph(45, 60)
    region = (left, top, width, height)
    outside = left >= 60 or top >= 45 or left + width <= 0 or top + height <= 0
    if outside:
        with pytest.raises(SourceError, match="outside the frame"):
            prepared(frame, region)
        return
    black = np.zeros((245, 260, 3), dtype=np.uint8)
    black[100:145, 100:160] = frame
    cut = black[100 + top : 100 + top + height, 100 + left : 100 + left + width]
    np.testing.assert_array_equal(prepared(frame, region)[0], prepared(cut)[0])


@PATIENT
@given(
    frame_size=st.tuples(st.integers(40, 700), st.integers(40, 700)),
    place=st.tuples(st.floats(0.1, 0.9), st.floats(0.1, 0.9)),
)
def test_the_transform_finds_back_what_the_network_sees(frame_size, place):
    """A bright square's centre in the tensor maps to its centre in the frame, within a pixel of the network's input."""
    width, height = frame_size
    radius = max(2, max(width, height) // 40)
    x, y = int(place[0] * width), int(place[1] * height)
    frame = np.zeros((height, width, 3), dtype=np.uint8)
    frame[max(0, y - radius) : y + radius, max(0, x - radius) : x + radius] = 255
    rows, columns = np.nonzero(frame[:, :, 0])
    tensor, transform = prepared(frame, side=64)
    weight = network_bytes(tensor)[:, :, 0].astype(float)
    seen = [(weight.sum(axis=axis) * (np.arange(64) + 0.5)).sum() / weight.sum() for axis in (0, 1)]
    found = transform.to_frame(np.array([seen]))[0]
    pixel = max(width, height) / 64.0
    np.testing.assert_allclose(found, [columns.mean() + 0.5, rows.mean() + 0.5], atol=0.35 * pixel)


def test_the_transform_knows_the_rounded_geometry():
    """100x37 into 32: the height rounds to 12 (11.84), padding 10 above; the official code assumes 11.84 and 10.08."""
    _, transform = prepared(np.zeros((37, 100, 3), dtype=np.uint8))
    assert transform.resized == (32, 12)
    assert transform.padding == (0, 10)
    np.testing.assert_allclose(transform.to_frame([[16, 10], [16, 16], [16, 22]]), [[50, 0], [50, 18.5], [50, 37]])


def test_joints_in_the_padding_move_to_the_border():
    _, transform = prepared(np.zeros((20, 80, 3), dtype=np.uint8))
    np.testing.assert_allclose(transform.to_frame([[0, 0], [32, 32]]), [[0, 0], [80, 20]])
    _, transform = prepared(np.zeros((20, 80, 3), dtype=np.uint8), region=(-40, -10, 80, 80))
    np.testing.assert_allclose(transform.to_frame([[0, 0], [32, 32]]), [[0, 0], [40, 20]])


def test_nothing_of_an_earlier_frame_shows_through():
    wide, tall = photograph(20, 80), photograph(80, 20)
    preprocessor = Preprocessor(manifest())
    first, _ = preprocessor.prepare(wide)
    first = first.copy()
    preprocessor.prepare(tall)
    np.testing.assert_array_equal(preprocessor.prepare(wide)[0], first)
    np.testing.assert_array_equal(first, prepared(wide)[0])


@given(
    places=st.lists(
        st.tuples(
            st.sampled_from([(40, 64), (64, 40), (300, 200)]),
            st.sampled_from([None, (0, 0, 64, 40), (-5, 3, 30, 30), (8, 8, 16, 24), (2, 0, 190, 290)]),
        ),
        min_size=2,
        max_size=6,
    )
)
def test_every_frame_is_prepared_as_by_a_fresh_instance(places):
    preprocessor = Preprocessor(manifest())
    for size, region in places:
        frame = photograph(*size)
        tensor, transform = preprocessor.prepare(frame, region)
        expected, expected_transform = prepared(frame, region)
        np.testing.assert_array_equal(tensor, expected)
        assert transform == expected_transform


@pytest.mark.parametrize("ratio", [0.6, 1.0, 1.3, 1.9, 2.857, 3.9, 4.0, 6.5, 9.0])
def test_resizing_is_scikit_images(ratio):
    """The official recipe: rescale with anti-aliasing, then bytes. Ours works on bytes: a level of rounding apart.

    The outermost pixels, which scikit-image interpolates with their mirror image and OpenCV repeats, are left out.
    """
    rescale = pytest.importorskip("skimage.transform", reason="scikit-image is not installed here").rescale
    side = int(ratio * 64 / 8) * 8
    frame = photograph(side, side, seed=3)
    expected = 255 * rescale(frame[:, :, ::-1] / 255.0, 64.0 / side, channel_axis=-1, anti_aliasing=True)
    difference = np.abs(network_bytes(prepared(frame, side=64)[0]) - expected)
    difference = difference[1:-1, 1:-1]
    assert difference.mean() < 0.9  # 0.84 where a box stands for the Gaussian, 0.7 elsewhere
    assert np.percentile(difference, 99) < 3


def test_a_very_large_frame_fits():
    frame = np.zeros((9000, 12000, 3), dtype=np.uint8)
    frame[4500:, :, 1] = 255
    tensor, transform = prepared(frame)
    pixels = network_bytes(tensor)
    assert (pixels[17:27, :, 1] > 250).all()
    assert (pixels[5:15] < 5).all()
    np.testing.assert_allclose(transform.to_frame([[16, 16]]), [[6000, 4500]])


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (None, "NoneType"),
        ("photo.jpg", "str"),
        ([[1, 2], [3, 4]], "list"),
        (np.zeros((4, 4, 3), dtype=np.uint16), "uint16"),
        (np.zeros((4, 4, 3), dtype=np.float32), "float32"),
        (np.zeros((4, 4, 3), dtype=bool), "bool"),
        (np.zeros((0, 4, 3), dtype=np.uint8), "no pixels"),
        (np.zeros((4, 0), dtype=np.uint8), "no pixels"),
        (np.zeros((4, 4, 2), dtype=np.uint8), r"\[4, 4, 2\]"),
        (np.zeros((3, 40, 40), dtype=np.uint8), r"\[3, 40, 40\]"),
        (np.zeros((1, 4, 4, 3), dtype=np.uint8), r"\[1, 4, 4, 3\]"),
        (np.zeros(4, dtype=np.uint8), r"\[4\]"),
    ],
)
def test_what_is_no_frame_is_refused(frame, message):
    with pytest.raises(SourceError, match=message):
        prepared(frame)


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ((0, 0, 0, 10), "no area"),
        ((0, 0, 10, -1), "no area"),
        ((40, 0, 10, 10), "outside"),
        ((0, -10, 10, 10), "outside"),
        ((0, 0, float("nan"), 10), "not finite"),
        ((0, 0, float("inf"), 10), "not finite"),
        ((0, 0, 10), "four numbers"),
        (7, "four numbers"),
        ("abcd", "four numbers"),
        ((0, 0, 1e8, 1e8), "times as large"),
    ],
)
def test_what_is_no_region_is_refused(region, message):
    with pytest.raises(SourceError, match=message):
        prepared(np.zeros((30, 40, 3), dtype=np.uint8), region)


def test_an_unknown_color_order_is_refused():
    with pytest.raises(UsageError, match="did you mean 'bgr'"):
        prepared(np.zeros((4, 4, 3), dtype=np.uint8), color="BGR ")
