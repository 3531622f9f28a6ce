"""Command lines that print what their user asked for, and not what the engine library has to say about itself."""

import contextlib
import os
import sys
import tempfile

# LiteRT announces its delegate on standard error and has no switch for it.
CHATTER = b"INFO: "


@contextlib.contextmanager
def engine_chatter_hidden():
    """Hold back what is written to file descriptor 2, and drop of it the lines that begin with ``INFO:``.

    For command lines alone: the descriptor belongs to the whole process, so a library must not do this.
    """
    try:
        held = tempfile.TemporaryFile()
        standard_error = os.dup(2)
    except OSError:  # no writable temporary folder, or no standard error: some chatter is no reason to stop
        yield
        return
    sys.stderr.flush()
    with held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(standard_error, 2)
            os.close(standard_error)
            held.seek(0)
            for line in held:
                if not line.startswith(CHATTER):
                    os.write(2, line)
