"""The calibrators: ranges that hold zero, cost what they say, and are what can be computed by hand."""

import numpy as np
import pytest
from calibrated_graphs import histograms_of
from hypothesis import given, settings
from hypothesis import strategies as st

from edgepose.conversion.calibrators import CALIBRATORS
from edgepose.conversion.quantisation.insert_qdq import scale_and_zero_point
from edgepose.conversion.quantisation.ranges import STEPS, SWISH_MINIMUM, Range, choose_range
from edgepose.conversion.quantisation.statistics import Histograms


@st.composite
def histograms(draw) -> Histograms:
    """A bell, somewhere, with a few outliers; some numbers matter, some do not at all."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    centre, width = draw(st.floats(-20, 20)), draw(st.floats(1e-3, 30))
    numbers = random.normal(centre, width, draw(st.integers(1, 400)))
    numbers[: draw(st.integers(0, 3))] *= draw(st.floats(0, 100))
    weights = random.random(len(numbers)) * (random.random(len(numbers)) < draw(st.floats(0, 1)))
    return histograms_of(numbers, weights)


def error_by_hand(seen: Histograms, range_: Range, symmetric: bool, before_swish: bool) -> float:
    """Clipping exactly, and rounding as noise of a uniform step, which swish lets through by its slope."""
    step = (range_.high - range_.low) / (STEPS - symmetric)
    total = 0.0
    for number, weight in zip(seen.centres, seen.weighted, strict=True):
        if not weight:
            continue
        clipped = min(max(number, range_.low), range_.high)
        slope = 1.0
        if before_swish:
            slope = (swish(number + 1e-5) - swish(number - 1e-5)) / 2e-5
            number, clipped = swish(number), swish(clipped)
        total += weight * ((number - clipped) ** 2 + slope**2 * step**2 / 12)
    return total


def swish(number: float) -> float:
    return float(number / (1 + np.exp(-number))) if number > -500 else 0.0


@pytest.mark.parametrize("calibrator", CALIBRATORS)
@settings(max_examples=20)
@given(seen=histograms(), symmetric=st.booleans(), place=st.sampled_from(["", "before_swish", "after_swish"]))
def test_a_range_holds_zero_and_costs_what_it_says(calibrator, seen, symmetric, place):
    before = place == "before_swish"
    chosen = choose_range(seen, calibrator, symmetric, before, place == "after_swish")
    low, high = chosen.range
    assert low <= 0 <= high
    if symmetric:
        assert low == -high
    assert chosen.error == pytest.approx(error_by_hand(seen, chosen.range, symmetric, before), rel=1e-4, abs=1e-12)


@settings(max_examples=20)
@given(seen=histograms(), symmetric=st.booleans(), before_swish=st.booleans())
def test_no_other_calibrator_moves_joints_less(seen, symmetric, before_swish):
    errors = {name: choose_range(seen, name, symmetric, before_swish).error for name in CALIBRATORS}
    assert errors["sensitivity"] <= min(errors.values()) * (1 + 1e-9)


@given(seen=histograms())
def test_the_minimum_of_swish_is_an_integer(seen):
    range_ = choose_range(seen, "sensitivity", False, after_swish=True).range
    scale, zero_point = scale_and_zero_point(range_, symmetric=False)
    coarsest = -SWISH_MINIMUM * (STEPS - 1)
    if range_.high > coarsest * (1 + 1e-9):
        return  # nothing that int8 can hold has the minimum on an integer and reaches as far
    below = -SWISH_MINIMUM / scale
    assert below == pytest.approx(round(below), abs=1e-4)
    assert round(below) >= 1
    assert zero_point == -128 + round(below)


def test_swish_outputs_beyond_what_one_step_spans_are_not_clipped():
    numbers = np.linspace(SWISH_MINIMUM, 400, 5000)
    assert choose_range(histograms_of(numbers), "sensitivity", False, after_swish=True).range.high > 380


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("calibrator", CALIBRATORS)
def test_a_value_that_is_always_zero_or_that_nothing_depends_on(calibrator, symmetric):
    silent = histograms_of(np.zeros(10))
    assert choose_range(silent, calibrator, symmetric).range == (0, 0)
    indifferent = histograms_of(np.linspace(-1, 3, 5000), np.zeros(5000))
    low, high = choose_range(indifferent, calibrator, symmetric).range
    assert high > 2.8
    assert low <= -0.9


def test_histograms_by_hand():
    """Numbers at 1 that matter, and a single outlier at 100 that does not."""
    numbers = np.append(np.ones(99_999), 100.0)
    seen = histograms_of(np.append(numbers, 0.0), np.append(np.ones(99_999), [0.0, 0.0]))
    half_bin = 100 / 2048 / 2
    assert choose_range(seen, "minmax", False).range == (0, 100)
    assert choose_range(seen, "minmax", True).range == (-100, 100)
    assert choose_range(seen, "percentile", False).range.high == pytest.approx(1, abs=half_bin)
    assert choose_range(seen, "sensitivity", False).range.high == pytest.approx(1, abs=2 * half_bin)
    # One outlier of 100 costs more by its square than all the steps that a range to 30 and more makes coarse.
    assert choose_range(seen, "mse", False).range.high > 30


def test_entropy_clips_a_thin_tail_and_keeps_a_thick_one():
    bell = np.random.default_rng(0).normal(0, 1, 100_000)
    thin = histograms_of(np.append(bell, [60.0, -60.0]))
    assert choose_range(thin, "entropy", True).range.high < 20
    thick = histograms_of(np.linspace(-60, 60, 100_000))
    assert choose_range(thick, "entropy", True).range.high > 55


def test_a_swish_is_not_asked_for_what_it_swallows():
    numbers = np.append(np.linspace(-50, 5, 20_000), 5.0)
    whole = choose_range(histograms_of(numbers), "sensitivity", False, before_swish=False).range
    seen = choose_range(histograms_of(numbers), "sensitivity", False, before_swish=True).range
    assert whole.low < -45
    assert -14 <= seen.low <= -3
    assert seen.high == pytest.approx(5, rel=0.1)


@given(st.floats(-1e4, 0), st.floats(0, 1e4), st.booleans())
def test_zero_is_exact_and_the_ends_are_in_reach(low, high, symmetric):
    if symmetric:
        high = max(-low, high)
        low = -high
    scale, zero_point = scale_and_zero_point(Range(low, high), symmetric)
    assert scale.dtype == np.float32
    assert zero_point.dtype == np.int8
    assert scale > 0
    integer = np.clip(np.round(np.float32(0) / scale) + zero_point, -128, 127)
    assert (integer - zero_point) * scale == 0
    if symmetric:
        assert zero_point == 0
    for end in (low, high):
        integer = np.clip(np.round(end / float(scale)) + zero_point, -128, 127)
        assert abs((integer - zero_point) * float(scale) - end) <= 0.51 * scale
