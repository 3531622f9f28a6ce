import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgepose.figures.skeleton import (
    ANGLE_LIMITS,
    SIDES,
    about_x,
    about_y,
    about_z,
    pose_skeleton,
    sample_angles,
    sample_proportions,
)
from edgepose.runtime.joints import JOINTS

SEEDS = st.integers(0, 2**32)
TRUNK_ANGLES = (
    "spine_bend",
    "spine_lean",
    "spine_twist",
    "neck_nod",
    "neck_tilt",
    "neck_turn",
    "heading",
    "lean",
)


def rng(seed):
    return np.random.Generator(np.random.PCG64(seed))


def any_angles(generator):
    """Angles anywhere within the limits, not only those of upright habits."""
    names = [
        name if name in TRUNK_ANGLES else f"{side}_{name}"
        for name in ANGLE_LIMITS
        for side in (SIDES if name not in TRUNK_ANGLES else ("",))
    ]
    return {name: generator.uniform(*ANGLE_LIMITS[name.removeprefix("right_").removeprefix("left_")]) for name in names}


@given(SEEDS)
def test_bones_keep_their_lengths_in_every_pose(seed):
    proportions = sample_proportions(rng(seed))
    points = pose_skeleton(proportions, any_angles(rng(seed + 1))).points

    def distance(a, b):
        return np.linalg.norm(points[a] - points[b])

    assert distance("upper_neck", "head_top") == pytest.approx(proportions.head)
    for side in SIDES:
        assert distance(f"{side}_shoulder", f"{side}_elbow") == pytest.approx(proportions.upper_arm)
        assert distance(f"{side}_elbow", f"{side}_wrist") == pytest.approx(proportions.forearm)
        assert distance(f"{side}_hip", f"{side}_knee") == pytest.approx(proportions.thigh)
        assert distance(f"{side}_knee", f"{side}_ankle") == pytest.approx(proportions.shank)
        assert distance(f"{side}_hip", "pelvis") == pytest.approx(proportions.hip_width)


@given(SEEDS)
def test_sampled_angles_are_within_human_limits(seed):
    angles = sample_angles(rng(seed))
    assert len(angles) == len(TRUNK_ANGLES) + 2 * (len(ANGLE_LIMITS) - len(TRUNK_ANGLES))
    for name, angle in angles.items():
        low, high = ANGLE_LIMITS[name.removeprefix("right_").removeprefix("left_")]
        assert low <= angle <= high


def test_a_figure_facing_the_viewer_has_its_right_side_at_the_left_of_the_picture():
    still = dict.fromkeys(any_angles(rng(0)), 0.0)
    points = pose_skeleton(sample_proportions(rng(0)), still).points
    assert set(JOINTS) <= set(points)
    for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
        assert points[f"right_{joint}"][0] < points["pelvis"][0] < points[f"left_{joint}"][0]
        assert points[f"right_{joint}"][1] == pytest.approx(points[f"left_{joint}"][1])
    order = ["head_top", "upper_neck", "thorax", "pelvis", "right_knee", "right_ankle"]
    heights = [points[joint][1] for joint in order]
    assert heights == sorted(heights)
    assert points["right_toe"][2] > points["right_heel"][2]


def test_flexion_brings_limbs_forwards_and_abduction_brings_them_outwards():
    still = dict.fromkeys(any_angles(rng(0)), 0.0)
    proportions = sample_proportions(rng(0))

    def wrist(**angles):
        return pose_skeleton(proportions, {**still, **angles}).points["right_wrist"]

    assert wrist(right_shoulder_flexion=60)[2] > wrist()[2] + 0.1
    assert wrist(right_elbow_flexion=60)[2] > wrist()[2] + 0.05
    assert wrist(right_shoulder_abduction=60)[0] < wrist()[0] - 0.1


@pytest.mark.parametrize("about", [about_x, about_y, about_z])
@given(degrees=st.floats(-360, 360))
def test_rotations_are_rotations(about, degrees):
    rotation = about(degrees)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)
