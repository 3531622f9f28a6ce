import pytest

from edgepose.bench.gates import NO_LIMITS, Limits, broken_bounds, check_gate, require_measurable
from edgepose.runtime.errors import UsageError


def test_nothing_asked_is_no_gate():
    assert check_gate(NO_LIMITS, None, 1.0, None) is None


def test_every_bound_is_held_to_its_figure_edge_included():
    limits = Limits(max_drift=0.5, max_p95_ms=20.0, max_rss_mb=100.0)
    gate = check_gate(limits, [0.5, -3.0], 20.0, 100.0)
    assert gate["held"]
    assert [bound["at_most"] for bound in gate["bounds"]] == [0.5, 0.5, 20.0, 100.0]
    broken = check_gate(limits, [0.1, 0.6], 20.01, 99.0)
    assert not broken["held"]
    assert [bound["held"] for bound in broken["bounds"]] == [True, False, False, True]
    assert broken_bounds(broken) == (
        "points of PCKh@10 lost: 0.60, at most 0.5; p95 of the latency in ms: 20.01, at most 20"
    )


@pytest.mark.parametrize(
    ("limits", "known", "message"),
    [
        (Limits(-1.0, None, None), (True, True, True), "--max-drift -1"),
        (Limits(None, float("nan"), None), (True, True, True), "--max-p95-ms nan"),
        (Limits(0.5, None, None), (False, True, True), "no true joints"),
        (Limits(None, 5.0, None), (True, False, True), "emulator"),
        (Limits(None, None, 5.0), (True, True, False), "memory"),
    ],
)
def test_a_gate_that_would_hold_for_nothing_is_refused(limits, known, message):
    with pytest.raises(UsageError, match=message):
        require_measurable(limits, *known)
    require_measurable(NO_LIMITS, *known)
