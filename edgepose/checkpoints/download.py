"""Downloads that continue where they broke off, and count for nothing until their contents are verified."""

import contextlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path

from edgepose.checkpoints.files import MAX_CHECKPOINT_BYTES, read_checkpoint_bytes
from edgepose.runtime.atomic import write_error
from edgepose.runtime.errors import CheckpointError

Progress = Callable[[int, int | None], None]

TIMEOUT_SECONDS = 30
CHUNK_BYTES = 1 << 16


def download(url: str, destination: Path, is_right: Callable[[bytes], bool], progress: Progress | None = None) -> None:
    """Fetch ``url`` to ``destination``, whose folder is made where it is missing.

    What has come so far waits in ``<destination>.part`` for the next call; ``destination`` appears once
    ``is_right(contents)`` holds. Another file in its place may be somebody's own: it is kept beside, as
    ``<destination>.old``. Of several processes one downloads and the others wait for it. Raises
    :class:`CheckpointError` where the file cannot be had, :class:`EdgeposeError` where it cannot be written.
    """
    part = destination.with_name(destination.name + ".part")
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        with _exclusive(destination.with_name(f".{destination.name}.lock")):
            if destination.is_file() and is_right(read_checkpoint_bytes(destination)):
                return
            continued = part.exists()
            _fetch_rest(url, part, destination, progress)
            if continued and not is_right(read_checkpoint_bytes(part)):
                # What an earlier run left may be to blame: once more from the start.
                part.unlink()
                _fetch_rest(url, part, destination, progress)
            if not is_right(read_checkpoint_bytes(part)):
                part.unlink()
                raise CheckpointError(
                    f"{url} is not the file it should be: its digest differs; nothing was kept",
                    "try again; a proxy or a mirror may have changed it",
                )
            if destination.exists():
                os.replace(destination, destination.with_name(destination.name + ".old"))
            os.replace(part, destination)
    except OSError as error:
        raise write_error(destination, error) from error


def _fetch_rest(url: str, part: Path, destination: Path, progress: Progress | None) -> None:
    """Append to ``part`` what it lacks of ``url``."""
    done = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "edgepose"})
    if done:
        request.add_header("Range", f"bytes={done}-")
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # Nothing is lacking; whether it is the right file, the caller's digest tells.
        raise CheckpointError(
            f"{url} cannot be fetched: the server answers {error.code} {error.reason}", _by_hand(destination)
        ) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise CheckpointError(f"{url} cannot be fetched: {reason}", _by_hand(destination)) from error
    with response:
        if response.status != HTTPStatus.PARTIAL_CONTENT:
            done = 0
        length = response.headers.get("Content-Length", "")
        total = done + int(length) if length.isdecimal() else None
        with open(part, "ab" if done else "wb") as file:
            for chunk in _chunks(response):
                done += len(chunk)
                if max(done, total or 0) > MAX_CHECKPOINT_BYTES:
                    part.unlink()
                    raise CheckpointError(
                        f"{url} is larger than any checkpoint, {MAX_CHECKPOINT_BYTES} bytes; none was kept"
                    )
                file.write(chunk)
                if progress is not None:
                    progress(done, total)
    if total is not None and done < total:
        raise CheckpointError(
            f"the connection broke after {done} of {total} bytes of {url}",
            "run it again: it continues from there",
        )


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """The body as it comes; a broken connection ends it early."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        while chunk := response.read(CHUNK_BYTES):
            yield chunk


def _by_hand(destination: Path) -> str:
    return f"is the network up? Otherwise get the file elsewhere and put it at {destination}"


@contextlib.contextmanager
def _exclusive(lock: Path) -> Iterator[None]:
    """Hold ``lock`` against other processes until the block ends; the system frees it if the process dies."""
    with open(lock, "wb") as file:
        # Windows has none. There two downloads at once spoil each other's part, and the digest finds out.
        with contextlib.suppress(ImportError):
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield
