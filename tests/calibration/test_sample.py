import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgepose.calibration.crops import cut_square
from edgepose.calibration.sample import Candidate, choose, pose_traits
from edgepose.runtime.joints import JOINTS

CANDIDATES = st.lists(
    st.tuples(st.integers(0, 9), st.floats(32, 900), st.booleans(), st.floats(0, 180), st.floats(0.1, 5)),
    min_size=1,
    max_size=80,
).map(
    lambda rows: [
        Candidate(f"{index}", f"picture {picture}", side, posed, (first, second))
        for index, (picture, side, posed, first, second) in enumerate(rows)
    ]
)


@given(candidates=CANDIDATES, count=st.integers(1, 100), seed=st.integers(0, 3))
def test_a_choice_is_of_the_asked_size_covers_all_classes_and_repeats(candidates, count, seed):
    choice = choose(candidates, count, seed)
    assert len(set(choice.indices)) == len(choice.indices) == min(count, len(candidates))
    assert choose(candidates, count, seed) == choice
    for axis in ({"size"}, {"posture", "light"}, {"shape", "contrast"}):
        there, taken = np.sum([counts for (trait, _), counts in choice.coverage.items() if trait in axis], axis=0)
        assert (there, taken) == (len(candidates), len(choice.indices))
    if count >= 4 * 3 * 3 * 2:
        assert all(taken for _, taken in choice.coverage.values())


def test_the_order_of_the_source_does_not_matter_and_the_seed_does():
    candidates = [Candidate(str(i), str(i), 40 + i, False, (i % 7, i % 5)) for i in range(300)]
    chosen = {candidates[index].id for index in choose(candidates, 50, 0).indices}
    turned = candidates[::-1]
    assert {turned[index].id for index in choose(turned, 50, 0).indices} == chosen
    assert {candidates[index].id for index in choose(candidates, 50, 1).indices} != chosen


def test_the_common_prevails_and_the_rare_is_there():
    standing = [Candidate(f"s{i}", f"s{i}", 100 + i % 50, True, (5.0, 0.4)) for i in range(990)]
    upside_down = [Candidate(f"u{i}", f"u{i}", 100 + i % 50, True, (170.0, 0.4)) for i in range(10)]
    coverage = choose(standing + upside_down, 128, 0).coverage
    assert coverage["posture", "upright"][0] == 990
    assert 1 <= coverage["posture", "lying or upside down"][1] <= 8
    sizes = [taken for (trait, _), (_, taken) in coverage.items() if trait == "size"]
    assert max(sizes) - min(sizes) <= 6


def test_a_second_person_of_a_picture_waits_for_the_other_pictures():
    candidates = [Candidate(f"{i}", f"picture {i % 20}", 100.0, True, (0.0, 1.0)) for i in range(100)]
    chosen = {candidates[index].picture for index in choose(candidates, 20, 3).indices}
    assert len(chosen) == 20


@pytest.mark.parametrize(("turned", "degrees"), [(0, 0), (1, 90), (2, 180), (3, 90)])
def test_the_axis_of_a_body(turned, degrees):
    keypoints = np.full((16, 2), np.nan, np.float32)
    for name, point in {"head_top": (0, -30), "upper_neck": (0, -20), "pelvis": (0, 20), "left_ankle": (0, 60)}.items():
        x, y = point
        keypoints[JOINTS.index(name)] = [(x, y), (y, -x), (-x, -y), (-y, x)][turned]
    axis, shape = pose_traits(keypoints)
    assert axis == pytest.approx(degrees)
    assert shape == pytest.approx(1 / 91 if turned % 2 == 0 else 91)


def test_a_person_of_one_joint_has_traits():
    keypoints = np.full((16, 2), np.nan, np.float32)
    keypoints[3] = 5, 5
    assert pose_traits(keypoints) == (0.0, 1.0)


def test_a_crop_is_the_enlarged_square_with_black_outside():
    image = np.full((40, 60, 3), 200, np.uint8)
    image[10:20, 10:20] = 7
    square, scale, *_ = cut_square(image, (10, 10, 10, 10), 1.0)
    assert scale == 1
    assert square.shape == (10, 10, 3)
    assert (square == 7).all()
    square = cut_square(image, (0, 0, 20, 20), 1.5).image
    assert square.shape == (30, 30, 3)
    assert (square[:5] == 0).all()
    assert (square[:, :5] == 0).all()
    assert (square[5:15, 5:15] == 200).all()
    assert (square[15:25, 15:25] == 7).all()


def test_a_whole_picture_is_centred_and_not_enlarged():
    square, scale, *_ = cut_square(np.full((40, 60, 3), 200, np.uint8), None, 1.25)
    assert square.shape == (60, 60, 3)
    assert scale == 1
    assert (square[10:50] == 200).all()
    assert not square[:10].any()
    assert not square[50:].any()


@given(x=st.integers(-3000, 3000), y=st.integers(-3000, 3000), side=st.integers(1, 10**9), factor=st.floats(0.5, 4.0))
def test_any_region_gives_a_bounded_square_or_none(x, y, side, factor):
    image = np.full((70, 900, 3), 255, np.uint8)
    cut = cut_square(image, (x, y, side, side), factor)
    if cut is not None:
        square, scale, *_ = cut
        assert square.shape[0] == square.shape[1] <= 640
        assert 0 < scale <= 1
    if 1 <= x + side / 2 < 899 and 1 <= y + side / 2 < 69:
        assert cut is not None
    if x > 900 + 4 * side or y + 4 * side < 0:
        assert cut is None


def test_a_large_square_is_scaled_down():
    square, scale, *_ = cut_square(np.full((1300, 1280, 3), 99, np.uint8), (0, 0, 1280, 1280), 1.0)
    assert square.shape == (640, 640, 3)
    assert scale == 0.5
    assert (square == 99).all()


@pytest.mark.parametrize("region", [None, (700, 100, 500, 500), (-301, 400, 1203, 1203), (900, 901, 777, 777)])
def test_points_move_with_what_is_seen_there(region):
    image = np.zeros((1400, 1801, 3), np.uint8)
    points = np.array([[750.5, 420.25], [1100.0, 950.0], [20.0, 1380.0], [1780.0, 30.0], [np.nan, np.nan]], np.float32)
    across, down = np.meshgrid(np.arange(1801) + 0.5, np.arange(1400) + 0.5)
    for x, y in points[:4]:
        blot = 255 * np.exp(-((across - x) ** 2 + (down - y) ** 2) / (2 * 5**2))
        image = np.maximum(image, blot.astype(np.uint8)[..., None])
    cut = cut_square(image, region, 1.0)
    moved = cut.to_crop(points)
    assert moved.dtype == np.float32
    assert np.isnan(moved[4]).all()
    margin = 20
    inside = [point for point in moved[:4] if (point >= margin).all() and (point < len(cut.image) - margin).all()]
    assert inside
    for x, y in inside:
        left, top = int(x) - margin, int(y) - margin
        window = cut.image[top : top + 2 * margin, left : left + 2 * margin, 0].astype(float)
        ys, xs = np.mgrid[top : top + 2 * margin, left : left + 2 * margin] + 0.5
        assert (window * xs).sum() / window.sum() == pytest.approx(x, abs=0.1)
        assert (window * ys).sum() / window.sum() == pytest.approx(y, abs=0.1)
