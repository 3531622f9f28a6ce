"""Checkpoint files as bytes: read whole, bounded, and identified by digest."""

import hashlib
import os
import stat
from pathlib import Path

from edgepose.runtime.errors import CheckpointError

MAX_CHECKPOINT_BYTES = 256 << 20  # the largest official file has 27 MB


def read_checkpoint_bytes(path: Path) -> bytes:
    """All bytes of ``path``.

    Raises :class:`CheckpointError` where there is no such file, or none that can be read, or one of more than
    ``MAX_CHECKPOINT_BYTES``.
    """
    try:
        # Asked before opening: a pipe would wait for its writer.
        if not stat.S_ISREG(os.stat(path).st_mode) and not path.is_dir():
            raise CheckpointError(f"{path} is not a regular file", "name a checkpoint file")
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if status.st_size > MAX_CHECKPOINT_BYTES:
                raise CheckpointError(
                    f"{path} has {status.st_size} bytes; a checkpoint has at most {MAX_CHECKPOINT_BYTES}",
                    "name a file that holds the weights alone",
                )
            return file.read(MAX_CHECKPOINT_BYTES)
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no checkpoint {path}", "check the path") from error
    except IsADirectoryError as error:
        raise CheckpointError(f"{path} is a folder, not a checkpoint", "name the file in it") from error
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or error}", "check the path and rights") from error


def checkpoint_digest(path: str | os.PathLike[str]) -> str:
    """SHA-256 of the file, hexadecimal. Raises :class:`CheckpointError` where it cannot be read."""
    return hashlib.sha256(read_checkpoint_bytes(Path(path))).hexdigest()


def git_blob_id(contents: bytes) -> str:
    """The id that git gives ``contents``: the SHA-1 of ``blob <size>``, a zero byte, and the contents."""
    header = b"blob %d\0" % len(contents)
    return hashlib.sha1(header + contents, usedforsecurity=False).hexdigest()
