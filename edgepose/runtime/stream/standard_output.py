"""Events as lines of JSON on standard output."""

import os
import select
import sys

from edgepose.runtime.stream.publishing import line_of

# A signal is noticed within this, though nobody reads.
NOTICE_S = 0.5


class StandardOutputPublisher(object):
    """Writes each event at once, past Python's buffers: what is left in those could only block the way out.

    A reader who does not read makes it wait; meanwhile the stream drops poses and counts them.
    """

    def __init__(self, descriptor=None):
        sys.stdout.flush()
        self._descriptor = sys.stdout.fileno() if descriptor is None else descriptor

    def publish(self, event):
        """Write ``event``. Raises :class:`BrokenPipeError` where the reader left."""
        line = memoryview(line_of(event))
        while line:
            # No write that waits: a signal that came just before it would be noticed only after it.
            if select.select([], [self._descriptor], [], NOTICE_S)[1]:
                line = line[os.write(self._descriptor, line[: select.PIPE_BUF]) :]

    def close(self):
        """Nothing is held back."""
