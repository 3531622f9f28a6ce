"""Runs the Edge TPU compiler of those who have it, under a time limit, and again where it is known to be moody."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgepose.conversion.edgetpu.compiler_log import MAX_LOG_CHARACTERS, CompilerLog, parse_compiler_log
from edgepose.conversion.edgetpu.options import TIME_LIMIT_S
from edgepose.conversion.edgetpu.tflite_file import MAX_FILE_BYTES
from edgepose.runtime.errors import ConversionError, UsageError

COMPILER = "edgetpu_compiler"
MOST_SECONDS = 24 * 3600
# Beyond its own limit, before it is ended.
GRACE_S = 20
ATTEMPTS = 3
INTERNAL_ERROR = "Internal compiler error"
HOW_TO_INSTALL = "it runs on x86-64 Debian and Ubuntu: https://coral.ai/docs/edgetpu/compiler/"


@dataclass(frozen=True)
class CompilerRun:
    """What the compiler left: its parsed ``log``, its exit code (undocumented), its output file or None, attempts."""

    log: CompilerLog
    exit_code: int
    output: bytes | None
    attempts: int


def find_compiler(named: str | None = None) -> Path | None:
    """Path of the compiler: the one ``named``, else that of the search path; None where that has none.

    Raises :class:`UsageError` where the one named cannot be run.
    """
    found = shutil.which(COMPILER if named is None else named)
    if found is None and named is not None:
        raise UsageError(f"there is no Edge TPU compiler {named}, or it may not be run", HOW_TO_INSTALL)
    return None if found is None else Path(found).absolute()


def check_time_limit(seconds: int) -> None:
    """Raise :class:`UsageError` for a time limit that cannot be."""
    if not 1 <= seconds <= MOST_SECONDS:
        raise UsageError(f"a time limit of {seconds} s cannot be", f"1 to {MOST_SECONDS}")


def run_compiler(
    engine: bytes, compiler: Path, time_limit_s: int = TIME_LIMIT_S, step: Callable[[str], None] = lambda _: None
) -> CompilerRun:
    """Compile ``engine`` (a TFLite file); an internal error, which comes and goes, is tried again.

    Raises :class:`ConversionError` where the compiler cannot be started, or does not end in time.
    """
    for attempt in range(1, ATTEMPTS + 1):
        step(f"attempt {attempt} of {ATTEMPTS}" if attempt > 1 else "")
        with tempfile.TemporaryDirectory(prefix="edgepose-compile-") as folder:
            run = _run_once(engine, compiler, time_limit_s, Path(folder), attempt)
        if not any(INTERNAL_ERROR in error for error in run.log.errors):
            break
    return run


def _run_once(engine: bytes, compiler: Path, time_limit_s: int, folder: Path, attempt: int) -> CompilerRun:
    source, results, printed = folder / "engine.tflite", folder / "results", folder / "printed.txt"
    source.write_bytes(engine)
    results.mkdir()
    command = [str(compiler), "-s", "-t", str(time_limit_s), "-o", str(results), str(source)]
    with printed.open("wb") as log:
        try:
            # A session of its own: it forks, and all of it must end with us.
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, start_new_session=True
            )
        except OSError as error:
            raise ConversionError(f"cannot start {compiler}: {error.strerror}", HOW_TO_INSTALL) from error
        try:
            exit_code = process.wait(time_limit_s + GRACE_S)
        except BaseException as error:  # Ctrl-C included
            _end_all(process)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            raise ConversionError(
                f"{compiler.name} did not end within {time_limit_s} s", "allow it more with --time-limit"
            ) from error
    text = _tail(printed)
    output = results / f"{source.stem}_edgetpu.tflite"
    data = output.read_bytes() if output.is_file() and 0 < output.stat().st_size <= MAX_FILE_BYTES else None
    return CompilerRun(parse_compiler_log(text), exit_code, data, attempt)


def _end_all(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - MAX_LOG_CHARACTERS))
        return file.read().decode("utf-8", "replace")
