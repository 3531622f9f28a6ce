"""One build at a time: a lock file that its owner's end releases, whatever ended it."""

import contextlib
import errno
import json
import os

from edgepose.runtime.atomic import write_error
from edgepose.runtime.errors import EngineError


@contextlib.contextmanager
def build_lock(path, workspace_mb):
    """Hold the lock ``path`` in the block; yields the workspace in MB of an earlier build that died here, or None.

    The system releases the lock with the process, so that a dead owner never holds it; what it wrote stays and tells
    that it did not end by itself. Raises :class:`EngineError` where another process, or thread, is building.
    """
    import fcntl

    try:
        file = open(path, "a+")
    except OSError as error:
        raise write_error(path, error)
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise write_error(path, error)
            owner = _read(file).get("pid", "unknown")
            raise EngineError(
                "another process (pid {}) is building this engine now".format(owner),
                "wait until it is done, then run this again: it will find the engine",
            )
        died = _read(file).get("workspace_mb")
        note_workspace(file, workspace_mb)
        # Whoever leaves the block, by whatever error, has ended by itself.
        try:
            yield LockHolder(file, died if isinstance(died, int) else None)
        finally:
            file.truncate(0)


class LockHolder(object):
    """The holder of a lock. ``died_with``: workspace in MB of a build that was killed here, or None."""

    def __init__(self, file, died_with):
        self._file = file
        self.died_with = died_with

    def note_workspace(self, workspace_mb):
        """Write down what is being tried: should the system kill this process, the next one tries less."""
        note_workspace(self._file, workspace_mb)


def note_workspace(file, workspace_mb):
    """Write who holds the lock, and with how much workspace it builds."""
    file.truncate(0)
    file.write(json.dumps({"pid": os.getpid(), "workspace_mb": workspace_mb}))
    file.flush()


def _read(file):
    file.seek(0)
    try:
        document = json.loads(file.read(1000))
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
