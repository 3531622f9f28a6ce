import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_bundles import PATIENT

from edgepose.runtime.stream.bounded_queue import RESERVED, BoundedQueue

SOON = 5.0


@PATIENT
@given(st.lists(st.integers(), max_size=40), st.integers(1, 5))
def test_the_newest_items_stay_and_the_others_are_counted(items, capacity):
    queue = BoundedQueue(capacity, drops=True)
    for item in items:
        assert queue.put(item)
    kept = [queue.get(0) for _ in range(min(capacity, len(items)))]
    assert kept == items[-capacity:]
    assert queue.get(0) is None
    assert queue.dropped == max(0, len(items) - capacity)


def test_what_may_not_be_dropped_keeps_its_place_among_the_others():
    queue = BoundedQueue(2, drops=True, may_drop=lambda item: item.islower())
    for item in ("A", "b", "C", "d", "E", "f", "g"):
        queue.put(item)
    assert [queue.get(0) for _ in range(6)] == ["A", "C", "E", "f", "g", None]
    assert queue.dropped == 2


def test_what_may_not_be_dropped_never_waits_and_is_bounded_too():
    queue = BoundedQueue(1, drops=False, may_drop=lambda item: item < 0)
    queue.put(-1)
    for number in range(RESERVED + 5):
        assert queue.put(number)
    kept = []
    while True:
        item = queue.get(0)
        if item is None:
            break
        kept.append(item)
    assert kept == [-1] + list(range(5, RESERVED + 5))
    assert queue.dropped == 5


def test_without_dropping_put_waits_for_room():
    queue = BoundedQueue(1, drops=False)
    queue.put(1)
    done = threading.Event()
    writer = threading.Thread(target=lambda: (queue.put(2), done.set()))
    writer.start()
    assert not done.is_set()
    assert queue.get(SOON) == 1
    assert done.wait(SOON)
    assert queue.get(SOON) == 2
    writer.join(SOON)


@pytest.mark.parametrize("discard", [True, False])
def test_closing_lets_everyone_go(discard):
    queue = BoundedQueue(1, drops=False)
    queue.put(1)
    answers = []
    writer = threading.Thread(target=lambda: answers.append(queue.put(2)))
    writer.start()
    queue.close(discard)
    writer.join(SOON)
    assert answers == [False]
    assert queue.get() == (None if discard else 1)
    assert queue.get() is None
    assert queue.ended


def test_waiting_for_an_item_ends_when_the_queue_is_closed():
    queue = BoundedQueue(1, drops=True)
    answers = []
    reader = threading.Thread(target=lambda: answers.append(queue.get()))
    reader.start()
    queue.close()
    reader.join(SOON)
    assert answers == [None]
