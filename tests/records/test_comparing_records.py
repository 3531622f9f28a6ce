import random
from pathlib import Path

import pytest
from tiny_records import tiny_record, with_latencies

from edgepose.records import Record
from edgepose.records.compare import FASTER, NONE, NOT_CALLED, SLOWER, compare_records
from edgepose.runtime.errors import UsageError


def run(mean_ms, seed=0, count=300, **fields):
    """A record of ``count`` calls of about ``mean_ms``."""
    rng = random.Random(seed)
    return Record(
        Path(f"{seed}.json"), with_latencies(tiny_record(**fields), [rng.gauss(mean_ms, 0.5) for _ in range(count)])
    )


def test_what_is_faster_is_called_so_with_its_ratio():
    told = compare_records(run(20.0), run(10.0, seed=1))
    assert told.verdict == FASTER
    low, high = told.ratios[0].interval
    assert low < told.ratios[0].value < high
    assert told.ratios[0].value == pytest.approx(2.0, rel=0.02)
    assert compare_records(run(10.0), run(20.0, seed=1)).verdict == SLOWER


def test_runs_that_do_not_differ_are_seldom_said_to():
    """Of forty pairs of runs of the same thing, two are said to differ at 95 %; chance makes it five at most."""
    verdicts = [compare_records(run(20.0, seed=2 * one), run(20.0, seed=2 * one + 1)).verdict for one in range(40)]
    assert verdicts.count(NONE) >= 35


def test_calls_that_are_alike_in_a_row_make_the_interval_wider():
    """Latencies that wander, as those of a machine with moods, against the same ones shuffled."""
    rng, level, wandering = random.Random(3), 0.0, []
    for _ in range(900):
        level = 0.97 * level + rng.gauss(0, 0.1)
        wandering.append(12.0 + level)
    shuffled = wandering[:]
    rng.shuffle(shuffled)
    widths = []
    for one in (wandering, shuffled):
        record = Record(Path("a"), with_latencies(tiny_record(), one))
        interval = compare_records(record, run(12.0, count=3000)).ratios[0].interval
        widths.append(interval.high - interval.low)
    assert widths[0] > 1.7 * widths[1]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"machine": "another"}, "machine differs"),
        ({"load_average": 9.0}, "load average"),
        ({"warm_up": {"steady": False, "samples_ms": []}}, "B was not steady"),
        (
            {
                "throttling": {
                    "throttled": True, "now": ["throttled"], "since_boot": [], "share_of_samples": 1.0, "reason": None
                }
            },
            "B throttled: throttled",
        ),
    ],
)  # fmt: skip
def test_no_difference_is_called_where_conditions_differ(fields, reason):
    told = compare_records(run(20.0), run(10.0, seed=1, **fields))
    assert told.verdict == NOT_CALLED
    assert any(reason in one for one in told.reasons)
    assert told.ratios[0].value == pytest.approx(2.0, rel=0.02)


def test_threads_are_a_condition():
    other = run(10.0, seed=1)
    other.document["engine"]["threads"] = 4
    assert any("threads differs" in one for one in compare_records(run(20.0), other).reasons)


def test_another_library_is_the_subject_where_the_bundle_is_the_same_and_a_reason_where_it_is_not():
    other = run(10.0, seed=1)
    other.document["engine"]["library"] = "ai_edge_litert 9.9.9"
    told = compare_records(run(20.0), other)
    assert told.verdict == FASTER
    assert "engine library differs" in told.subject[0]
    other.document["bundle"]["sha256"] = "f" * 64
    told = compare_records(run(20.0), other)
    assert told.verdict == NOT_CALLED
    assert "engine library differs" in told.reasons[0]


def test_what_was_emulated_is_compared_with_nothing():
    for pair in ((run(1.0, kind="emulated"), run(1.0)), (run(1.0), run(1.0, kind="emulated"))):
        with pytest.raises(UsageError, match="is emulated"):
            compare_records(*pair)


def test_the_same_records_give_the_same_answer():
    assert compare_records(run(20.0), run(19.9, seed=1)).to_dict() == (
        compare_records(run(20.0), run(19.9, seed=1)).to_dict()
    )


def test_a_slower_usb_link_is_a_condition():
    pair = [run(20.0), run(10.0, seed=1)]
    for record, speed in zip(pair, (480.0, 5000.0), strict=True):
        times = len(record.document["sensors"]["times_s"])
        series = {"kind": "usb_link", "name": "coral 1-1", "unit": "Mbit/s", "values": [speed] * times}
        record.document["sensors"]["series"].append(series)
    assert any("USB link" in reason for reason in compare_records(*pair).reasons)
