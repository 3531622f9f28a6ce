import os

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_bundles import PATIENT

from edgepose.runtime.errors import EdgeposeError, UsageError
from edgepose.runtime.images import read_image
from edgepose.runtime.joints import JOINTS
from edgepose.runtime.overlay import LEFT, RIGHT, draw_pose
from edgepose.runtime.overlay_files import open_video_overlay, overlay_paths, write_image
from edgepose.runtime.pose import Pose
from edgepose.runtime.sources import ImageSource, VideoSource

STANDING = np.array(
    [
        (100, 20), (100, 50), (80, 60), (70, 90), (65, 120), (100, 60), (120, 60), (130, 90),
        (135, 120), (100, 120), (88, 120), (86, 150), (84, 180), (112, 120), (114, 150), (116, 180),
    ],
    dtype=np.float32,
)  # fmt: skip


def drawn(scores, min_score=0.0, size=200, scale=1.0):
    return draw_pose(np.zeros((size, size, 3), np.uint8), Pose(STANDING * scale, scores), min_score)


def test_joints_are_drawn_in_the_colour_of_their_side():
    image = drawn(np.ones(16))
    for joint, color in (("left_elbow", LEFT), ("right_knee", RIGHT)):
        x, y = STANDING[JOINTS.index(joint)].astype(int)
        np.testing.assert_array_equal(image[y, x], color)
    assert image[:10].max() == 0


def test_one_colour_serves_the_whole_figure_where_it_is_asked_for():
    image = draw_pose(np.zeros((200, 200, 3), np.uint8), Pose(STANDING, np.ones(16)), color=(1, 200, 3))
    for joint in range(16):
        x, y = STANDING[joint].astype(int)
        np.testing.assert_array_equal(image[y, x], (1, 200, 3))


def test_the_image_is_drawn_into_and_returned():
    image = np.zeros((200, 200, 3), np.uint8)
    assert draw_pose(image, Pose(STANDING, np.ones(16))) is image
    assert image.any()


def test_uncertain_joints_fade():
    wrist = JOINTS.index("left_wrist")
    scores = np.ones(16)
    x, y = STANDING[wrist].astype(int)
    levels = []
    for score in (1.0, 0.25, 0.0):
        scores[wrist] = score
        levels.append(drawn(scores)[y, x].max())
    assert levels[0] > levels[1] > levels[2] > 0


def test_joints_below_the_score_are_left_out_with_their_bones():
    scores = np.ones(16)
    scores[JOINTS.index("left_elbow")] = 0.1
    image = drawn(scores, min_score=0.2)
    assert image[92, 130].max() == 0
    assert image[108, 132].max() == 0
    assert image[120, 135].max() > 0
    assert drawn(np.zeros(16), min_score=0.2).max() == 0


def test_lines_follow_the_size_of_the_figure():
    small, large = drawn(np.ones(16), size=1000), drawn(np.ones(16), size=1000, scale=4.5)
    assert (large > 0).any(axis=2).sum() > 5 * (small > 0).any(axis=2).sum()


@PATIENT
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 60), width=st.integers(1, 60))
def test_any_pose_is_drawn_into_any_image(seed, height, width):
    """Joints at the borders, in a heap, in an image smaller than a line is wide."""
    rng = np.random.RandomState(seed)
    pose = Pose(rng.uniform(0, 1, (16, 2)) * (width, height), rng.uniform(-0.1, 1.2, 16))
    image = draw_pose(np.zeros((height, width, 3), np.uint8), pose)
    assert image.shape == (height, width, 3)


def sources(*names):
    return [VideoSource(name) if name.endswith((".mp4", ".avi")) else ImageSource(name) for name in names]


def test_one_source_and_a_file(in_folder):
    assert overlay_paths("out.png", sources("a.jpg")) == {"a.jpg": "out.png"}
    assert overlay_paths("out.avi", sources("a.mp4")) == {"a.mp4": "out.avi"}


def test_a_folder_takes_the_names_of_the_sources(in_folder):
    paths = overlay_paths("out", sources("x/a.jpg", "x/b.avi", "download"))
    assert paths == {
        "x/a.jpg": os.path.join("out", "a.jpg"),
        "x/b.avi": os.path.join("out", "b.mp4"),
        "download": os.path.join("out", "download.png"),
    }
    assert (in_folder / "out").is_dir()
    assert overlay_paths("out", sources("x/a.jpg")) == {"x/a.jpg": os.path.join("out", "a.jpg")}
    assert overlay_paths("new/", sources("x/a.jpg")) == {"x/a.jpg": os.path.join("new/", "a.jpg")}


@pytest.mark.parametrize(
    ("target", "names", "message"),
    [
        ("out.mp4", ["a.jpg"], r"end it in \.jpg"),
        ("out.png", ["a.mp4"], r"end it in \.mp4"),
        ("out.gif", ["a.jpg"], r"end it in \.jpg"),
        ("out.png", ["a.jpg", "b.jpg"], "cannot hold the overlays of 2 sources"),
        ("out", ["x/a.jpg", "y/a.jpg"], "two sources would be drawn into"),
        ("out", ["x/a.avi", "y/a.mp4"], "two sources would be drawn into"),
    ],
)
def test_names_that_do_not_fit_are_refused(target, names, message, in_folder):
    with pytest.raises(UsageError, match=message):
        overlay_paths(target, sources(*names))


def test_a_folder_that_cannot_be_made(in_folder):
    (in_folder / "out").write_text("a file")
    with pytest.raises(EdgeposeError, match="cannot make the folder"):
        overlay_paths("out/deeper", sources("a.jpg", "b.jpg"))


def test_images_are_written_in_the_format_of_their_name(in_folder):
    image = drawn(np.ones(16))
    write_image("out.png", image)
    np.testing.assert_array_equal(read_image("out.png"), image)
    write_image("out.jpg", image)
    assert np.abs(read_image("out.jpg").astype(int) - image).mean() < 3
    assert sorted(os.listdir(str(in_folder))) == ["out.jpg", "out.png"]


@pytest.mark.parametrize(("suffix", "size"), [(".mp4", (64, 48)), (".avi", (64, 48)), (".mp4", (63, 47))])
def test_videos_hold_every_frame(suffix, size, in_folder):
    path = "out" + suffix
    try:
        with open_video_overlay(path, 12.5) as video:
            for level in range(0, 200, 20):
                video.write(np.full((size[1], size[0], 3), level, np.uint8))
            assert os.listdir(str(in_folder)) != [path]
    except EdgeposeError as error:
        if "this OpenCV cannot write" in error.message:
            pytest.skip(error.message)
        raise
    assert os.listdir(str(in_folder)) == [path]
    levels = [frame.image.mean() for frame in VideoSource(path).frames()]
    np.testing.assert_allclose(levels, range(0, 200, 20), atol=8)


def test_nothing_is_left_of_an_interrupted_video(in_folder):
    with pytest.raises(KeyboardInterrupt), open_video_overlay("out.avi", 25) as video:
        video.write(np.zeros((48, 64, 3), np.uint8))
        raise KeyboardInterrupt
    assert os.listdir(str(in_folder)) == []


def test_frames_that_change_in_size_are_refused(in_folder):
    with pytest.raises(EdgeposeError, match="change from 64x48 to 48x64"):
        with open_video_overlay("out.avi", 25) as video:
            video.write(np.zeros((48, 64, 3), np.uint8))
            video.write(np.zeros((64, 48, 3), np.uint8))
    assert os.listdir(str(in_folder)) == []


def test_frames_that_did_not_reach_the_disk_are_missed(in_folder, monkeypatch):
    """OpenCV's writer keeps silent when a disk is full: the frames are counted afterwards."""

    class FullDisk:
        """Takes frames and writes none."""

        def __init__(self, *_):
            pass

        def isOpened(self):
            return True

        def write(self, image):
            pass

        def release(self):
            pass

    monkeypatch.setattr(cv2, "VideoWriter", FullDisk)
    with pytest.raises(EdgeposeError, match="0 of 2 frames reached the disk"):
        with open_video_overlay("out.avi", 25) as video:
            for _ in range(2):
                video.write(np.zeros((48, 64, 3), np.uint8))
    assert os.listdir(str(in_folder)) == []
