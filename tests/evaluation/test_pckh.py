import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgepose.evaluation.pckh import normalised_distances, pckh, pckh_difference
from edgepose.runtime.errors import DatasetError

COORDINATES = st.floats(-500, 500, width=32)
POINTS = hnp.arrays(np.float64, (3, 16, 2), elements=COORDINATES)
HEADS = hnp.arrays(np.float64, 3, elements=st.floats(5, 100))
EVERY = np.ones((3, 16), bool)


def test_hand_computed():
    # Two persons with heads of 10 and 20 px; joints 0..2 are off by 4, 5 and 6 px, the others exact.
    truth = np.zeros((2, 16, 2))
    found = truth.copy()
    found[:, 0, 0], found[:, 1, 1], found[:, 2] = 4, 5, (3.6, 4.8)
    distances = normalised_distances(found, truth, np.array([10, 20]))
    np.testing.assert_allclose(distances[:, :4], [[0.4, 0.5, 0.6, 0], [0.2, 0.25, 0.3, 0]])
    evaluate = np.zeros((2, 16), bool)
    evaluate[:, :3] = True
    at50 = pckh(distances, evaluate, 0.5)
    # Exactly half a head still counts: five of six joints.
    assert at50.total == pytest.approx(100 * 5 / 6)
    assert (at50.per_joint["head_top"], at50.per_joint["upper_neck"], at50.per_joint["right_shoulder"]) == (
        100,
        100,
        50,
    )
    assert at50.per_joint["left_ankle"] is None
    assert (at50.joints, at50.persons) == (6, 2)
    assert pckh(distances, evaluate, 0.1).total == 0
    assert pckh(distances, evaluate, 0.25).total == pytest.approx(100 * 2 / 6)


def test_the_total_is_over_joints_not_over_persons():
    distances = np.zeros((2, 16))
    distances[1] = 9
    evaluate = np.zeros((2, 16), bool)
    evaluate[0, :3] = True
    evaluate[1, :1] = True
    assert pckh(distances, evaluate).total == 75


def test_a_joint_that_was_not_found_is_a_miss_and_one_without_truth_is_not_counted():
    truth, found = np.zeros((1, 16, 2)), np.zeros((1, 16, 2))
    truth[0, 5] = np.nan
    found[0, 6] = np.nan
    distances = normalised_distances(found, truth, np.array([10]))
    assert np.isnan(distances[0, 5])
    assert np.isinf(distances[0, 6])
    assert pckh(distances, ~np.isnan(truth[..., 0])).total == pytest.approx(100 * 14 / 15)
    with pytest.raises(DatasetError, match="no true position"):
        pckh(distances, np.ones((1, 16), bool))
    with pytest.raises(DatasetError, match="no joint"):
        pckh(distances, np.zeros((1, 16), bool))


@given(POINTS, POINTS, POINTS, HEADS)
@settings(max_examples=50, deadline=None)
def test_the_difference_is_that_of_the_two_and_turns_its_sign(points, others, truth, heads):
    one, other = (normalised_distances(found, truth, heads) for found in (points, others))
    difference, back = pckh_difference(one, other, EVERY, 0.5), pckh_difference(other, one, EVERY, 0.5)
    assert difference.total == pytest.approx(pckh(one, EVERY).total - pckh(other, EVERY).total)
    assert difference.total == -back.total
    assert difference.interval == pytest.approx((-back.interval.high, -back.interval.low))


@given(POINTS, POINTS, HEADS)
@settings(max_examples=50, deadline=None)
def test_only_differences_count(points, truth, heads):
    distances = normalised_distances(points, truth, heads)
    shift = np.array([70, -30])
    moved = normalised_distances(points + shift, truth + shift, heads)
    scaled = normalised_distances(points * 4, truth * 4, heads * 4)
    np.testing.assert_allclose(moved, distances, atol=1e-9)
    np.testing.assert_allclose(scaled, distances, rtol=1e-12)


@given(POINTS, POINTS, HEADS, st.floats(0, 3), st.floats(0, 3))
@settings(max_examples=50, deadline=None)
def test_a_wider_threshold_never_finds_fewer(points, truth, heads, one, other):
    distances = normalised_distances(points, truth, heads)
    narrow, wide = (pckh(distances, EVERY, threshold) for threshold in sorted((one, other)))
    assert narrow.total <= wide.total
    assert all(narrow.per_joint[joint] <= wide.per_joint[joint] for joint in wide.per_joint)
    assert narrow.interval.low <= narrow.interval.high


@given(POINTS, HEADS)
@settings(max_examples=20, deadline=None)
def test_the_truth_itself_scores_everything(points, heads):
    score = pckh(normalised_distances(points, points, heads), EVERY, 0.0)
    assert score.total == 100
    assert score.interval == (100, 100)
