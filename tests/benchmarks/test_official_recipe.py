import numpy as np
import pytest

pytest.importorskip("skimage")
pytest.importorskip("scipy")

from benchmarks.official_recipe import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    OfficialRecipe,
    crop,
    peaks,
    preprocess,
    to_frame,
)


def test_a_wide_picture_is_centred_between_black_bars():
    tensor = preprocess(np.full((30, 60, 3), 255, np.uint8), 120, lite=True)
    assert tensor.shape == (1, 120, 120, 3)
    assert (tensor[0, :30] == -1).all()
    assert (tensor[0, 90:] == -1).all()
    assert (tensor[0, 30:90] == 1).all()


def test_full_variants_are_normalised_as_imagenet():
    tensor = preprocess(np.full((8, 8, 3), 100, np.uint8), 8, lite=False)
    # Bytes by truncation: 100 / 255 * 255 falls just short of 100 or on it.
    np.testing.assert_allclose(tensor[0, 4, 4], (100 / 255 - IMAGENET_MEAN) / IMAGENET_STD, atol=1 / 255 / 0.22)


def test_peaks_are_pixel_centres_and_smoothing_moves_them_to_the_mass():
    maps = np.zeros((40, 50, 16), np.float32)
    maps[7, 9] = 1
    maps[30:33, 20:23] = 0.9
    assert (peaks(maps, smooth=False) == [9.5, 7.5]).all()
    assert (peaks(maps) == [21.5, 31.5]).all()


def test_points_return_to_the_frame_through_the_bars():
    points = np.array([[0, 28.0], [112, 112], [224, 196], [112, 0]])
    np.testing.assert_allclose(to_frame(points, 224, 480, 640), [[0, 0], [320, 240], [640, 480], [320, 0]], atol=1e-9)


@pytest.mark.parametrize("region", [(-2, 1, 6, 6), (1, 1, 2, 2), (3, 2, 4, 5)])
def test_a_crop_is_black_outside_the_picture(region):
    picture = np.arange(1, 61, dtype=np.uint8).reshape(4, 5, 3)
    x, y, width, height = region
    padded = np.pad(picture, [(8, 8), (8, 8), (0, 0)])
    np.testing.assert_array_equal(crop(picture, region), padded[8 + y : 8 + y + height, 8 + x : 8 + x + width])
    assert crop(picture, None) is picture


def test_a_frame_gives_sixteen_joints_inside_it(reference):
    pytest.importorskip("ai_edge_litert.interpreter")
    recipe = OfficialRecipe(reference / "weights" / "tflite" / "EfficientPoseRT_LITE.tflite", lite=True, threads=1)
    points = recipe(np.zeros((48, 64, 3), np.uint8))
    assert points.shape == (16, 2)
    assert (points >= 0).all()
    assert (points <= [64, 48]).all()
