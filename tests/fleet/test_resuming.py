"""What a fleet measures again and what it does not; records are measured here, and ``false`` is the SSH client."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_bundles import engine_bytes, manifest_document, probe_members, squares

from edgepose.bench.gates import Limits
from edgepose.conversion.bundle_writer import bundle_bytes
from edgepose.evaluation.datasets import PersonRecord, PoseDataset
from edgepose.evaluation.probe_set_writer import write_probe_set
from edgepose.fleet import Device, Job, run_jobs
from edgepose.fleet.run_jobs import record_path
from edgepose.runtime.bench_command import bench_settings
from edgepose.runtime.bench_record import bench_bundle
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.errors import EdgeposeError, UsageError

FOUND = [(23, 23), (23, 39), (39, 23)]


@pytest.fixture
def job(tmp_path):
    path = tmp_path / "tiny.edgepose"
    probe = probe_members([FOUND[joint % 3] for joint in range(16)], squares(64, 64))
    path.write_bytes(bundle_bytes(manifest_document("tflite"), {"engine.tflite": engine_bytes("tflite"), **probe}))
    return Job(Device("pi"), path, seconds=0.0)


def is_kept(job, folder):
    (outcome,) = run_jobs([job], folder, lambda *_: None, ["false"])
    assert outcome.kept == (outcome.error is None)
    return outcome.kept


def measure(job, folder, forget=()):
    """Measure ``job`` on this machine, and write the record without what the dotted names in ``forget`` tell."""
    folder.mkdir(exist_ok=True)
    record = bench_bundle(
        job.bundle,
        threads=job.threads,
        settings=bench_settings(job.seconds, job.soak_minutes),
        limits=job.limits,
        probe=None if job.probe is None else str(job.probe),
        label=job.device.name,
    )
    for part, name in forget:
        del record[part][name]
    record_path(folder, job).write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("made", "asked", "forget", "kept"),
    [
        ({}, {}, (), True),
        ({"threads": 1}, {"threads": 1}, (), True),
        ({"threads": 1}, {}, (), False),
        ({}, {"threads": 1}, (), False),
        ({}, {}, [("engine", "threads_asked")], False),
        ({"threads": 1}, {"threads": 1}, [("engine", "threads_asked")], True),
        ({}, {}, [("drift", "set_sha256")], False),
        ({"device": Device("pi", "pi 4")}, {"device": Device("pi", "pi-4")}, (), False),
        ({"seconds": 0.0123456789}, {"seconds": 0.0123456789}, (), True),
        ({"limits": Limits(None, 1234567.5, None)}, {"limits": Limits(None, 1234567.5, None)}, (), True),
    ],
)
def test_a_record_is_kept_where_it_is_what_would_be_measured(made, asked, forget, kept, job, tmp_path):
    measure(replace(job, **made), tmp_path / "records", forget)
    assert is_kept(replace(job, **asked), tmp_path / "records") == kept


def test_a_record_of_another_device_is_not_replaced(job, tmp_path):
    other = replace(job, device=Device("pi", "pi-4"))
    measure(replace(job, device=Device("pi", "pi 4")), tmp_path)
    record = record_path(tmp_path, other).read_bytes()
    for again in (False, True):
        (outcome,) = run_jobs([other], tmp_path, lambda *_: None, ["false"], again)
        assert "pi-4-tiny.json is a record of pi 4" in outcome.error.message
    assert record_path(tmp_path, other).read_bytes() == record


@pytest.fixture
def write_set(job, tmp_path):
    """``write_set("a.zip", head=9.0)`` -> a probe set of one picture; all have the same name."""
    picture = tmp_path / "0.png"
    cv2.imwrite(str(picture), squares(64, 64))
    points = np.array([FOUND[joint % 3] for joint in range(16)], np.float32)

    def write(name, head):
        bundle = Bundle.open(job.bundle)
        person = PersonRecord("0", picture, None, points, np.full(16, True), head, True, "")
        write_probe_set(tmp_path / name, bundle, bundle, PoseDataset("a set", (person,)))
        return tmp_path / name

    return write


def test_drift_is_measured_again_on_another_set_of_the_same_name(job, write_set, tmp_path, monkeypatch):
    first, other = write_set("first.zip", 10.0), write_set("other.zip", 9.0)
    measure(replace(job, probe=first), tmp_path / "records")
    monkeypatch.setattr("time.time", lambda: 1.7e9)
    same = write_set("same.zip", 10.0)
    assert same.read_bytes() == first.read_bytes()
    assert is_kept(replace(job, probe=same), tmp_path / "records")
    assert not is_kept(replace(job, probe=other), tmp_path / "records")
    assert not is_kept(job, tmp_path / "records")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a b", "rt"), ("a-b", "rt")),
        (("Pi", "rt"), ("pi", "rt")),
        (("orin", "nano-rt"), ("orin-nano", "rt")),
        (("pi", "old/rt"), ("pi", "new/rt")),
    ],
)
def test_no_two_jobs_share_a_record(one, other, job, tmp_path):
    jobs = [Job(Device("pi", name), tmp_path / f"{bundle}.edgepose") for name, bundle in (one, other)]
    for path in {each.bundle for each in jobs}:
        path.parent.mkdir(exist_ok=True)
        shutil.copy(job.bundle, path)
    with pytest.raises(UsageError, match="would both write"):
        run_jobs(jobs, tmp_path / "records", lambda *_: None, ["false"])
    assert not (tmp_path / "records").exists()


def test_a_folder_that_nothing_can_be_written_to_is_refused_before_anything_is_sent(job):
    told = []
    with pytest.raises(EdgeposeError, match="cannot write to the folder /proc"):
        run_jobs([job], Path("/proc"), lambda *words: told.append(words), ["false"])
    assert told == []
