import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_bundles import PATIENT

from edgepose.runtime.errors import UsageError
from edgepose.runtime.pose import Pose
from edgepose.runtime.stream.region_tracker import RegionTracker, Tracking, search_regions

WIDTH, HEIGHT = 640, 480
SHAPE = np.random.RandomState(3).rand(16, 2)
SHAPE = (SHAPE - SHAPE.min(axis=0)) / (SHAPE.max(axis=0) - SHAPE.min(axis=0)) - 0.5


def person(x=320.0, y=240.0, size=200.0, score=0.5, noise=0.0, seed=0):
    joints = SHAPE * size + (x, y) + noise * np.random.RandomState(seed).randn(16, 2)
    return Pose(joints, np.full(16, score))


def followed(tracker=None, **where):
    """A tracker that has found a person."""
    tracker = tracker or RegionTracker()
    for _ in range(tracker.tracking.confirm):
        tracker.region(WIDTH, HEIGHT)
        change = tracker.update(person(**where))
    assert change == "found"
    return tracker


def look(tracker, pose):
    tracker.region(WIDTH, HEIGHT)
    return tracker.update(pose)


def test_the_whole_frame_is_looked_at_first():
    assert RegionTracker().region(WIDTH, HEIGHT) is None


def test_a_person_is_found_after_two_poses_and_looked_at_with_a_margin():
    tracker = RegionTracker()
    assert look(tracker, person()) is None
    assert not tracker.found
    assert look(tracker, person()) == "found"
    x, y, width, height = tracker.region(WIDTH, HEIGHT)
    assert (width, height) == pytest.approx((300, 300), abs=0.01)
    assert (x + width / 2, y + height / 2) == pytest.approx((320, 240), abs=0.01)
    assert tracker.person_size == pytest.approx(200, abs=0.01)


def test_a_still_person_leaves_the_region_where_it_is_to_the_pixel():
    tracker = followed()
    regions = set()
    for seed in range(200):
        look(tracker, person(noise=2.0, seed=seed))
        regions.add(tracker.region(WIDTH, HEIGHT))
    assert len(regions) == 1


def test_a_person_who_walks_stays_inside_the_region():
    tracker = followed(x=100.0)
    for x in np.arange(100, 540, 6.0):  # nearly a person's size a second at 30 frames
        look(tracker, person(x=x))
        left, _, side, _ = tracker.region(WIDTH, HEIGHT)
        assert left < x - 100
        assert x + 100 < left + side


def test_a_person_who_comes_nearer_is_followed_in_size():
    tracker = followed(size=100.0)
    for size in np.linspace(100, 300, 60):
        look(tracker, person(size=size))
    assert tracker.person_size == pytest.approx(300, rel=0.12)


def test_a_few_bad_poses_change_nothing_and_more_lose_the_person():
    tracker = followed()
    region = tracker.region(WIDTH, HEIGHT)
    for _ in range(tracker.tracking.patience - 1):
        assert look(tracker, person(x=50, score=0.02)) is None
        assert tracker.region(WIDTH, HEIGHT) == region
    assert look(tracker, person()) is None
    for _ in range(tracker.tracking.patience - 1):
        assert look(tracker, person(score=0.02)) is None
    assert look(tracker, person(score=0.02)) == "lost"
    assert tracker.region(WIDTH, HEIGHT) is None
    assert tracker.person_size is None


def test_between_the_two_scores_a_found_person_stays_found_and_a_candidate_is_given_up():
    tracker = followed()
    for _ in range(50):
        assert look(tracker, person(score=0.15)) is None
    assert tracker.found

    tracker = RegionTracker()
    for _ in range(tracker.tracking.patience):
        assert look(tracker, person(score=0.15)) is None
    # The search goes on with another region, and not from its beginning.
    assert tracker.region(WIDTH, HEIGHT) == search_regions(WIDTH, HEIGHT)[1]


def test_while_nobody_is_there_every_region_has_its_turn():
    tracker = RegionTracker()
    expected = search_regions(WIDTH, HEIGHT)
    seen = []
    for _ in range(2 * len(expected)):
        seen.append(tracker.region(WIDTH, HEIGHT))
        assert tracker.update(person(score=0.01)) is None
    assert seen == expected * 2


def test_frames_of_another_size_begin_anew():
    tracker = followed()
    assert tracker.region(WIDTH * 2, HEIGHT * 2) is None
    assert tracker.region(WIDTH * 2, HEIGHT * 2) is None


@PATIENT
@given(st.integers(1, 4000), st.integers(1, 4000))
def test_the_regions_of_a_search_lie_in_the_frame_and_cover_it(width, height):
    regions = search_regions(width, height)
    assert regions[0] is None
    sides = sorted({region[2] for region in regions[1:]})
    for side in sides:
        placed = [region for region in regions[1:] if region[2] == side]
        for x, y, one, other in placed:
            assert one == other == side
            assert 0 <= x <= width - side
            assert 0 <= y <= height - side
        for axis, length in ((0, width), (1, height)):
            starts = sorted({region[axis] for region in placed})
            assert starts[0] == 0
            assert starts[-1] + side == length
            # Next to each other they overlap by a quarter of their side or more.
            assert max(np.diff(starts), default=0) <= side * 0.75 + 1


@PATIENT
@given(st.lists(st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4), st.floats(0, 1)), min_size=1, max_size=30))
def test_whatever_the_network_says_the_region_can_be_looked_at(poses):
    from edgepose.runtime.preprocess import _whole_region

    tracker = RegionTracker()
    for x, y, score in poses:
        _whole_region(tracker.region(WIDTH, HEIGHT), WIDTH, HEIGHT)
        joints = np.clip(SHAPE * 900 + (x, y), 0, (WIDTH, HEIGHT))  # as an estimator clips them
        tracker.update(Pose(joints, np.full(16, score)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"margin": 0.5},
        {"patience": 0},
        {"follow": float("nan")},
        {"found_score": 0.1, "lost_score": 0.2},
        {"dead_band": "wide"},
    ],
)
def test_parameters_that_cannot_be_are_refused(wrong):
    with pytest.raises(UsageError, match="tracking: "):
        Tracking(**wrong)
