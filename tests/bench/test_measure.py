import gc

import pytest

from edgepose.bench.measure import DEFAULT_SETTINGS, SUSTAINED, measure, sustained
from edgepose.bench.statistics import percentile
from edgepose.runtime.errors import UsageError

BRIEF = DEFAULT_SETTINGS._replace(min_duration_s=0.0, min_calls=5, max_calls=100, steady_window_calls=1)


class Clock:
    """Every look at it takes as long as ``take`` says, in seconds."""

    def __init__(self, take=1.0):
        self.seconds, self.take = 0.0, take

    def __call__(self):
        self.seconds += self.take
        return self.seconds


def test_the_first_call_comes_apart_and_the_warm_up_is_thrown_away():
    numbers = []
    measured = measure(numbers.append, BRIEF._replace(steady_tolerance_us=1e9))
    assert numbers == [0, 0, 1, 0, 1, 2, 3, 4]
    assert list(measured.samples) == ["total"]
    assert len(measured.samples["total"]) == len(measured.starts) == 5
    assert len(measured.warm_up) == 2
    assert measured.steady is True
    assert list(measured.first) == ["total"]


def test_warm_up_goes_on_until_calls_are_steady():
    """Calls get faster and faster until the eleventh; windows of two calls must agree within a tenth."""
    clock = Clock(0.0)

    def call(number):
        clock.seconds += max(1.0, 2.0 ** (10 - number))

    settings = BRIEF._replace(steady_window_calls=2, steady_tolerance_percent=10.0, max_warm_up_s=1e5)
    measured = measure(call, settings, clock)
    assert measured.steady is True
    assert measured.warm_up[-4:] == [2.0, 1.0, 1.0, 1.0]
    assert len(measured.warm_up) == 13


def test_what_never_gets_steady_is_measured_and_called_so():
    clock = Clock(0.0)

    def call(number):
        clock.seconds += 1.0 + 10.0 * (number % 2)

    measured = measure(call, BRIEF._replace(max_warm_up_s=100.0), clock)
    assert measured.steady is False
    assert 100.0 <= sum(measured.warm_up) < 112.0
    assert len(measured.samples["total"]) == 5


def test_a_sustained_load_is_measured_from_the_first_call_on():
    settings = sustained(2.0, BRIEF)
    assert settings.scenario == SUSTAINED
    measured = measure(lambda _: None, settings, Clock(0.5))
    assert measured.warm_up == []
    assert measured.steady is None
    assert measured.duration >= 120.0
    with pytest.raises(UsageError, match="-1 minutes"):
        sustained(-1.0)


def test_goes_on_until_enough_time_has_passed():
    measured = measure(lambda _: None, BRIEF._replace(min_duration_s=20, max_warm_up_s=0), clock=Clock())
    assert list(measured.samples["total"]) == [1.0] * 10
    assert list(measured.starts) == [1.0 + 2 * number for number in range(10)]
    assert measured.duration == 20.0


def test_goes_on_until_there_are_enough_calls():
    assert len(measure(lambda _: None, BRIEF._replace(min_calls=33)).starts) == 33


def test_stops_at_the_largest_number_of_calls():
    assert len(measure(lambda _: None, BRIEF._replace(min_duration_s=1e5, max_warm_up_s=0)).starts) == 100


def test_parts_are_kept_beside_the_total():
    samples = measure(lambda number: {"engine": number, "decode": 2 * number}, BRIEF).samples
    assert list(samples["engine"]) == [0, 1, 2, 3, 4]
    assert list(samples["decode"]) == [0, 2, 4, 6, 8]


def test_nothing_is_clipped():
    clock = Clock(0.0)

    def call(number):
        clock.seconds += 1000.0 if number == 3 else 1.0

    assert max(measure(call, BRIEF._replace(max_warm_up_s=0), clock).samples["total"]) == 1000.0


def test_doing_nothing_measures_the_harness():
    """At most 20 us a call, of what is told to be the call's, and of what passes between two of them."""
    measured = measure(lambda _: None, BRIEF._replace(min_calls=2000, max_calls=2000))
    assert 0 <= percentile(measured.samples["total"], 50) < 20e-6
    gaps = [after - before for before, after in zip(measured.starts, measured.starts[1:])]
    assert percentile(gaps, 50) < 20e-6


def test_progress_is_told_between_calls_and_not_too_often():
    told = []
    measure(
        lambda _: None,
        BRIEF._replace(min_duration_s=20, max_warm_up_s=0),
        Clock(0.06),
        lambda phase, seconds, calls: told.append((phase, round(seconds, 2), calls)),
    )
    assert {phase for phase, _, _ in told} == {"measuring"}
    assert len(told) == pytest.approx(100 / 2, abs=2)
    assert told == sorted(told)


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_waits_while_the_clock_runs_and_is_left_as_it_was(enabled):
    before = gc.isenabled()
    seen = []
    try:
        (gc.enable if enabled else gc.disable)()
        measure(lambda _: seen.append(gc.isenabled()), BRIEF)
        assert not any(seen)
        assert gc.isenabled() == enabled
        with pytest.raises(ZeroDivisionError):
            measure(lambda _: 1 // 0, BRIEF)
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if before else gc.disable)()


@pytest.mark.parametrize(
    "settings",
    [
        BRIEF._replace(min_calls=0),
        BRIEF._replace(max_calls=4),
        BRIEF._replace(min_duration_s=-1),
        BRIEF._replace(min_duration_s=float("nan")),
        BRIEF._replace(max_warm_up_s=-1),
        BRIEF._replace(steady_window_calls=0),
        BRIEF._replace(scenario="quick"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings):
    with pytest.raises(UsageError):
        measure(lambda _: None, settings)
