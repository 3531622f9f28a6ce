import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_bundles import PATIENT

from edgepose.runtime.errors import UsageError
from edgepose.runtime.pose import Pose
from edgepose.runtime.stream.one_euro import OneEuroFilter, Smoothing

SIZE = 200.0
STEP = 1 / 30.0


def pose(places, scores=0.5):
    return Pose(np.broadcast_to(np.asarray(places, dtype=float), (16, 2)), np.broadcast_to(scores, (16,)))


def run(places, smoothing=None, size=SIZE):
    smooth = OneEuroFilter(smoothing)
    return np.array([smooth(pose(place), number * STEP, size).keypoints[0] for number, place in enumerate(places)])


def test_the_published_recursion_is_what_is_computed():
    """Casiez et al. 2012, written for one number and without numpy."""
    settings = Smoothing(min_cutoff=1.5, beta=4.0, speed_cutoff=0.8)
    values = np.random.RandomState(0).rand(30) * 100
    expected, filtered, speed = [], None, 0.0
    for value in values:
        if filtered is None:
            filtered = value
        else:

            def share(cutoff):
                return 1 / (1 + 1 / (2 * np.pi * cutoff) / STEP)

            speed += share(0.8) * ((value - filtered) / STEP - speed)
            filtered += share(1.5 + 4.0 * abs(speed) / SIZE) * (value - filtered)
        expected.append(filtered)
    assert run([(value, 7.0) for value in values], settings)[:, 0] == pytest.approx(expected, rel=1e-5)


def test_a_still_joint_is_steadier():
    noise = np.random.RandomState(1).randn(300, 2) + 100
    steps = [np.abs(np.diff(places, axis=0)).mean() for places in (noise, run(noise)[20:])]
    assert steps[1] < steps[0] / 3


def test_a_fast_joint_is_followed_within_a_frame_or_two():
    line = [(SIZE * 2 * number * STEP, 50.0) for number in range(60)]  # two sizes of the person a second
    behind = (np.array(line) - run(line))[30:, 0]
    assert 0 < behind.max() < 2 * SIZE * 2 * STEP


@PATIENT
@given(st.floats(0.01, 100))
def test_resolution_makes_no_difference(zoom):
    line = np.random.RandomState(2).rand(20, 2) * 100
    # float32 poses
    assert run(line * zoom, size=SIZE * zoom) / zoom == pytest.approx(run(line), rel=1e-3, abs=1e-3)


def test_a_joint_that_is_not_believed_stays_where_it_was_for_a_while():
    smooth = OneEuroFilter(Smoothing(min_score=0.2, max_gap=0.5))
    smooth(pose((10, 10)), 0.0, SIZE)
    held = smooth(pose((90, 90), 0.1), 0.3, SIZE)
    assert held.keypoints[0].tolist() == [10, 10]
    assert held.scores[0] == pytest.approx(0.1)
    assert smooth(pose((90, 90), 0.1), 0.6, SIZE).keypoints[0].tolist() == [90, 90]
    # Believed again after the gap: where it is, not on the way there.
    assert smooth(pose((70, 70)), 0.7, SIZE).keypoints[0].tolist() == [70, 70]


def test_joints_are_apart():
    smooth = OneEuroFilter(Smoothing(min_score=0.2))
    scores = np.full(16, 0.5)
    smooth(pose((10, 10)), 0.0, SIZE)
    scores[3] = 0.0
    found = smooth(pose((20, 20), scores), STEP, SIZE)
    assert found.keypoints[3].tolist() == [10, 10]
    assert 10 < found.keypoints[4][0] < 20


def test_after_a_reset_the_next_pose_is_taken_as_it_is():
    smooth = OneEuroFilter()
    smooth(pose((10, 10)), 0.0, SIZE)
    smooth.reset()
    assert smooth(pose((90, 40)), STEP, SIZE).keypoints[0].tolist() == [90, 40]


def test_the_same_moment_twice_changes_nothing():
    smooth = OneEuroFilter()
    smooth(pose((10, 10)), 1.0, SIZE)
    assert smooth(pose((90, 40)), 1.0, SIZE).keypoints[0].tolist() == [10, 10]


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_cutoff": 0},
        {"min_cutoff": float("nan")},
        {"beta": -1},
        {"max_gap": "long"},
        {"speed_cutoff": None},
        {"min_cutoff": float("inf")},
    ],
)
def test_parameters_that_cannot_be_are_refused(wrong):
    with pytest.raises(UsageError, match="smoothing: " + next(iter(wrong))):
        Smoothing(**wrong)
