import threading

import pytest

from edgepose.bench import findings
from edgepose.bench.sampler import Sampler
from edgepose.bench.sensors.reading import Sensor


def sensor(kind, name="one", read=None):
    return Sensor(kind, name, "", read)


def test_sensors_are_read_at_the_beginning_at_the_end_and_between():
    enough, count = threading.Event(), []

    def read():
        count.append(len(count))
        if len(count) == 5:
            enough.set()
        return count[-1]

    with Sampler([sensor("clock", read=read)], interval_s=0.001) as sampler:
        assert enough.wait(10)
    assert sampler.values == [count]
    assert len(sampler.times) == len(sampler.took) == len(count) >= 6
    assert sampler.times == sorted(sampler.times)


def test_reading_costs_at_most_a_fiftieth_of_the_time():
    """A reading of 30 s means that the next one comes after 25 minutes, whatever the interval."""
    ticks = iter([0.0, 30.0, 40.0, 70.0])
    with Sampler([sensor("clock", read=lambda: 1.0)], interval_s=1e-9, clock=lambda: next(ticks)) as sampler:
        pass
    assert sampler.took == [30.0, 30.0]


def test_a_run_that_throttled_says_so():
    bits = sensor("throttle_bits")
    told = findings.throttling([bits], [[0x50000, 0x50006, 0x50000, None]], {})
    assert told == {
        "throttled": True,
        "now": ["clock capped", "throttled"],
        "since_boot": ["throttled", "under-voltage"],
        "share_of_samples": 0.25,
        "reason": None,
    }


def test_what_a_pi_remembers_from_before_does_not_make_this_run_throttled():
    told = findings.throttling([sensor("throttle_bits")], [[0x50000] * 3], {})
    assert told["throttled"] is False
    assert told["since_boot"] == ["throttled", "under-voltage"]


def test_a_cooling_device_that_steps_in_is_throttling():
    told = findings.throttling([sensor("cooling", "gpu-balanced 0")], [[0, 0, 2, 3]], {})
    assert told["throttled"] is True
    assert told["now"] == ["gpu-balanced 0"]
    assert told["share_of_samples"] == 0.5


def test_where_nothing_tells_it_is_not_known():
    told = findings.throttling([sensor("clock")], [[1.0]], {"throttling": "no sensor"})
    assert told["throttled"] is None
    assert told["reason"] == "no sensor"


def test_energy_is_power_over_time():
    sensors = [sensor("power", "VDD_SOC"), sensor("power", "total"), sensor("clock")]
    values = [[1.0, 1.0, 1.0], [2.0, 4.0, 4.0], [7.0, 7.0, 7.0]]
    # Two watts rising to four in a second, then four for three seconds: 3.75 W in the mean.
    told = findings.power(sensors, [0.0, 1.0, 4.0], values, poses=100, duration=4.0)
    assert told == {"mean_w": 3.75, "rails_w": {"VDD_SOC": 1.0}, "energy_per_pose_mj": 150.0}


def test_power_that_could_not_be_read_is_none():
    assert findings.power([sensor("power", "total")], [0.0, 1.0], [[None, None]], 1, 1.0) is None
    assert findings.power([sensor("clock")], [0.0], [[1.0]], 1, 1.0) is None
    assert findings.power([sensor("power", "total")], [0.0, 1.0], [[None, 5.0]], 1, 2.0)["mean_w"] == 5.0


@pytest.mark.parametrize(
    ("clocks", "fell"),
    [
        ([1800, 1800, 1790, 1800], False),
        ([1800, 1500, 1400, 1400], True),
        ([600, 1800, 1800, 1800], False),
        ([1], False),
    ],
)
def test_a_clock_that_fell_is_told(clocks, fell):
    assert bool(findings.fallen_clocks([sensor("clock", "cpu0")], [clocks])) == fell
