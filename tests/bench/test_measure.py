import gc
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgepose
from edgepose.bench.conditions import conditions
from edgepose.bench.measure import Settings, measure
from edgepose.bench.statistics import percentile, summarise
from edgepose.runtime.errors import UsageError

BRIEF = Settings(warm_up_calls=2, min_duration_s=0.0, min_calls=5, max_calls=100)


class Clock:
    """Every look at it takes a second."""

    seconds = 0.0

    def __call__(self):
        self.seconds += 1
        return self.seconds


def test_calls_are_numbered_and_warm_up_is_thrown_away():
    numbers = []
    samples = measure(numbers.append, BRIEF)
    assert numbers == [0, 1, 0, 1, 2, 3, 4]
    assert list(samples) == ["total"]
    assert len(samples["total"]) == 5


def test_goes_on_until_enough_time_has_passed():
    samples = measure(lambda _: None, BRIEF._replace(min_duration_s=20), clock=Clock())
    assert samples["total"] == [1.0] * 10


def test_stops_at_the_largest_number_of_calls():
    assert len(measure(lambda _: None, BRIEF._replace(min_duration_s=1e9))["total"]) == 100


def test_parts_are_kept_beside_the_total():
    samples = measure(lambda number: {"engine": number, "decode": 2 * number}, BRIEF)
    assert samples["engine"] == [0, 1, 2, 3, 4]
    assert samples["decode"] == [0, 2, 4, 6, 8]


def test_doing_nothing_measures_the_harness():
    """The harness adds less than a hundredth of what it is used for: a network of ten milliseconds."""
    samples = measure(lambda _: None, BRIEF._replace(min_calls=100))
    assert 0 <= percentile(samples["total"], 50) < 1e-4


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_waits_while_the_clock_runs_and_is_left_as_it_was(enabled):
    before = gc.isenabled()
    seen = []
    try:
        (gc.enable if enabled else gc.disable)()
        measure(lambda _: seen.append(gc.isenabled()), BRIEF._replace(warm_up_calls=0))
        assert not any(seen)
        assert gc.isenabled() == enabled
        with pytest.raises(ZeroDivisionError):
            measure(lambda _: 1 // 0, BRIEF._replace(warm_up_calls=0))
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if before else gc.disable)()


@pytest.mark.parametrize(
    "settings", [BRIEF._replace(min_calls=0), BRIEF._replace(max_calls=4), BRIEF._replace(min_duration_s=-1)]
)
def test_settings_that_cannot_be_are_refused(settings):
    with pytest.raises(UsageError):
        measure(lambda _: None, settings)


@settings(deadline=None, derandomize=True)
@given(samples=st.lists(st.floats(0, 1e6), min_size=1), percent=st.floats(0, 100))
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


def test_summary():
    assert summarise([3.0, 1.0, 2.0, 10.0]) == {
        "samples": 4, "p50": 2.0, "p90": 10.0, "p99": 10.0, "max": 10.0, "mean": 4.0
    }  # fmt: skip


def test_conditions_are_plain_values():
    machine = conditions()
    assert machine["processors"] >= 1
    assert machine["machine"]
    assert machine["python"].startswith("3.")
    assert all(value is None or isinstance(value, (str, int, float)) for value in machine.values())


def test_peak_memory_counts_what_has_been_freed():
    """In a process of its own: the peak of this one has been set by other tests."""
    code = (
        "from edgepose.bench.conditions import peak_memory_mb\n"
        "before = peak_memory_mb()\n"
        "block = bytearray(b'x') * 80000000\n"
        "del block\n"
        "print(before, peak_memory_mb())"
    )
    root = os.path.dirname(os.path.dirname(os.path.abspath(edgepose.__file__)))
    environment = dict(os.environ, PYTHONPATH=root)
    out = subprocess.check_output([sys.executable, "-c", code], env=environment, universal_newlines=True)
    before, after = out.split()
    if before == "None":
        pytest.skip("this system does not say")
    assert float(before) + 60 < float(after) < float(before) + 110
