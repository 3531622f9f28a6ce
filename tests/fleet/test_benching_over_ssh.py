"""The whole chain over a real OpenSSH server on this machine, and what goes wrong on the way."""

import json
import os
import signal
import sys

import pytest
from loopback_sshd import children_of, executable, loopback_sshd, parent_of, shell_of_the_bench, wait_until_empty
from tiny_bundles import engine_bytes, manifest_document, probe_members, squares

from edgepose.bench.gates import NO_LIMITS, Limits
from edgepose.conversion.bundle_writer import bundle_bytes
from edgepose.fleet import Device, Job, run_jobs
from edgepose.records import read_record

FOUND = [(23, 23), (23, 39), (39, 23)]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "tiny.edgepose"
    probe = probe_members([FOUND[joint % 3] for joint in range(16)], squares(64, 64))
    path.write_bytes(bundle_bytes(manifest_document("tflite"), {"engine.tflite": engine_bytes("tflite"), **probe}))
    return path


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """The server of all tests that need no other: a device whose login prints a greeting."""
    greeting = 'ForceCommand echo Welcome to the nursery; eval "$SSH_ORIGINAL_COMMAND"'
    with loopback_sshd(tmp_path_factory.mktemp("ssh") / "server", "nursery", lines=[greeting]) as client:
        yield client


@pytest.fixture
def bench(bundle, client, tmp_path):
    """``bench(Device(...), seconds=0)`` -> its one outcome; the device's folder is ``bench.home``."""

    def run(*devices, progress=lambda *_: None, again=False, config=client, **fields):
        jobs = [Job(one, bundle, **{"seconds": 0.0, "threads": 1, **fields}) for one in devices]
        return run_jobs(jobs, tmp_path / "records", progress, ["ssh", "-F", str(config)], again)

    run.home = tmp_path / "device home"
    run.home.mkdir()
    run.records = tmp_path / "records"
    return run


@pytest.fixture
def nursery(bench):
    return Device("nursery", python=sys.executable, folder=str(bench.home))


def test_a_record_comes_back_and_nothing_stays(bench, nursery):
    phases = []
    (outcome,) = bench(nursery, progress=lambda job, phase, done, total: phases.append(phase))
    assert outcome.error is None
    assert outcome.record.device == "nursery"
    assert outcome.record.document["engine"]["threads"] == 1
    assert read_record(bench.records / "nursery-tiny.json").document == outcome.record.document
    assert phases[0] == "connecting"
    assert phases[-1] == "done"
    assert "copying" in phases
    assert os.listdir(bench.home) == []


def test_what_fails_on_one_device_leaves_the_others_alone(bench, client, nursery, tmp_path):
    config = tmp_path / "config"
    config.write_text(f"Include {client}\nHost closed\n  HostName 127.0.0.1\n  Port 9\n")
    outcomes = bench(Device("closed"), nursery, Device("no-such-host.invalid"), config=config)
    assert [one.error is None for one in outcomes] == [False, True, False]
    assert "cannot connect to closed" in outcomes[0].error.message
    assert "Connection refused" in outcomes[0].error.message
    assert "resolve hostname" in outcomes[2].error.message
    assert "is the device on" in outcomes[2].error.hint
    assert os.listdir(bench.records) == ["nursery-tiny.json"]


def test_a_key_that_is_not_known_there(bench, client, nursery, tmp_path):
    config = tmp_path / "config"
    lines = client.read_text().replace("user_key", "host_key")
    config.write_text(lines)
    (outcome,) = bench(nursery, config=config)
    assert "Permission denied" in outcome.error.message
    assert "ssh-copy-id nursery" in outcome.error.hint


def test_a_bench_that_is_killed(bench, nursery):
    def kill(_, phase, *__):
        if phase == "measuring":
            for child in children_of(shell_of_the_bench(bench.home)):
                os.kill(child, signal.SIGKILL)

    (outcome,) = bench(nursery, seconds=300.0, progress=kill)
    assert "killed on the device (signal 9)" in outcome.error.message
    assert "out of memory" in outcome.error.hint
    wait_until_empty(bench.home)
    assert not bench.records.exists() or os.listdir(bench.records) == []


def test_a_connection_that_is_lost(bench, nursery):
    lost = []

    def cut(_, phase, *__):
        if phase == "measuring" and not lost:
            lost.append(parent_of(shell_of_the_bench(bench.home)))
            os.kill(lost[0], signal.SIGKILL)

    (outcome,) = bench(nursery, seconds=300.0, progress=cut)
    assert "the connection was lost while measuring" in outcome.error.message
    assert "runs again what is not done" in outcome.error.hint
    wait_until_empty(bench.home)


def test_who_asked_goes_away(bench, nursery):
    class Interrupted(BaseException):
        pass

    def interrupt(_, phase, *__):
        if phase == "measuring":
            raise Interrupted

    with pytest.raises(Interrupted):
        bench(nursery, seconds=300.0, progress=interrupt)
    wait_until_empty(bench.home)


def test_a_device_that_is_full(bundle, bench, nursery, tmp_path):
    with loopback_sshd(tmp_path / "quota", "nursery", largest_file=20000) as config:
        (outcome,) = bench(nursery, config=config)
    assert "does not fit onto the device" in outcome.error.message
    assert "File too large" in outcome.error.message
    assert "--folder" in outcome.error.hint
    assert os.listdir(bench.home) == []


def test_a_device_without_python(bench, nursery):
    (outcome,) = bench(Device("nursery", python="python9", folder=str(bench.home)))
    assert outcome.error.message == "there is no python9 on the device"
    assert os.listdir(bench.home) == []


def test_a_device_with_an_old_python(bench, tmp_path):
    old = executable(tmp_path / "python2", '#!/bin/sh\n[ "$1" = -V ] && echo Python 2.7.18\nexit 1\n')
    (outcome,) = bench(Device("nursery", python=old, folder=str(bench.home)))
    assert "is Python 2.7.18" in outcome.error.message


def test_a_device_without_the_engine_library(bench, tmp_path):
    for name in ("ai_edge_litert", "tflite_runtime"):
        (tmp_path / "site" / name).mkdir(parents=True)
        absent = f"raise ModuleNotFoundError('there is none', name='{name}')\n"
        (tmp_path / "site" / name / "__init__.py").write_text(absent)
    python = executable(
        tmp_path / "python3", f'#!/bin/sh\nPYTHONPATH="{tmp_path / "site"}" exec "{sys.executable}" "$@"\n'
    )
    (outcome,) = bench(Device("nursery", python=python, folder=str(bench.home)))
    assert "needs LiteRT" in outcome.error.message
    assert "not installed" in outcome.error.message
    assert "pip install ai-edge-litert" in outcome.error.hint
    assert os.listdir(bench.home) == []


def test_a_folder_that_is_not_there(bench):
    (outcome,) = bench(Device("nursery", python=sys.executable, folder="/no/such/folder"))
    assert "nothing can be written to /no/such/folder" in outcome.error.message


def test_what_a_device_left_when_it_lost_its_power_is_removed(bench, nursery):
    stale = bench.home / ".edgepose-bench.abcdef"
    stale.mkdir()
    (stale / "pid").write_text("4194400\n")  # no process has a number so high
    living = bench.home / ".edgepose-bench.ghijkl"
    living.mkdir()
    (living / "pid").write_text(f"{os.getpid()}\n")
    (outcome,) = bench(nursery)
    assert outcome.error is None
    assert os.listdir(bench.home) == [living.name]


def test_what_was_measured_is_not_measured_again(bench, nursery):
    (first,) = bench(nursery)
    (second,) = bench(nursery)
    assert (first.kept, second.kept) == (False, True)
    assert second.record.document == first.record.document
    for fields in ({"again": True}, {"seconds": 0.1}, {"limits": Limits(None, 1e6, None)}, {"threads": 2}):
        (other,) = bench(nursery, **fields)
        assert not other.kept, fields


def test_options_of_the_engine_are_asked_for_and_told(bench, nursery):
    bench(nursery)
    (outcome,) = bench(nursery, engine_options=("--allow-cpu",))
    assert not outcome.kept
    assert outcome.record.document["engine"]["options"] == ["--allow-cpu"]
    (outcome,) = bench(nursery, engine_options=("--tpu", "0"))
    assert "run on no Edge TPU" in outcome.error.message


def test_a_record_that_was_cut_short_is_measured_again(bench, nursery):
    bench.records.mkdir()
    (bench.records / "nursery-tiny.json").write_text('{"schema": 2')
    (outcome,) = bench(nursery)
    assert not outcome.kept
    json.loads((bench.records / "nursery-tiny.json").read_text())


def test_a_bound_that_is_not_kept_comes_back_with_its_record(bench, nursery):
    assert NO_LIMITS == (None, None, None)
    (outcome,) = bench(nursery, limits=Limits(None, 0.0, None))
    assert outcome.error is None
    assert outcome.record.document["gate"]["held"] is False
