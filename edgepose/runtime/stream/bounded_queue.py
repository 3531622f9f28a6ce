"""A queue between two threads that never holds more than it should, and never keeps either from stopping."""

import collections
import threading
import time

# Items that may not be dropped have this much room of their own.
RESERVED = 64


class BoundedQueue(object):
    """First in, first out, of ``capacity`` items at most.

    With ``drops`` an item that finds the queue full takes the place of the oldest, so that :meth:`put` never waits;
    without, :meth:`put` waits for room. Items that ``may_drop(item)`` excepts neither wait nor count: they are few, and
    have room for 64 of their own, of which the oldest gives way. ``dropped`` counts what was given up.
    """

    def __init__(self, capacity, drops, may_drop=None):
        self._items = collections.deque()  # type: collections.deque
        self._capacity = capacity
        self._drops = drops
        self._may_drop = may_drop
        self._excepted = 0
        self._changed = threading.Condition()
        self._closed = False
        self.dropped = 0

    def put(self, item):
        """Add ``item``. Returns False, and does nothing, once the queue is closed."""
        with self._changed:
            if self._is_excepted(item):
                if self._excepted >= RESERVED:
                    self._drop_oldest(excepted=True)
            else:
                while not self._closed and not self._drops and self._is_full():
                    self._changed.wait()
                if self._is_full():
                    self._drop_oldest(excepted=False)
            if self._closed:
                return False
            self._items.append(item)
            self._excepted += self._is_excepted(item)
            self._changed.notify_all()
            return True

    def get(self, timeout=None):
        """The oldest item, or None where none came within ``timeout`` seconds or the queue is closed and empty."""
        # Not the clock of the day, which may be set while we wait.
        end = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not self._items:
                if self._closed:
                    return None
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    return None
                self._changed.wait(left)
            item = self._items.popleft()
            self._excepted -= self._is_excepted(item)
            self._changed.notify_all()
            return item

    def close(self, discard=False):
        """Take nothing more. What is in the queue can still be had, unless it is to be discarded."""
        with self._changed:
            self._closed = True
            if discard:
                self._items.clear()
                self._excepted = 0
            self._changed.notify_all()

    @property
    def ended(self):
        """Whether the queue is closed and empty: nothing will ever come of it again."""
        with self._changed:
            return self._closed and not self._items

    def _is_excepted(self, item):
        return self._may_drop is not None and not self._may_drop(item)

    def _is_full(self):
        return not self._closed and len(self._items) - self._excepted >= self._capacity

    def _drop_oldest(self, excepted):
        for position, item in enumerate(self._items):
            if self._is_excepted(item) == excepted:
                del self._items[position]
                self._excepted -= excepted
                self.dropped += 1
                return
