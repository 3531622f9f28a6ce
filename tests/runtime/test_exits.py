import os
import signal
import subprocess
import sys

import pytest

import edgepose

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(edgepose.__file__)))
PROGRAM = """
import os, signal, sys
from edgepose.runtime.exits import exit_code_of
signal.signal(signal.SIGHUP, getattr(signal, sys.argv[1]))
sys.exit(exit_code_of(lambda: os.kill(os.getpid(), signal.SIGHUP), print))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
@pytest.mark.parametrize(("before", "code"), [("SIG_DFL", 129), ("SIG_IGN", 0)])
def test_a_hangup_ends_the_work_unless_it_is_ignored(before, code):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, before], stdout=subprocess.PIPE, env=dict(os.environ, PYTHONPATH=ROOT)
    )
    out, _ = process.communicate()
    assert (process.returncode, b"terminated" in out) == (code, code == 129)
