import json

import numpy as np
import pytest

from benchmarks.measuring import interleave, ratio_of_medians
from benchmarks.results import Figure, Report, write_table


def test_both_ways_see_the_same_inputs_in_turn_and_take_turns_at_being_first():
    calls = []
    samples = interleave(
        {
            "a": (lambda given: calls.append(("a", given)), [10, 20, 30]),
            "b": (lambda given: calls.append(("b", given)), [1, 2, 3]),
        },
        rounds=4,
        warm_up=2,
    )
    assert {name: len(times) for name, times in samples.items()} == {"a": 4, "b": 4}
    measured = calls[4:]
    assert measured == [
        ("a", 10), ("b", 1), ("b", 2), ("a", 20), ("a", 30), ("b", 3), ("b", 1), ("a", 10),
    ]  # fmt: skip
    assert all(time >= 0 for times in samples.values() for time in times)


def test_the_ratio_is_of_medians_and_its_interval_holds_it():
    rng = np.random.Generator(np.random.PCG64(0))
    slow = (20 + rng.random(101)).tolist()
    fast = (10 + rng.random(101)).tolist()
    slow[0] = 5000.0
    ratio, (low, high) = ratio_of_medians(slow, fast)
    assert ratio == pytest.approx(np.median(slow) / np.median(fast))
    assert low <= ratio <= high
    assert high - low < 0.1


def test_bounds_include_their_edge():
    assert Figure("x", 1.25, "×", at_least=1.25).holds
    assert not Figure("x", 1.2499, "×", at_least=1.25).holds
    assert Figure("x", 0.3, "ms", at_most=0.3).holds
    assert not Figure("x", 0.31, "ms", at_most=0.3).holds
    assert Figure("x", 99, "ms").holds
    assert Figure("x", 1, "", at_least=0.5, at_most=2).bound == "≥ 0.5, ≤ 2"


def test_a_report_keeps_its_samples_and_conditions_and_becomes_a_table(tmp_path):
    report = Report("speed", "Speed", "By stopwatch.", samples={"runs": [1.0, 2.0]})
    report.add(Figure("good", 2, "×", at_least=1), Figure("bad", 2, "ms", at_most=1, note="1–3"))
    path = report.write(tmp_path / "results")
    document = json.loads(path.read_text())
    assert document["samples"] == {"runs": [1.0, 2.0]}
    assert [figure["holds"] for figure in document["figures"]] == [True, False]
    assert document["environment"]["packages"]["numpy"] == np.__version__
    write_table(tmp_path / "results", tmp_path / "README.md")
    table = (tmp_path / "README.md").read_text()
    assert "| good | 2 × | ≥ 1 | ✓ |" in table
    assert "| bad | 2 ms | ≤ 1 | **✗** 1–3 |" in table
    assert f"numpy {np.__version__}" in table
