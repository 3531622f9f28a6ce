"""Files that appear whole or not at all."""

import contextlib
import errno
import os
import tempfile

from edgepose.runtime.errors import EdgeposeError, UsageError


@contextlib.contextmanager
def atomic_path(path):
    """Yield the name of a temporary file beside ``path`` that replaces ``path`` when the block ends without error.

    On any error, Ctrl-C included, the temporary file is removed and ``path`` keeps what it held before.
    Raises :class:`UsageError` where there is no folder for it, or it is none, :class:`EdgeposeError` where the folder
    is not writable, or full.
    """
    path = os.fspath(path)
    target = _replaced_file(path)
    suffix = os.path.splitext(path)[1]
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=".edgepose-", suffix=suffix, dir=os.path.dirname(target))
        os.close(handle)
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
        temporary = None
    except BrokenPipeError:  # of what the block prints; not a fault of this file
        raise
    except OSError as error:
        raise write_error(path, error)
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def write_bytes(path, data):
    """Write ``data`` (bytes) to ``path`` atomically. Raises :class:`EdgeposeError` as :func:`atomic_path` does."""
    with atomic_path(path) as temporary:
        with open(temporary, "wb") as file:
            file.write(data)


def require_place(path, inputs=()):
    """Raise :class:`EdgeposeError` where no file can be written to ``path``: before the work, not after.

    :class:`UsageError` where there is no folder for it, it is none, or it would replace one of ``inputs`` (files, and
    folders with all that is in them).
    """
    target = _replaced_file(path)
    for read in map(os.path.realpath, inputs):
        if target == read or (os.path.exists(target) and target.startswith(os.path.join(read, ""))):
            raise UsageError("{} is read here: it would be replaced".format(path), "name another file")
    if not os.access(os.path.dirname(target), os.W_OK | os.X_OK):
        raise EdgeposeError("cannot write {}: its folder is not writable".format(path), "name another place")


def _replaced_file(path):
    """The file that writing to ``path`` makes or replaces. Raises :class:`UsageError` where that cannot be a file."""
    # Through links: the file that a link names is replaced, not the link.
    target = os.path.realpath(path)
    # A device replaced by a file (`--json /dev/null` as root) would be a worse surprise than an error.
    if os.path.exists(target) and not os.path.isfile(target):
        kind = "a folder" if os.path.isdir(target) else "not a regular file"
        raise UsageError("cannot write {}: it is {}".format(path, kind), "name a file")
    if not os.path.isdir(os.path.dirname(target)):
        raise UsageError(
            "cannot write {}: there is no folder for it: {}".format(path, os.path.dirname(target)), "make it first"
        )
    return target


def write_error(path, error):
    """The :class:`EdgeposeError` that tells a user why ``path`` could not be written."""
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return EdgeposeError(
            "no space left to write {}".format(path), "free space or name another place; nothing was written"
        )
    if error.errno == errno.EFBIG:
        hint = "the file system, or a limit (ulimit -f), allows no larger file; nothing was written"
    else:
        hint = "check that the folder exists and is writable"
    return EdgeposeError("cannot write {}: {}".format(path, error.strerror or error), hint)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
