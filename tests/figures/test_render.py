import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from edgepose.figures import render_figure
from edgepose.figures.body import build_body, sample_appearance
from edgepose.figures.shading import NOTHING, Layers, Light, draw_group
from edgepose.figures.skeleton import pose_skeleton, sample_angles, sample_proportions
from edgepose.runtime.errors import UsageError
from edgepose.runtime.joints import JOINTS

LIGHT = Light(np.array([0.0, 0.0, 1.0]), diffuse=0.5, ambient=0.5, tint=np.ones(3))


@pytest.mark.parametrize("size", [256, (640, 480), (120, 200), 32])
def test_a_figure_lies_inside_its_region_inside_its_picture(size):
    width, height = (size, size) if isinstance(size, int) else size
    for seed in range(6):
        figure = render_figure(seed, size)
        assert figure.image.shape == (height, width, 3)
        assert figure.image.dtype == np.uint8
        assert figure.keypoints.shape == (16, 2)
        assert figure.keypoints.dtype == np.float32
        x, y, region_width, region_height = figure.region
        assert region_width == region_height
        assert x >= 0
        assert y >= 0
        assert x + region_width <= width
        assert y + region_height <= height
        assert (figure.keypoints >= [x, y]).all()
        assert (figure.keypoints <= [x + region_width, y + region_height]).all()
        assert 0.05 < figure.head_length / region_height < 0.3


def test_a_seed_gives_the_same_bytes_and_another_seed_another_figure():
    one, again, other = render_figure(3), render_figure(3), render_figure(4)
    assert one.image.tobytes() == again.image.tobytes()
    assert one.keypoints.tobytes() == again.keypoints.tobytes()
    assert one.region == again.region
    assert np.abs(one.keypoints - other.keypoints).max() > 5
    assert np.abs(one.image.astype(int) - other.image).mean() > 5


def test_every_joint_is_covered_by_the_body():
    for seed in range(12):
        rng = np.random.Generator(np.random.PCG64(seed))
        proportions = sample_proportions(rng)
        skeleton = pose_skeleton(proportions, sample_angles(rng))
        layers = Layers(np.zeros((256, 256, 3), np.float32), np.full((256, 256), NOTHING, np.float32))
        for group in build_body(skeleton, proportions, sample_appearance(rng)):
            draw_group(layers, group, 150.0, np.array([128.0, 128.0]), LIGHT)
        for name in JOINTS:
            x, y, z = skeleton.points[name] * 150.0 + [128, 128, 0]
            # The top of the head is the surface itself: look a little below it.
            row = int(y) + (3 if name == "head_top" else 0)
            assert layers.depth[row, int(x)] > z / 150.0 - 0.03, (seed, name)


@pytest.mark.parametrize(("seed", "size"), [(0, 31), (0, 5000), (0, (256, 8)), (-1, 256)])
def test_what_cannot_be_drawn_is_refused(seed, size):
    with pytest.raises(UsageError):
        render_figure(seed, size)


def test_the_official_network_finds_the_joints(reference):
    pytest.importorskip("skimage")
    pytest.importorskip("ai_edge_litert.interpreter")
    from benchmarks.official_recipe import OfficialRecipe

    recipe = OfficialRecipe(reference / "weights" / "tflite" / "EfficientPoseRT.tflite", lite=False, threads=1)
    found = []
    for seed in range(16):
        figure = render_figure(seed)
        x, y, width, height = figure.region
        points = recipe(figure.image[y : y + height, x : x + width]) + np.array([x, y])
        found.append(np.linalg.norm(points - figure.keypoints, axis=1) <= 0.5 * figure.head_length)
    assert np.mean(found) >= 0.8


def test_the_bytes_do_not_depend_on_the_process_or_its_threads():
    code = (
        "import cv2, hashlib; cv2.setNumThreads(1); from edgepose.figures import render_figure; "
        "print(hashlib.sha256(b''.join(render_figure(s, (200, 160)).image.tobytes() for s in range(3))).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )
    here = b"".join(render_figure(seed, (200, 160)).image.tobytes() for seed in range(3))
    assert done.stdout.strip() == hashlib.sha256(here).hexdigest()
