"""How the command lines end: every error becomes a message and a documented exit code, never a traceback."""

import os
import sys

from edgepose.runtime.errors import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, EdgeposeError

DEBUG_VARIABLE = "EDGEPOSE_DEBUG"


def exit_code_of(work, print_error):
    """Call ``work()`` and return its exit code (None is 0), or an error's after ``print_error(message, hint)``.

    With EDGEPOSE_DEBUG set, a fault in edgepose itself is raised instead.
    """
    try:
        code = work()
        sys.stdout.flush()
        return EXIT_DONE if code is None else code
    except SystemExit as done:  # a parser of options, after --help or a wrong option
        return done.code if isinstance(done.code, int) else EXIT_USAGE if done.code else EXIT_DONE
    except EdgeposeError as error:
        print_error(error.message, error.hint)
        return error.exit_code
    except KeyboardInterrupt:
        print_error("interrupted", "nothing was left half-written")
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # whoever read our output left, as `| head` does
        _abandon_output()
        return EXIT_FAILED
    except MemoryError:
        print_error("not enough memory", "use smaller images, or close other programs")
        return EXIT_FAILED
    except ImportError as error:
        print_error(
            "a library is missing or broken: {}".format(error),
            "{} -m pip install numpy opencv-python-headless".format(sys.executable),
        )
        return EXIT_FAILED
    except OSError as error:
        print_error("reading or writing failed: {}".format(error), "check the paths, the rights and the free space")
        _abandon_output()
        return EXIT_FAILED
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        print_error(
            "a fault in edgepose itself: {}: {}".format(type(error).__name__, error),
            "please report it with the output of the same command under {}=1".format(DEBUG_VARIABLE),
        )
        return EXIT_FAILED


def _abandon_output():
    """Let what Python flushes to standard output at exit go nowhere: it could only fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
