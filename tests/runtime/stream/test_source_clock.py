import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_bundles import PATIENT

from edgepose.runtime.stream.source_clock import SourceClock

ANY_NUMBER = st.one_of(st.none(), st.floats(), st.integers(-(10**12), 10**12), st.text(max_size=3))


@PATIENT
@given(st.booleans(), st.lists(st.tuples(ANY_NUMBER, st.floats(0, 10)), min_size=1, max_size=50))
def test_whatever_a_source_says_its_seconds_go_forwards(live, steps):
    clock, arrived, last = SourceClock(live), 1e6, -1.0
    for source, passed in steps:
        arrived += passed
        seconds = clock.tick(source, arrived)
        assert math.isfinite(seconds)
        assert seconds > last
        last = seconds


def test_a_file_is_dated_by_itself():
    clock = SourceClock(live=False)
    assert [clock.tick(position, 7.0) for position in (3.0, 3.5, 5.0)] == pytest.approx([0, 0.5, 2.0])


def test_a_file_without_positions_keeps_its_last_step():
    clock = SourceClock(live=False)
    assert [clock.tick(position, 7.0) for position in (0.0, 0.1, 0.1, None)] == pytest.approx([0, 0.1, 0.2, 0.3])


def test_a_live_source_is_dated_by_itself_while_it_agrees_with_us():
    clock = SourceClock(live=True)
    ticks = [clock.tick(source, arrived) for source, arrived in ((50.0, 0.0), (50.1, 0.15), (50.2, 0.19))]
    assert ticks == pytest.approx([0, 0.1, 0.2])


@pytest.mark.parametrize("jump", [-1e9, -40.0, 40.0, 1e9])
def test_a_live_source_whose_clock_is_set_is_dated_by_ours_for_that_step(jump):
    clock = SourceClock(live=True)
    pairs = ((50.0, 0.0), (50.1, 0.1), (50.2 + jump, 0.22), (50.3 + jump, 0.3))
    ticks = [clock.tick(source, arrived) for source, arrived in pairs]
    assert ticks == pytest.approx([0, 0.1, 0.22, 0.32], abs=1e-6)
