import numpy as np
import pytest
from tiny_bundles import SIDE, squares, tiny_bundle

from edgepose.evaluation.augmented import MIRRORED, AugmentedEstimator, parse_scales
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.errors import UsageError
from edgepose.runtime.estimator import PoseEstimator
from edgepose.runtime.joints import JOINTS

MIDDLE = [joint for joint, mirrored in enumerate(MIRRORED) if joint == mirrored]
# Joints whose mirrored joint looks for the same colour in the tiny engines: the others have two equal peaks.
SAME_COLOUR = [joint for joint, mirrored in enumerate(MIRRORED) if joint % 3 == mirrored % 3]


@pytest.fixture(params=[("onnx", "float32"), ("tflite", "float32"), ("onnx", "int8"), ("tflite", "int8")])
def bundle(request, tmp_path):
    path = tmp_path / "tiny.edgepose"
    path.write_bytes(tiny_bundle(*request.param))
    return Bundle.open(path)


def gradient(height, width):
    """A BGR frame that is brighter to the right and below, each channel in its own way."""
    y, x = np.mgrid[:height, :width]
    planes = (255 * x / width, 255 * y / height, 127 * (x / width + y / height))
    return np.stack(planes, axis=2).astype(np.uint8)


def test_left_and_right_change_places_in_a_mirror():
    names = [JOINTS[joint] for joint in MIRRORED]
    assert names[:3] == ["head_top", "upper_neck", "left_shoulder"]
    assert names[-1] == "right_ankle"
    assert [MIRRORED[joint] for joint in MIRRORED] == list(range(16))
    assert [JOINTS[joint] for joint in MIDDLE] == ["head_top", "upper_neck", "thorax", "pelvis"]


@pytest.mark.parametrize("region", [None, (-7, 3, 90, 90), (10, 20, 61, 44)])
def test_one_plain_view_is_the_plain_estimator(bundle, region):
    frame = squares(96, 96)
    with AugmentedEstimator(bundle, threads=1) as augmented, PoseEstimator(bundle, threads=1) as plain:
        assert augmented(frame, region=region) == plain(frame, region=region)
        assert augmented.views == ""


def test_a_mirrored_view_agrees_with_the_plain_one_where_the_network_is_symmetric(bundle):
    """The tiny engines average cells: a mirror changes nothing but which joint is which."""
    frame = squares(96, 96)
    with AugmentedEstimator(bundle, threads=1, flip=True) as augmented, PoseEstimator(bundle, threads=1) as plain:
        flipped, pose = augmented(frame), plain(frame)
        assert augmented.views == "mirrored"
    np.testing.assert_allclose(flipped.keypoints[MIDDLE], pose.keypoints[MIDDLE])
    np.testing.assert_allclose(flipped.scores[MIDDLE], pose.scores[MIDDLE], atol=1e-6)
    # The right shoulder looks for blue and the left for red: the mean of both is the same for each.
    right, left = JOINTS.index("right_shoulder"), JOINTS.index("left_shoulder")
    np.testing.assert_array_equal(flipped.keypoints[right], flipped.keypoints[left])
    assert flipped.scores[right] == pytest.approx(flipped.scores[left])
    assert flipped.scores[right] < 0.8 * pose.scores[right]


def test_a_mirrored_frame_gives_the_mirrored_pose(bundle):
    frame = squares(96, 96)
    with AugmentedEstimator(bundle, threads=1, flip=True) as estimator:
        pose, mirrored = estimator(frame), estimator(np.ascontiguousarray(frame[:, ::-1]))
    pixel = 96 / SIDE  # of the full map; of equal pixels the decoder takes the first
    back = mirrored.keypoints[list(MIRRORED)]
    assert len(SAME_COLOUR) == 10
    for joint in SAME_COLOUR:
        np.testing.assert_allclose(96 - back[joint, 0], pose.keypoints[joint, 0], atol=pixel + 1e-3)
        np.testing.assert_allclose(back[joint, 1], pose.keypoints[joint, 1], atol=1e-3)


@pytest.mark.parametrize("region", [(40, 40, 64, 64), (40, 56, 64, 32)])
def test_a_gradient_is_the_same_at_every_scale(bundle, region):
    """Bilinear sampling keeps what is linear: views of other scales neither move nor dim it where they overlap."""
    frame = gradient(144, 144)
    with AugmentedEstimator(bundle, threads=1, scales=(1, 0.5, 2)) as several, PoseEstimator(bundle, 1) as plain:
        assert several.views == "scales 1, 0.5, 2"
        averaged, pose = several(frame, region=region), plain(frame, region=region)
        maps = []
        for scaled in (region, (8, 8, 128, 128) if region[3] == 64 else (8, 40, 128, 64)):
            tensor, transform = several._preprocessor.prepare(frame, region=scaled)
            maps.append((several._real_heatmaps(tensor), transform))
        rows, columns = several._resampling(maps[0][1], maps[1][1])
        resampled = np.einsum("yi,xj,ijk->yxk", rows, columns, maps[1][0])
    shown = slice(None) if region[3] == 64 else slice(1, 3)  # the letterbox's black is not linear
    np.testing.assert_allclose(resampled[shown], maps[0][0][shown], atol=0.03)
    if region[3] == 64:
        np.testing.assert_allclose(averaged.scores, pose.scores, atol=0.03)
        np.testing.assert_allclose(averaged.keypoints, pose.keypoints, atol=2 * 64 / SIDE)


def test_the_scales_of_a_whole_frame_are_about_its_centre(bundle):
    frame = np.zeros((96, 96, 3), np.uint8)
    frame[36:60, 36:60] = 255
    with AugmentedEstimator(bundle, threads=1, flip=True, scales=(0.8, 1, 1.25)) as estimator:
        pose = estimator(frame)
    np.testing.assert_allclose(pose.keypoints, 48, atol=2 * 96 / SIDE)


@pytest.mark.parametrize(
    ("scales", "message"),
    [
        ((0.8,), "1 is not among"),
        ((1, 0.4), "not scales"),
        ((1, 2.1), "not scales"),
        ((1, 1), "not scales"),
        ((), "1 "),
    ],
)
def test_scales_that_cannot_be_averaged_are_refused(bundle, scales, message):
    with pytest.raises(UsageError, match=message):
        AugmentedEstimator(bundle, scales=scales)


def test_scales_are_read_from_text():
    assert parse_scales("0.8,1, 1.2") == (0.8, 1.0, 1.2)
    for text in ("", "1;2", "1,nan", "1,inf"):
        with pytest.raises(UsageError, match="not scales"):
            parse_scales(text)
