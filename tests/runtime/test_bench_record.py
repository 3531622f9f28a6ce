import json
import os
import sys

import cv2
import pytest
from tiny_bundles import probe_members, squares, tiny_bundle

from edgepose.bench.gates import Limits
from edgepose.bench.measure import DEFAULT_SETTINGS, sustained
from edgepose.runtime.bench_command import bench_settings, record_bytes, show_and_keep
from edgepose.runtime.bench_progress import BenchLine
from edgepose.runtime.bench_record import PARTS, bench_bundle
from edgepose.runtime.bench_table import bench_table
from edgepose.runtime.errors import EdgeposeError, SourceError, UsageError
from edgepose.runtime.joints import JOINTS

BRIEF = DEFAULT_SETTINGS._replace(min_duration_s=0.0)
FOUND = [(23, 23), (23, 39), (39, 23)]


def labelled_probe(truth, head=10.0):
    """A probe whose float joints are those that the tiny engine finds, with ``truth`` [16, 2] beside them."""
    members = probe_members([FOUND[joint % 3] for joint in range(16)], squares(64, 64))
    document = json.loads(members["probe/poses.json"].decode("ascii"))
    document["crops"][0].update(truth=truth, head=head)
    members["probe/poses.json"] = json.dumps(document).encode("ascii")
    return members


@pytest.fixture
def record(bundle_path):
    return bench_bundle(bundle_path, threads=1, settings=BRIEF, label="a board")


def test_what_a_record_holds(record):
    assert record["schema"] == 2
    assert record["device"] == "a board"
    assert record["bundle"]["name"] == "tiny-host-fp32"
    count = len(record["starts_ms"])
    assert count >= 20
    assert sorted(record["samples_ms"]) == sorted(PARTS)
    for part in PARTS:
        assert len(record["samples_ms"][part]) == count == record["latency_ms"][part]["samples"]
    stages = [sum(record["samples_ms"][part][number] for part in PARTS[:-1]) for number in range(count)]
    totals = record["samples_ms"]["total"]
    assert all(stage <= total + 0.001 for stage, total in zip(stages, totals))
    assert record["settings"]["min_calls"] == 20
    assert record["settings"]["sample_interval_s"] > 0
    assert len(record["warm_up"]["samples_ms"]) >= 10 or record["warm_up"]["steady"] is False
    assert 0 <= record["harness_overhead_us"] < 1000
    assert sorted(record["load_ms"]) == ["bundle", "engine"]
    assert record["drift"]["within_0.1_head"]["total"] == 100.0
    assert record["drift"]["pckh50"] is None
    assert record["drift"]["set_sha256"] is None
    assert record["engine"]["threads_asked"] == 1
    assert record["gate"] is None


def test_sensors_have_a_value_for_each_time_and_begin_before_the_first_measured_call(record):
    sensors = record["sensors"]
    assert sensors["times_s"][0] <= 0 < sensors["times_s"][-1]
    assert {len(series["values"]) for series in sensors["series"]} <= {len(sensors["times_s"])}
    kinds = {series["kind"] for series in sensors["series"]}
    assert kinds or sensors["absent"]
    assert not kinds & set(sensors["absent"])


def test_the_same_record_gives_the_same_bytes(record):
    assert record_bytes(record) == record_bytes(json.loads(record_bytes(record).decode("ascii")))


def test_the_table_says_what_the_record_says(record):
    table = bench_table(dict(record, warnings=["THROTTLED in 50% of the samples: throttled"]))
    assert "tiny-host-fp32, 1 thread" in table
    assert "on a board" in table
    assert "warning: THROTTLED" in table
    assert "power: not measured, " in table or " mJ a pose" in table
    for part in PARTS:
        assert "\n" + part in table


def test_ground_truth_in_the_probe_gives_pckh_and_what_was_lost(any_engine, write_bundle):
    """Half the joints are where the truth is, one in four a third of a head beside it, the rest nowhere near."""
    truth = [[*FOUND[joint % 3]] for joint in range(16)]
    for joint in range(16):
        if joint % 4 == 1:
            truth[joint][0] += 10.0 / 3
        elif joint % 4 == 3:
            truth[joint][0] += 30.0
    truth[0] = [None, None]
    path = write_bundle(tiny_bundle(any_engine, probe=labelled_probe(truth)))
    record = bench_bundle(path, threads=1, settings=BRIEF, limits=Limits(0.0, None, None))
    drift = record["drift"]
    assert drift["pckh50"]["joints"] == 15
    assert drift["pckh50"]["total"] == pytest.approx(100 * 11 / 15.0, abs=0.01)
    assert drift["pckh10"]["total"] == pytest.approx(100 * 7 / 15.0, abs=0.01)
    assert drift["pckh50"]["per_joint"][JOINTS[0]] is None
    assert drift["pckh50_points"]["total"] == drift["pckh10_points"]["total"] == 0.0
    assert drift["pckh50_points"]["interval95"] == [0.0, 0.0]
    assert record["gate"]["held"] is True


def test_an_engine_that_moved_has_drifted(any_engine, write_bundle):
    members = labelled_probe([[*FOUND[joint % 3]] for joint in range(16)])
    document = json.loads(members["probe/poses.json"].decode("ascii"))
    for point in document["crops"][0]["truth"][:4]:
        point[0] += 30.0
    # The float model found these four joints; the engine does not.
    document["crops"][0]["keypoints"][:4] = document["crops"][0]["truth"][:4]
    members["probe/poses.json"] = json.dumps(document).encode("ascii")
    path = write_bundle(tiny_bundle(any_engine, probe=members))
    record = bench_bundle(path, threads=1, settings=BRIEF, limits=Limits(24.9, None, None))
    assert record["drift"]["pckh50_points"]["total"] == -25.0
    assert record["drift"]["within_0.1_head"]["total"] == 75.0
    assert record["gate"]["held"] is False


@pytest.mark.parametrize("label", ["two\nlines", "a bell\a", "half \ud83d", "a line\u2028sign", "long" * 60])
def test_a_label_that_no_table_could_show_is_refused_before_any_measuring(label, bundle_path):
    told = []
    with pytest.raises(UsageError, match="cannot name a device"):
        bench_bundle(bundle_path, settings=BRIEF, label=label, progress=lambda *words: told.append(words))
    assert told == []


def test_any_other_label_is_written_and_read(bundle_path):
    label = "Küche 厨房 \U0001f476\u200d\U0001f37c"
    assert json.loads(record_bytes(bench_bundle(bundle_path, settings=BRIEF, label=label)).decode())["device"] == label


def test_pictures_of_the_probe_are_in_the_record(record):
    (crop,) = record["drift"]["crops"]
    assert crop["picture_scale"] == 1.0
    assert crop["picture_jpeg"].startswith("/9j/")


def test_frames_of_files_are_captured_anew_for_each_call(bundle_path, in_folder):
    cv2.imwrite("a.png", squares(640, 480))
    record = bench_bundle(bundle_path, threads=1, settings=BRIEF, sources=["a.png"])
    assert record["capture"] == {"from": "files", "frames": ["a.png"]}
    assert record["latency_ms"]["capture"]["p50"] > 0.2
    with pytest.raises(SourceError):
        bench_bundle(bundle_path, settings=BRIEF, sources=["missing.png"])


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are text here")
def test_a_file_whose_name_is_no_text_gives_a_record_of_text(bundle_path, in_folder):
    name = os.fsdecode(b"\xff.png")
    with open(name, "wb") as file:
        file.write(cv2.imencode(".png", squares(64, 64))[1].tobytes())
    record = bench_bundle(bundle_path, threads=1, settings=BRIEF, sources=[name])
    assert record["capture"]["frames"] == ["\ufffd.png"]


@pytest.mark.parametrize("limits", [Limits(1.0, None, None), Limits(None, -1.0, None)])
def test_a_gate_that_cannot_be_is_refused_before_any_measuring(limits, bundle_path):
    told = []
    with pytest.raises(UsageError):
        bench_bundle(bundle_path, settings=BRIEF, limits=limits, progress=lambda *words: told.append(words))
    assert told == []


def test_a_sustained_load_has_no_warm_up(bundle_path):
    record = bench_bundle(bundle_path, threads=1, settings=sustained(0.005))
    assert record["settings"]["scenario"] == "sustained"
    assert record["warm_up"] == {"steady": None, "samples_ms": []}
    assert record["duration_s"] >= 0.3


def test_settings_of_the_command_line():
    assert bench_settings(3.0).min_duration_s == 3.0
    assert bench_settings(3.0, 2.0).min_duration_s == 120.0
    for seconds, minutes in ((float("nan"), None), (float("inf"), None), (-1.0, None), (1.0, 0.0), (1.0, float("inf"))):
        with pytest.raises(UsageError):
            bench_settings(seconds, minutes)


def test_progress_has_a_line_on_a_terminal_alone(capsys):
    class Terminal:
        def __init__(self, is_terminal):
            self.text, self._is_terminal = "", is_terminal

        def isatty(self):
            return self._is_terminal

        def write(self, text):
            self.text += text

        def flush(self):
            pass

    seconds = iter([0.0, 1.0, 3.0])
    for is_terminal, drawn in ((True, True), (False, False)):
        stream = Terminal(is_terminal)
        seconds = iter([0.0, 1.0, 3.0])
        with BenchLine(stream, clock=lambda seconds=seconds: next(seconds)) as line:
            line("measuring", 1.0, 60.0)
            assert stream.text == ""
            line("measuring", 3.0, 60.0)
        assert ("measuring: 3 of 60 s" in stream.text) == drawn
        assert stream.text.endswith("\r") == drawn


def test_a_record_that_has_no_place_is_refused_before_any_measuring(bundle_path, in_folder):
    from edgepose.runtime.main import main

    assert main(["bench", "--seconds", "0", "--json", "no/where.json"], bundle_path=bundle_path) == 2
    os.mkdir("folder.json")
    assert main(["bench", "--seconds", "0", "--json", "folder.json"], bundle_path=bundle_path) == 2
    assert os.listdir("folder.json") == []


def test_what_was_measured_is_shown_where_it_can_no_longer_be_written(record, in_folder, capsys):
    with pytest.raises(EdgeposeError, match="cannot write"):
        show_and_keep(record, "gone/record.json", as_json=False)
    assert capsys.readouterr().out == bench_table(record) + "\n"
