"""What sensors' samples say about a run: whether it throttled, how much power it took, whether its clocks held."""

from edgepose.bench.sensors.power import TOTAL
from edgepose.bench.sensors.throttling import bits_in_words

# A clock that ends this much below where it began has fallen.
FALLEN_CLOCK = 0.05


def throttling(sensors, values, absent):
    """Whether the machine held its clocks down at any sample of ``values`` (a list for each of ``sensors``).

    ``{"throttled": bool or None where nothing tells, "now": words, "since_boot": words, "samples": share of samples,
    "reason": why None}``. ``since_boot`` is what a Pi remembers from before; it does not make this run throttled.
    """
    told = [(sensor, column) for sensor, column in zip(sensors, values) if sensor.kind in ("throttle_bits", "cooling")]
    if not told:
        return _throttling(None, [], [], None, absent.get("throttling"))
    now, since, slowed = set(), set(), set()
    for sensor, column in told:
        for number, value in enumerate(column):
            if value is None:
                continue
            words, remembered = bits_in_words(value) if sensor.kind == "throttle_bits" else ([], [])
            since.update(remembered)
            if sensor.kind == "cooling" and value > 0:
                words = [sensor.name]
            now.update(words)
            if words:
                slowed.add(number)
    rounds = max(len(column) for _, column in told)
    return _throttling(bool(now), sorted(now), sorted(since), len(slowed) / rounds if rounds else 0.0, None)


def power(sensors, times, values, poses, duration):
    """Mean watts of each rail and energy of a pose, over the samples: None where there is no power sensor.

    Watts are integrated over ``times`` (seconds) by the trapezoidal rule. The energy is that of everything on the
    total rail, the idle board included, for ``duration`` seconds in which ``poses`` were found.
    """
    rails = {
        sensor.name: _mean_over_time(times, column) for sensor, column in zip(sensors, values) if sensor.kind == "power"
    }
    rails = {name: watts for name, watts in rails.items() if watts is not None}
    if TOTAL not in rails:
        return None
    total = rails.pop(TOTAL)
    return {
        "mean_w": round(total, 4),
        "rails_w": {name: round(watts, 4) for name, watts in sorted(rails.items())},
        "energy_per_pose_mj": round(total * duration / poses * 1e3, 3),
    }


def fallen_clocks(sensors, values):
    """Sentences, one for each clock that was at least a twentieth lower at the end than at its highest."""
    sentences = []
    for sensor, column in zip(sensors, values):
        known = [value for value in column if value]
        if sensor.kind in ("clock", "gpu_clock") and len(known) >= 3:
            highest, last = max(known), sorted(known[-3:])[1]
            if last < (1 - FALLEN_CLOCK) * highest:
                sentences.append("the clock of {} fell from {:.0f} to {:.0f} MHz".format(sensor.name, highest, last))
    return sentences


def _throttling(throttled, now, since, share, reason):
    return {"throttled": throttled, "now": now, "since_boot": since, "share_of_samples": share, "reason": reason}


def _mean_over_time(times, column):
    known = [(time, value) for time, value in zip(times, column) if value is not None]
    if not known:
        return None
    area = sum((t1 - t0) * (v0 + v1) / 2 for (t0, v0), (t1, v1) in zip(known, known[1:]))  # noqa: RUF007 - Python 3.6
    span = known[-1][0] - known[0][0]
    return area / span if span > 0 else known[0][1]
