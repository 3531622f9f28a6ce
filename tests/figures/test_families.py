import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgepose.figures import render_figure
from edgepose.figures.families import FAMILIES, INFANT, aged, choose_family, sample_figure
from edgepose.figures.skeleton import ANGLE_LIMITS, sample_proportions
from edgepose.runtime.errors import UsageError
from edgepose.runtime.joints import JOINTS


def rng(seed):
    return np.random.Generator(np.random.PCG64(seed))


@pytest.mark.parametrize("family", [*FAMILIES, "any"])
def test_a_figure_of_every_family_lies_inside_its_region(family):
    for seed in range(4):
        figure = render_figure(seed, (96, 128), family)
        assert figure.image.shape == (128, 96, 3)
        x, y, side, _ = figure.region
        assert (figure.keypoints >= [x, y]).all()
        assert (figure.keypoints <= [x + side, y + side]).all()
    again = render_figure(3, (96, 128), family)
    assert again.image.tobytes() == figure.image.tobytes()


def test_any_is_what_the_seed_chooses():
    chosen = [choose_family(rng(seed)) for seed in range(300)]
    assert set(chosen) == set(FAMILIES)
    assert chosen.count("upright") > chosen.count("crouching")


def test_an_unknown_family_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'sitting'"):
        render_figure(0, 64, "siting")


def habits():
    for family in FAMILIES.values():
        yield from (family.trunk, *family.arms, *family.legs)


def test_habits_name_known_angles_and_mean_what_a_human_can():
    for pose in habits():
        for name, (mean, _) in pose.angles.items():
            low, high = ANGLE_LIMITS[name]
            assert low <= mean <= high, name


@given(seed=st.integers(0, 2**32))
def test_bones_keep_their_lengths_before_every_camera(seed):
    family = FAMILIES[choose_family(rng(seed))]
    proportions, skeleton = sample_figure(rng(seed), family)
    points = skeleton.points
    assert set(JOINTS) <= set(points)
    for side in ("left", "right"):
        for one, other, length in (
            ("shoulder", "elbow", proportions.upper_arm),
            ("hip", "knee", proportions.thigh),
            ("knee", "ankle", proportions.shank),
        ):
            assert np.linalg.norm(points[f"{side}_{one}"] - points[f"{side}_{other}"]) == pytest.approx(length)


def test_children_are_between_adults_and_infants():
    adult = sample_proportions(rng(1))
    assert aged(adult, 0.0) == adult
    child, infant = aged(adult, 0.5), aged(adult, 1.0)
    assert adult.head < child.head < infant.head
    assert adult.thigh > child.thigh > infant.thigh
    # The average adult becomes the average infant; deviations stay.
    assert infant.head / INFANT.head == pytest.approx(adult.head / 0.137)


def test_infants_lie_and_sitting_legs_are_bent():
    for seed in range(20):
        _, sitting = sample_figure(rng(seed), FAMILIES["sitting"])
        thigh = sitting.points["left_knee"] - sitting.points["left_hip"]
        # Of a thigh, little is left that points down.
        assert thigh[1] < 0.75 * np.linalg.norm(thigh)
        infant, _ = sample_figure(rng(seed), FAMILIES["infant"])
        assert infant.head / (infant.thigh + infant.shank) > 0.45
    assert {name for name, family in FAMILIES.items() if family.lying} == {"lying", "infant"}
