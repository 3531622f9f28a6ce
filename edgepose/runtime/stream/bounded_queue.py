"""A queue between two threads that never holds more than it should, and never keeps either from stopping."""

import collections
import threading
import time


class BoundedQueue(object):
    """First in, first out, ``capacity`` items at most.

    With ``drops`` a full queue gives up its oldest item that ``may_drop(item)`` allows (its oldest where none does),
    so that :meth:`put` never waits; without, :meth:`put` waits for room. ``dropped`` counts what was given up.
    """

    def __init__(self, capacity, drops, may_drop=None):
        self._items = collections.deque()  # type: collections.deque
        self._capacity = capacity
        self._drops = drops
        self._may_drop = may_drop
        self._changed = threading.Condition()
        self._closed = False
        self.dropped = 0

    def put(self, item):
        """Add ``item``. Returns False, and does nothing, once the queue is closed."""
        with self._changed:
            while not self._closed and not self._drops and len(self._items) >= self._capacity:
                self._changed.wait()
            if self._closed:
                return False
            if len(self._items) >= self._capacity:
                self._drop_one()
            self._items.append(item)
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
            self._changed.notify_all()
            return item

    def close(self, discard=False):
        """Take nothing more. What is in the queue can still be had, unless it is to be discarded."""
        with self._changed:
            self._closed = True
            if discard:
                self._items.clear()
            self._changed.notify_all()

    @property
    def ended(self):
        """Whether the queue is closed and empty: nothing will ever come of it again."""
        with self._changed:
            return self._closed and not self._items

    def _drop_one(self):
        self.dropped += 1
        if self._may_drop is not None:
            for position, item in enumerate(self._items):
                if self._may_drop(item):
                    del self._items[position]
                    return
        self._items.popleft()
