"""A bench that somebody watches over SSH: it tells how far it is, and stops when nobody is there any more.

Whoever watches keeps standard input open and writes something to it every few seconds. Where that ends, this process
terminates itself, so that what was copied here for it can be removed. Each line to standard output begins with the
watcher's own mark, as login scripts may print there, too: ``MARK progress {...}``, at the end ``MARK record {...}``.
"""

import json
import os
import select
import signal
import sys
import threading
import time

SILENCE_S = 60.0
INTERVAL_S = 0.5


class Attendance(object):
    """Tells progress, and watches the watcher; a context manager."""

    def __init__(self, mark, silence_s=SILENCE_S):
        self._mark = mark
        self._silence_s = silence_s
        self._told = 0.0
        self._over = threading.Event()

    def __enter__(self):
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._over.set()

    def __call__(self, phase, done, total):
        """Say how far ``phase`` is, twice a second at most."""
        now = time.time()
        if now - self._told >= INTERVAL_S:
            self._told = now
            self.say("progress", json.dumps({"phase": phase, "done": round(done, 1), "total": total}))

    def say(self, kind, text):
        """One line to the watcher."""
        sys.stdout.write("{} {} {}\n".format(self._mark, kind, text))
        sys.stdout.flush()

    def _watch(self):
        while not self._over.is_set():
            ready = select.select([0], [], [], self._silence_s)[0]
            if not ready or not os.read(0, 4096):
                if not self._over.is_set():
                    os.kill(os.getpid(), signal.SIGTERM)
                return
