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
number = getattr(signal, sys.argv[1])
signal.signal(number, getattr(signal, sys.argv[2]))
sys.exit(exit_code_of(lambda: os.kill(os.getpid(), number), print))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
@pytest.mark.parametrize(
    ("number", "before", "code", "told"),
    [
        ("SIGHUP", "SIG_DFL", 129, "terminated nothing was left half-written"),
        ("SIGHUP", "SIG_IGN", 0, ""),
        ("SIGINT", "SIG_DFL", 130, "interrupted nothing was left half-written"),
        ("SIGINT", "SIG_IGN", 0, ""),
        ("SIGTERM", "SIG_DFL", 143, "terminated nothing was left half-written"),
    ],
)
def test_a_signal_ends_the_work_with_its_code_unless_it_is_ignored(number, before, code, told):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, number, before],
        stdout=subprocess.PIPE,
        env=dict(os.environ, PYTHONPATH=ROOT),
        universal_newlines=True,
    )
    out, _ = process.communicate()
    assert (process.returncode, out.strip()) == (code, told)
