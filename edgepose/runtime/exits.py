"""How the command lines end: every error becomes a message and a documented exit code, never a traceback."""

import contextlib
import os
import signal
import sys
import threading

from edgepose.runtime.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_HUNG_UP,
    EXIT_INTERRUPTED,
    EXIT_TERMINATED,
    EXIT_USAGE,
    EdgeposeError,
)

DEBUG_VARIABLE = "EDGEPOSE_DEBUG"


class Terminated(BaseException):
    """SIGTERM or SIGHUP arrived: unwinds like Ctrl-C, so that no temporary file stays behind."""

    def __init__(self, exit_code):
        super(Terminated, self).__init__(exit_code)
        self.exit_code = exit_code


def exit_code_of(work, print_error):
    """Call ``work()`` and return its exit code (None is 0), or an error's after ``print_error(message, hint)``.

    With EDGEPOSE_DEBUG set, a fault in edgepose itself is raised instead.
    """
    _mend_standard_streams()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _raise_terminated)
        hangup = getattr(signal, "SIGHUP", None)  # Windows has none
        if hangup is not None and signal.getsignal(hangup) != signal.SIG_IGN:  # ignored under nohup
            signal.signal(hangup, _raise_terminated)
        if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:  # of a bundle, while modules were loading
            signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        code = _finished(work)
    except BaseException as error:
        # Typer, and extension modules that are interrupted while they load, put something of their own on top.
        causes = _causes(error)
        for terminated in causes:
            if isinstance(terminated, Terminated):
                with contextlib.suppress(OSError):  # of a terminal that is gone
                    print_error("terminated", "nothing was left half-written")
                return terminated.exit_code
        if any(isinstance(cause, KeyboardInterrupt) for cause in causes):
            print_error("interrupted", "nothing was left half-written")
            return EXIT_INTERRUPTED
        return _exit_code(error, print_error)
    return EXIT_DONE if code is None else code


def _finished(work):
    code = work()
    sys.stdout.flush()
    return code


def _exit_code(error, print_error):
    """The exit code for ``error``, explained with ``print_error``."""
    if isinstance(error, SystemExit):  # a parser of options, after --help or a wrong option
        return error.code if isinstance(error.code, int) else EXIT_USAGE if error.code else EXIT_DONE
    if isinstance(error, EdgeposeError):
        print_error(error.message, error.hint)
        return error.exit_code
    if isinstance(error, BrokenPipeError):  # whoever read our output left, as `| head` does
        _abandon_output()
    elif isinstance(error, MemoryError):
        print_error("not enough memory", "use smaller images, or close other programs")
    elif isinstance(error, ImportError):
        hint = "{} -m pip install numpy opencv-python-headless".format(sys.executable)
        print_error("a library is missing or broken: {}".format(error), hint)
    elif isinstance(error, OSError):
        print_error("reading or writing failed: {}".format(error), "check the paths, the rights and the free space")
        _abandon_output()
    elif os.environ.get(DEBUG_VARIABLE) or not isinstance(error, Exception):
        raise error
    else:
        print_error(
            "a fault in edgepose itself: {}: {}".format(type(error).__name__, error),
            "please report it with the output of the same command under {}=1".format(DEBUG_VARIABLE),
        )
    return EXIT_FAILED


def _causes(error):
    """``error`` and what led to it."""
    causes = []
    while error is not None and error not in causes:
        causes.append(error)
        error = error.__cause__ or error.__context__
    return causes


def _raise_terminated(number, _):
    raise Terminated(EXIT_TERMINATED if number == signal.SIGTERM else EXIT_HUNG_UP)


def _mend_standard_streams():
    """Let a closed stream swallow what is printed, and one of a narrow encoding print every file name somehow."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))
        elif stream.errors == "strict" and hasattr(stream, "reconfigure"):  # Python 3.7 or newer
            stream.reconfigure(errors="backslashreplace")


def _abandon_output():
    """Let what Python flushes to standard output at exit go nowhere: it could only fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
