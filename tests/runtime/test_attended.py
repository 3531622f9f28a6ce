import json
import os
import subprocess
import sys

import pytest

import edgepose

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(edgepose.__file__)))


@pytest.fixture
def start(bundle_path):
    """``start("--seconds", "0")`` runs the bundle's bench as one that is watched."""

    def run(*arguments):
        code = "import sys; from edgepose.runtime.main import main; sys.exit(main(bundle_path=sys.argv.pop(1)))"
        command = [sys.executable, "-c", code, bundle_path, "bench", "--attended", "@mark", "--threads", "1"]
        return subprocess.Popen(
            command + list(arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(os.environ, PYTHONPATH=ROOT),
            universal_newlines=True,
        )

    return run


def test_every_line_is_marked_and_the_last_is_the_record(start):
    process = start("--seconds", "1.5")
    out = process.stdout.read().splitlines()
    process.stdin.close()
    assert process.wait() == 0, process.stderr.read()
    assert all(line.startswith("@mark ") for line in out)
    kinds = [line.split(" ", 2)[1] for line in out]
    assert kinds[-1] == "record"
    assert set(kinds[:-1]) == {"progress"}
    assert json.loads(out[-1].split(" ", 2)[2])["bundle"]["name"] == "tiny-host-fp32"
    told = json.loads(out[0].split(" ", 2)[2])
    assert sorted(told) == ["done", "phase", "total"]


def test_it_stops_when_nobody_watches_any_more(start):
    process = start("--seconds", "300")
    assert process.stdout.readline().startswith("@mark progress")
    process.stdin.close()
    assert process.wait() == 143
    assert "terminated" in process.stderr.read()
