"""``edgepose bench``, ``report`` and ``compare``: as a user types them, on this machine."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_bundles import engine_bytes, manifest_document, probe_members, seal, squares
from tiny_records import tiny_record, with_latencies, write_record

from edgepose.conversion.bundle_writer import bundle_bytes
from edgepose.records import read_record
from edgepose.runtime.joints import JOINTS

FOUND = [(23, 23), (23, 39), (39, 23)]
ORIGIN = {"simplified_onnx": {"sha256": "a" * 64}, "source": {"sha256": "b" * 64}}


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("EDGEPOSE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def write(tmp_path):
    """``write("int8", "int8")`` -> a tiny bundle of the one checkpoint."""

    def bundle(name, dtype="float32"):
        document = {**manifest_document("onnx", dtype), "name": name, "provenance": ORIGIN}
        probe = probe_members([FOUND[joint % 3] for joint in range(16)], squares(64, 64))
        path = tmp_path / f"{name}.edgepose"
        path.write_bytes(seal(document, {"engine.onnx": engine_bytes("onnx", dtype), **probe}))
        return path

    return bundle


@pytest.fixture
def dataset(tmp_path):
    """Three persons whose joints are where the tiny engine finds them, but for the third person's first eight."""
    folder = tmp_path / "a set"
    folder.mkdir()
    records = []
    for number, side in enumerate((64, 80, 96)):
        cv2.imwrite(str(folder / f"{number}.png"), squares(side, side))
        points = np.array([FOUND[joint % 3] for joint in range(16)]) * side / 64 - 0.5
        points[:8] += 40 * (number == 2)
        records.append(
            {
                "id": str(number),
                "image": f"{number}.png",
                "keypoints": points.tolist(),
                "evaluate": [True] * 16,
                "head": 10.0,
                "upright": number < 2,
                "source": "made",
            }
        )
    (folder / "annotations.json").write_text(json.dumps({"joints": list(JOINTS), "records": records}))
    return folder


def test_bench_writes_a_record_that_report_and_compare_read(type_command, write, tmp_path):
    record = tmp_path / "record.json"
    typed = type_command("bench", write("float"), "--seconds", "0", "--label", "my desk", "-o", record)
    assert typed.code == 0, typed.err
    assert "on my desk" in typed.out
    assert read_record(record).device == "my desk"
    page = tmp_path / "page.html"
    assert type_command("report", record, "-o", page).code == 0
    assert "my desk" in page.read_text()
    typed = type_command("compare", record, record)
    assert typed.code == 0
    assert "no difference: the interval of the ratio holds 1" in typed.out


def test_a_data_set_is_measured_instead_of_the_probe(type_command, write, dataset, tmp_path):
    reference, bundle, record = write("float"), write("int8", "int8"), tmp_path / "record.json"
    words = ("bench", bundle, "--dataset", dataset, "--reference", reference, "--seconds", "0", "-o", record)
    typed = type_command(*words, "--max-drift", "0.5")
    assert typed.code == 0, typed.err
    drift = read_record(record).document["drift"]
    assert (drift["source"], drift["persons"]) == ("a set", 3)
    assert drift["pckh50"]["total"] == pytest.approx(100 * 40 / 48, abs=0.01)
    assert drift["pckh50_points"]["total"] == 0.0
    typed = type_command(*words, "--subset", "upright")
    assert typed.code == 0, typed.err
    drift = read_record(record).document["drift"]
    assert (drift["source"], drift["persons"], drift["pckh50"]["total"]) == ("a set, upright", 2, 100.0)


def test_drift_on_a_data_set_is_that_of_evaluate(type_command, write, dataset, tmp_path):
    """The same persons, the same float engine: two commands, one answer."""
    reference, bundle, record = write("float"), write("int8", "int8"), tmp_path / "record.json"
    type_command("bench", bundle, "--dataset", dataset, "--reference", reference, "--seconds", "0", "-o", record)
    words = ("evaluate", bundle, "--dataset", dataset, "--reference", reference, "--json")
    evaluated = json.loads(type_command(*words).out)["results"]["all"]
    drift = read_record(record).document["drift"]
    assert drift["pckh50"]["total"] == evaluated["pckh50"]["total"]
    assert drift["pckh10"]["total"] == evaluated["pckh10"]["total"]
    for name in ("pckh50_points", "pckh10_points"):
        assert drift[name]["total"] == evaluated["drift"][name]["total"]
        assert drift[name]["interval95"] == evaluated["drift"][name]["interval95"]
    assert drift["within_0.1_head"]["per_joint"] == evaluated["drift"]["within_0.1_head"]["per_joint"]


def test_a_bound_that_is_not_kept_is_exit_code_3(type_command, write, tmp_path):
    record = tmp_path / "record.json"
    typed = type_command("bench", write("float"), "--seconds", "0", "--max-rss-mb", "1", "-o", record)
    assert typed.code == 3
    assert "the gate does not hold: peak memory in MB" in typed.err
    assert read_record(record).document["gate"]["held"] is False


@pytest.mark.parametrize(
    "words",
    [
        ("--label", "two\nlines"),
        ("--max-rss-mb", "-1"),
        ("--threads", "0"),
        ("-o", "/no/such/folder/record.json"),
        ("--device", "pi", "--threads", "0"),
        ("--device", "pi", "--device", "Pi"),
    ],
)
def test_a_wrong_request_ends_before_the_data_set_is_looked_at(words, type_command, write, tmp_path):
    typed = type_command("bench", write("float"), "--dataset", tmp_path / "none", "-o", tmp_path / "r", *words)
    assert typed.code == 2
    assert "none" not in typed.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "there is no bundle to bench"),
        (("FILE", "--images", "x"), "belong to --dataset"),
        (("FILE", "--max-drift", "1", "--seconds", "0"), "has no true joints"),
        (("FILE", "--seconds", "-1"), "-1.0 seconds"),
        (("FILE", "--seconds", "inf"), "inf seconds cannot be measured"),
        (("FILE", "--label", "two\nlines"), "cannot name a device"),
        (("FILE", "--device", "pi", "--threads", "0"), "0 is not a number of threads"),
        (("FILE", "--device", "pi", "--max-p95-ms", "-1"), "--max-p95-ms -1 cannot be"),
        (("FILE", "--device", "pi", "--ssh-command", ""), "--ssh-command is empty"),
        (("FILE", "--device", "pi", "--ssh-command", "ssh 'x"), "No closing quotation"),
        (("FILE", "--fleet", "fleet.toml"), "are for --device"),
        (("--fleet", "fleet.toml", "--tpu", "0"), "are for --device"),
        (("--fleet", "fleet.toml", "--allow-cpu"), "are for --device"),
        (("--fleet", "fleet.toml", "--folder", "/var/tmp"), "--python and --folder belong to --device"),
        (("FILE", "--python", "python3.9"), "--python and --folder belong to --device"),
        (("FILE", "--again"), "--ssh-command and --again belong to --device and --fleet"),
        (("FILE", "--ssh-command", "ssh -4"), "--ssh-command and --again belong to --device and --fleet"),
        (("FILE", "--device", "-oProxyCommand=x"), "is not a host for ssh"),
        (("FILE", "--device", "pi", "--label", "x"), "of this machine, not of devices"),
        (("FILE", "-o", "/no/such/folder/record.json"), "there is no folder for"),
        (("FILE", "-o", "/"), "cannot write /: it is a folder"),
    ],
)
def test_a_wrong_request_is_exit_code_2(words, message, type_command, write):
    typed = type_command("bench", *[write("float") if word == "FILE" else word for word in words])
    assert typed.code == 2
    assert message in typed.err


def test_no_record_replaces_what_it_is_made_of(type_command, write, tmp_path):
    bundle, pictures, link = Path(write("float")), tmp_path / "set", tmp_path / "link.json"
    pictures.mkdir()
    picture, labels = pictures / "a.jpg", pictures / "annotations.json"
    picture.write_bytes(b"a picture")
    labels.write_text("[]")
    link.symlink_to(bundle)
    for words in (
        ("-o", bundle),
        ("-o", link),
        ("-o", picture, "--source", picture),
        ("-o", picture, "--source", pictures),
        ("-o", labels, "--dataset", pictures),
    ):
        before = [path.read_bytes() for path in (bundle, picture, labels)]
        typed = type_command("bench", bundle, "--seconds", "0", *words)
        assert (typed.code, "it would be replaced" in typed.err) == (2, True), words
        assert [path.read_bytes() for path in (bundle, picture, labels)] == before


def test_a_fleet_file_that_is_not_there_is_exit_code_1(type_command):
    typed = type_command("bench", "--fleet", "missing.toml")
    assert typed.code == 1
    assert "cannot read missing.toml" in typed.err


def test_a_record_on_standard_output_is_alone_there(type_command, write):
    for words in (("-o", "-"), ("--json",)):
        typed = type_command("bench", write("float"), "--seconds", "0", *words)
        assert json.loads(typed.out)["schema"] == 2


def test_a_bundle_that_brings_no_bench_is_not_sent_anywhere(type_command, write, tmp_path):
    typed = type_command("bench", write("float"), "--device", "nowhere.invalid", "-o", tmp_path / "records")
    assert typed.code == 1
    assert "do not bench over SSH" in typed.err
    assert "convert again" in typed.err


@pytest.fixture
def bundle(tmp_path):
    """A bundle that can be sent."""
    path = tmp_path / "it.edgepose"
    path.write_bytes(bundle_bytes(manifest_document("onnx"), {"engine.onnx": engine_bytes("onnx")}))
    return path


def test_options_for_devices_leave_those_of_a_fleet_file_alone(type_command, bundle, tmp_path):
    fleet, asked = tmp_path / "fleet.toml", tmp_path / "asked"
    fleet.write_text(f'schema = 1\nbundles = ["{bundle.name}"]\n[[device]]\nhost = "orin"\ndla = 1\nthreads = 2\n')
    ssh = tmp_path / "ssh"
    ssh.write_text(f'#!/bin/sh\necho "$@" >>"{asked}"\nexit 1\n')
    ssh.chmod(0o755)
    words = ("--fleet", fleet, "--device", "coral", "--tpu", "usb:0", "--ssh-command", ssh, "-o", tmp_path / "r")
    assert type_command("bench", bundle, *words).code == 1
    asked = {line.split("--label ")[1].split()[0]: line for line in asked.read_text().splitlines() if "--label" in line}
    assert "--threads 2 --dla 1" in asked["orin"]
    assert "--tpu" not in asked["orin"]
    assert "--tpu usb:0" in asked["coral"]


def test_a_device_that_cannot_be_reached_is_exit_code_1_and_one_line(type_command, bundle, tmp_path):
    typed = type_command("bench", bundle, "--device", "pi", "--ssh-command", "false", "-o", tmp_path / "r", "--json")
    assert typed.code == 1
    assert typed.err.count("error:") == 1
    (told,) = json.loads(typed.out)
    assert told["record"] is None
    assert told["error"]["message"] in typed.err
    assert "edgepose report" not in typed.err
    typed = type_command("bench", bundle, "--device", "pi", "--ssh-command", "no-such-ssh", "-o", tmp_path / "r")
    assert "cannot start no-such-ssh" in typed.err
    typed = type_command("bench", bundle, "--device", "pi", "--ssh-command", "false", "-o", bundle)
    assert typed.code == 1
    assert "cannot make the folder" in typed.err
    assert "it is a file" in typed.err


@pytest.fixture
def two_records(tmp_path):
    slow = with_latencies(tiny_record(), [20.0 + number % 7 for number in range(200)])
    fast = with_latencies(tiny_record(), [10.0 + number % 5 for number in range(200)])
    return write_record(tmp_path / "slow.json", slow), write_record(tmp_path / "fast.json", fast)


def test_compare_in_markdown_is_a_table(type_command, two_records):
    out = type_command("compare", *two_records, "--markdown").out
    assert out.startswith("**B is faster: 1.92 times as fast at the median**\n")
    header, rule, *rows = [line for line in out.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in (header, rule, *rows)} == {6}
    assert [row.split("|")[1].strip() for row in rows][:2] == ["p50 ms", "p95 ms"]


def test_compare_as_json(type_command, two_records):
    document = json.loads(type_command("compare", *reversed(two_records), "--json").out)
    assert document["verdict"] == "slower"
    assert document["times_as_fast"]["p50"]["ratio"] == pytest.approx(12 / 23, abs=0.001)


def test_emulated_records_are_refused(type_command, two_records, tmp_path):
    emulated = write_record(tmp_path / "emulated.json", tiny_record(kind="emulated"))
    typed = type_command("compare", two_records[0], emulated)
    assert typed.code == 2
    assert "is emulated: its times are not a device's" in typed.err


@pytest.mark.parametrize("command", ["report", "compare"])
def test_what_is_no_record_is_exit_code_1(command, type_command, tmp_path):
    path = tmp_path / "no.json"
    path.write_text("{}")
    typed = type_command(command, *[path] * 2)
    assert typed.code == 1
    assert f"{path} is not a bench record" in typed.err
    assert not (tmp_path / "report.html").exists()
