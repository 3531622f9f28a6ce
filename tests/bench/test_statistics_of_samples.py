import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgepose.bench.statistics import jitter, percentile, percentile_interval, summarise

SAMPLES = st.lists(st.floats(0, 1e6), min_size=1, max_size=60)


@settings(deadline=None, derandomize=True)
@given(samples=SAMPLES, percent=st.floats(0, 100))
def test_a_percentile_is_the_smallest_sample_that_enough_do_not_exceed(samples, percent):
    value = percentile(samples, percent)
    assert value in samples
    share = 100.0 * sum(sample <= value for sample in samples) / len(samples)
    assert share >= percent - 1e-9
    below = [sample for sample in samples if sample < value]
    assert not below or 100.0 * len(below) / len(samples) < percent + 1e-9


def test_known_percentiles():
    samples = list(range(100, 0, -1))
    assert [percentile(samples, percent) for percent in (0, 1, 50, 90, 99, 100)] == [1, 1, 50, 90, 99, 100]
    assert percentile([7.0], 50) == 7.0
    with pytest.raises(ValueError, match="no samples"):
        percentile([], 50)


@pytest.mark.parametrize(("count", "percent"), [(40, 50), (100, 90), (5000, 99)])
def test_intervals_hold_the_true_percentile_as_often_as_they_say(count, percent):
    """Of uniform samples the true percentile is known; 95 % of 400 is 380, and chance moves it by about ten."""
    rng = random.Random(count)
    held = 0
    for _ in range(400):
        low, high = percentile_interval(sorted(rng.random() for _ in range(count)), percent)
        held += (low is None or low <= percent / 100.0) and (high is None or percent / 100.0 <= high)
    assert 366 <= held <= 399


def test_too_few_samples_bound_no_high_percentile():
    ordered = [float(number) for number in range(50)]
    low, high = percentile_interval(ordered, 99)
    assert low is not None
    assert high is None
    assert percentile_interval([1.0], 50) == (None, None)


def test_intervals_by_hand():
    # David & Nagaraja, table of the median: of 10 samples, the second and the ninth.
    assert percentile_interval(list(range(1, 11)), 50) == (2, 9)


@settings(deadline=None, derandomize=True)
@given(samples=SAMPLES)
def test_a_summary_is_in_order(samples):
    summary = summarise(samples)
    values = [summary[name] for name in ("min", "p50", "p90", "p95", "p99", "max")]
    assert values == sorted(values)
    assert summary["samples"] == len(samples)
    assert summary["mean"] == pytest.approx(sum(samples) / len(samples))
    for percent in (50, 90, 95, 99):
        low, high = summary["p{}_interval95".format(percent)]
        value = summary["p{}".format(percent)]
        assert low is None or low <= value
        assert high is None or value <= high


def test_summary_of_known_samples():
    summary = summarise([3.0, 1.0, 2.0, 10.0])
    assert {name: summary[name] for name in ("samples", "min", "mean", "p50", "p90", "max")} == {
        "samples": 4, "min": 1.0, "mean": 4.0, "p50": 2.0, "p90": 10.0, "max": 10.0
    }  # fmt: skip
    assert summary["stdev"] == pytest.approx(math.sqrt(50 / 3.0))
    assert summary["jitter"] == jitter([3.0, 1.0, 2.0, 10.0]) == pytest.approx((2 + 1 + 8) / 3.0)
    assert summarise([5.0])["stdev"] == summarise([5.0])["jitter"] == 0.0
