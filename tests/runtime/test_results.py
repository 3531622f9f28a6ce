import csv
import io
import json

import numpy as np
import pytest

from edgepose.runtime.errors import EdgeposeError, UsageError
from edgepose.runtime.joints import JOINTS
from edgepose.runtime.pose import Pose
from edgepose.runtime.results import CsvWriter, JsonLinesWriter, JsonWriter, TextWriter, json_writer, open_writer
from edgepose.runtime.sources import Frame

POSE = Pose(np.arange(32).reshape(16, 2) * 1.5, np.linspace(0, 0.75, 16))
PHOTO = Frame("a.jpg", None, None, np.zeros((4, 4, 3), np.uint8))
VIDEO = Frame('clip "1".mp4', 7, 0.28, PHOTO.image)
HEADER = {"bundle": "tiny", "decoder": "official"}


def written(kind, frames, min_score=0.0, region=None):
    stream = io.StringIO()
    writer = kind(stream, HEADER, min_score)
    for frame in frames:
        writer.write(frame, region, POSE)
    writer.close()
    return stream.getvalue()


def test_json_lines_are_one_object_each():
    first, second = (json.loads(line) for line in written(JsonLinesWriter, [PHOTO, VIDEO]).splitlines())
    assert (first["source"], first["frame"], first["seconds"], first["region"]) == ("a.jpg", None, None, None)
    assert (second["source"], second["frame"], second["seconds"]) == (VIDEO.source, 7, 0.28)
    assert first["joints"] == POSE.to_dict()


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_json_document_is_whole_whatever_it_holds(count):
    document = json.loads(written(JsonWriter, [PHOTO] * count))
    assert len(document["frames"]) == count
    assert document["bundle"] == "tiny"


def test_joints_below_the_score_are_null():
    (line,) = written(JsonLinesWriter, [PHOTO], min_score=0.5, region=(1, 2, 3, 4)).splitlines()
    record = json.loads(line)
    assert record["region"] == [1, 2, 3, 4]
    nulls = [name for name in JOINTS if record["joints"][name] is None]
    assert nulls == list(JOINTS[:10])


def test_csv_has_a_row_a_frame():
    first, second = csv.DictReader(io.StringIO(written(CsvWriter, [PHOTO, VIDEO], min_score=0.5)))
    assert (first["source"], first["frame"], first["seconds"]) == ("a.jpg", "", "")
    assert (second["source"], second["frame"], second["seconds"]) == (VIDEO.source, "7", "0.2800")
    assert (first["head_top_x"], first["head_top_score"]) == ("", "0.00000")
    assert (first["left_ankle_x"], first["left_ankle_y"], first["left_ankle_score"]) == ("45.000", "46.500", "0.75000")
    assert len(first) == 3 + 3 * len(JOINTS)


def test_text_is_for_reading():
    lines = written(TextWriter, [VIDEO], min_score=0.5).splitlines()
    assert lines[0] == VIDEO.source + "  frame 7, 0.28 s"
    assert lines[1].split() == ["head_top", "-", "-", "0.00"]
    assert lines[16].split() == ["left_ankle", "45.0", "46.5", "0.75"]


@pytest.mark.parametrize(
    ("path", "kind"),
    [("-", JsonLinesWriter), ("a.jsonl", JsonLinesWriter), ("a.json", JsonWriter), ("A.JSON", JsonWriter)],
)
def test_the_suffix_says_which_json(path, kind):
    assert json_writer(path) is kind


def test_an_unknown_suffix_is_refused():
    with pytest.raises(UsageError, match=r"cannot tell what to write to a\.txt"):
        json_writer("a.txt")


def test_files_appear_when_they_are_whole(in_folder):
    with open_writer(JsonWriter, "a.json", HEADER, 0) as writer:
        writer.write(PHOTO, None, POSE)
        assert not (in_folder / "a.json").exists()
    assert json.loads((in_folder / "a.json").read_text())["frames"][0]["source"] == "a.jpg"


def test_nothing_is_left_of_an_interrupted_run(in_folder):
    with pytest.raises(KeyboardInterrupt), open_writer(CsvWriter, "a.csv", HEADER, 0) as writer:
        writer.write(PHOTO, None, POSE)
        raise KeyboardInterrupt
    assert list(in_folder.iterdir()) == []


@pytest.mark.parametrize("kind", [JsonWriter, CsvWriter])
def test_a_name_of_any_bytes_is_kept(in_folder, kind):
    name = b"bad\xff \xc3\xbc.jpg"  # as Python reads it from a folder or the command line
    with open_writer(kind, "a.txt", HEADER, 0) as writer:
        writer.write(PHOTO._replace(source=name.decode("utf-8", "surrogateescape")), None, POSE)
    written = (in_folder / "a.txt").read_bytes()
    assert name in written if kind is CsvWriter else b"bad\\udcff \\u00fc.jpg" in written


def test_standard_output(capsys):
    with open_writer(JsonLinesWriter, "-", HEADER, 0) as writer:
        writer.write(PHOTO, None, POSE)
    assert json.loads(capsys.readouterr().out)["source"] == "a.jpg"


def test_a_place_that_cannot_be_written_is_known_before_the_work(in_folder):
    with pytest.raises(EdgeposeError, match=r"cannot write missing/a\.csv"):
        with open_writer(CsvWriter, "missing/a.csv", HEADER, 0):
            pytest.fail("the work began")
