"""One job over one SSH connection: files in, progress out, a record at the end, or an error that says what happened."""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from edgepose.fleet import remote_script
from edgepose.fleet.device import Job
from edgepose.records.reading import MAX_RECORD_BYTES, check_record
from edgepose.runtime.errors import EXIT_GATE, EdgeposeError

# Asked of ssh beside the user's own configuration: several devices cannot all ask for a password, and a connection
# that says nothing for 20 seconds is lost.
SSH_OPTIONS = (
    *("-T", "-x", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15"),
    *("-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=4"),
)
# What ssh ends with where it is to blame, and not what it ran.
SSH_FAILED = 255
# A shell adds this to the signal that ended a program.
SIGNALLED = 128
HEARTBEAT_S = 5.0
BLOCK_BYTES = 1 << 16
MAX_LINES = 100
BUNDLE, PROBE = "bundle.edgepose", "probe.zip"

# Called with the phase, and how much of how much of it is done (bytes of 'copying', else as the bench says).
Progress = Callable[[str, float, float | None], None]


class Session:
    """Runs ``job``; :meth:`run` once, and :meth:`cancel` from another thread at any time."""

    def __init__(self, job: Job, ssh: Sequence[str] = ("ssh",)):
        self._job = job
        self._ssh = list(ssh)
        self._mark = f"@edgepose-{secrets.token_hex(8)}"
        self._stage = "connecting"
        self._stderr: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._over = threading.Event()

    def cancel(self) -> None:
        """Close the connection: the device stops and removes what it was sent."""
        self._over.set()
        if self._process is not None:
            self._process.terminate()

    def run(self, progress: Progress) -> dict[str, Any]:
        """The checked record. Raises :class:`EdgeposeError` that says what went wrong on this device, and the cure."""
        files = [(BUNDLE, self._job.bundle)] + ([] if self._job.probe is None else [(PROBE, self._job.probe)])
        sizes = [(name, path.stat().st_size) for name, path in files]
        arguments = self._job.arguments() + ([] if self._job.probe is None else ["--probe", "{work}/" + PROBE])
        device = self._job.device
        command = remote_script.remote_command(self._mark, device.python, device.folder, BUNDLE, sizes, arguments)
        progress("connecting", 0, None)
        try:
            self._process = subprocess.Popen(
                [*self._ssh, *SSH_OPTIONS, "--", device.host, command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            raise EdgeposeError(f"cannot start {self._ssh[0]}: {error.strerror}", "install OpenSSH's client") from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        paths, total = [path for _, path in files], sum(size for _, size in sizes)
        writer = threading.Thread(target=self._send, args=(self._process.stdin, paths, total, progress), daemon=True)
        listener = threading.Thread(target=self._listen, args=(self._process.stderr,), daemon=True)
        writer.start()
        listener.start()
        try:
            record, code = self._follow(self._process.stdout, progress)
        finally:
            self._over.set()
            writer.join(timeout=2 * HEARTBEAT_S)
            # ssh ends by itself once the device's end is closed; not where it hangs.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=10)
            self._process.kill()
            status = self._process.wait()
            listener.join(timeout=1)
        if record is not None and code in (0, EXIT_GATE):
            return check_record(record, f"the record of {self._job.name}")
        raise self._error(code, status)

    def _send(self, stream: IO[bytes], paths: Sequence[Path], total: int, progress: Progress) -> None:
        """Write the files, then something every few seconds, for as long as somebody is here to watch."""
        sent = 0
        try:
            for path in paths:
                with path.open("rb") as file:
                    while block := file.read(BLOCK_BYTES):
                        stream.write(block)
                        stream.flush()
                        sent += len(block)
                        if self._stage == "copying":
                            progress("copying", sent, total)
            while not self._over.wait(HEARTBEAT_S):
                stream.write(b"\n")
                stream.flush()
        except (OSError, ValueError):  # the other end is gone, which its reader sees as well
            pass
        finally:
            with contextlib.suppress(OSError, ValueError):
                stream.close()

    def _listen(self, stream: IO[bytes]) -> None:
        for line in stream:
            text = line.decode("utf-8", "replace").strip()
            if text and not text.startswith("INFO:"):
                self._stderr = [*self._stderr[1 - MAX_LINES :], text[:1000]]

    def _follow(self, stream: IO[bytes], progress: Progress) -> tuple[dict[str, Any] | None, int | None]:
        """(record, exit code of the bench); None for what did not come."""
        record, code = None, None
        for kind, text in self._lines(stream):
            if kind == "fault":
                raise _fault(text, self._job)
            if kind == "copying":
                self._stage = "copying"
                progress("copying", 0, None)
            elif kind == "running":
                self._stage = "measuring"
                progress("starting", 0, None)
            elif kind == "progress":
                told = json.loads(text)
                progress(str(told["phase"]), float(told["done"]), told["total"])
            elif kind == "record":
                self._stage = "ending"
                record = json.loads(text)
            elif kind == "exit":
                code = int(text)
        return record, code

    def _lines(self, stream: IO[bytes]) -> Iterator[tuple[str, str]]:
        """(kind, text) of the lines that begin with our mark; login scripts may print others."""
        mark = self._mark.encode("ascii") + b" "
        while line := stream.readline(MAX_RECORD_BYTES):
            if line.startswith(mark) and line.endswith(b"\n"):
                kind, _, text = line[len(mark) :].decode("utf-8", "replace").strip().partition(" ")
                yield kind, text

    def _error(self, code: int | None, status: int) -> EdgeposeError:
        """Why there is no record."""
        last = self._stderr[-1] if self._stderr else ""
        if code is None:
            if self._stage == "connecting" and status != SSH_FAILED:
                return EdgeposeError(f"the shell of the device failed: {last or f'ssh ended with {status}'}")
            if self._stage == "connecting":
                return _no_connection(self._job, last or f"ssh ended with {status}")
            return EdgeposeError(
                f"the connection was lost while {self._stage}" + (f": {last}" if last else ""),
                "the device removes what it was sent; the same command runs again what is not done",
            )
        if code > SIGNALLED:
            hint = "out of memory? 'dmesg' on the device says" if code == SIGNALLED + 9 else None
            return EdgeposeError(f"the bench was killed on the device (signal {code - SIGNALLED})", hint)
        errors = [line[len("error: ") :] for line in self._stderr if line.startswith("error: ")]
        hints = [line[len("hint: ") :] for line in self._stderr if line.startswith("hint: ")]
        message = errors[-1] if errors else last or f"the bench ended with code {code}"
        return EdgeposeError(message, f"on {self._job.device.host}: {hints[-1]}" if hints else None)


def _fault(text: str, job: Job) -> EdgeposeError:
    """The error for a ``fault`` that the device told of."""
    kind, _, detail = text.partition(" ")
    if kind == remote_script.NO_PYTHON:
        return EdgeposeError(
            f"there is no {detail} on the device",
            "install Python 3.6 or newer there, or name its path: --python, or python = in the fleet file",
        )
    if kind == remote_script.OLD_PYTHON:
        return EdgeposeError(
            f"{job.device.python} on the device is {detail or 'broken'}", "Python 3.6 or newer is needed"
        )
    if kind == remote_script.NO_SPACE:
        return EdgeposeError(
            f"the bundle does not fit onto the device: {detail}",
            "free space there, or name another folder: --folder, or folder = in the fleet file",
        )
    if kind == remote_script.NO_FOLDER:
        return EdgeposeError(
            f"nothing can be written to {detail} on the device",
            "name a folder: --folder, or folder = in the fleet file",
        )
    return EdgeposeError("the connection was lost while copying", "the same command runs again what is not done")


def _no_connection(job: Job, reason: str) -> EdgeposeError:
    host = job.device.host
    hint = f"'ssh {host} true' must work by itself"
    if "Permission denied" in reason:
        hint = f"give the device your key ('ssh-copy-id {host}'): no password is asked for here"
    elif "Host key verification failed" in reason:
        hint = f"connect once by hand and check its key: 'ssh {host}'"
    elif "resolve hostname" in reason:
        hint = "check the name; is the device on, and on this network?"
    return EdgeposeError(f"cannot connect to {host}: {reason}", hint)
