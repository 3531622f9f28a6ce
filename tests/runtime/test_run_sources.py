import csv
import json
import os

import cv2
import numpy as np
import pytest
from test_sources import write_video
from tiny_bundles import squares

import edgepose
from edgepose.runtime.errors import EdgeposeError, SourceError, UsageError
from edgepose.runtime.images import read_image
from edgepose.runtime.run import Outputs, run_sources
from edgepose.runtime.sources import VideoSource

NOWHERE = Outputs(json=None, csv=None, overlay=None)


@pytest.fixture
def estimator(bundle_path, in_folder):
    with edgepose.load(bundle_path, threads=1) as estimator:
        os.unlink(bundle_path)
        yield estimator


def photo(name, size=(64, 64)):
    cv2.imwrite(name, squares(*size))
    return name


def records(path):
    with open(path) as file:
        return [json.loads(line) for line in file]


def test_images_and_videos_to_every_output(estimator):
    paths = [photo("a.png"), photo("b.png", (96, 96)), write_video("c.avi", frames=5)]
    summary = run_sources(estimator, paths, Outputs("out.jsonl", "out.csv", "drawn"))
    assert (summary.frames, summary.failures, summary.warnings) == (7, [], [])
    lines = records("out.jsonl")
    assert [(line["source"], line["frame"]) for line in lines] == [("a.png", None), ("b.png", None)] + [
        ("c.avi", number) for number in range(5)
    ]
    assert lines[0]["joints"]["head_top"]["x"] == 23.0
    with open("out.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 7
    assert float(rows[1]["head_top_x"]) == 34.5
    assert sorted(os.listdir("drawn")) == ["a.png", "b.png", "c.mp4"]
    assert (read_image("drawn/a.png") != squares(64, 64)).any()
    assert len(list(VideoSource("drawn/c.mp4").frames())) == 5


def test_a_json_document_says_what_made_it(estimator):
    run_sources(estimator, [photo("a.png")], NOWHERE._replace(json="out.json"), region=(0, 0, 32, 32))
    with open("out.json") as file:
        document = json.load(file)
    assert document["bundle"] == "tiny-host-fp32"
    assert document["bundle_sha256"] == estimator.bundle.sha256
    assert document["decoder"] == "official"
    assert document["frames"][0]["region"] == [0, 0, 32, 32]


def test_without_outputs_it_prints(estimator, capsys):
    run_sources(estimator, [photo("a.png")], NOWHERE)
    out = capsys.readouterr().out
    assert out.startswith("a.png\n  head_top")
    assert "23.0" in out


def test_progress_is_told_of_every_frame(estimator):
    seen = []
    run_sources(
        estimator, [photo("a.png"), write_video("b.avi", frames=3)], NOWHERE._replace(csv="o.csv"), progress=seen.append
    )
    assert [(told.source, told.number, told.sources, told.frame) for told in seen] == [
        ("a.png", 1, 2, 1),
        ("b.avi", 2, 2, 1),
        ("b.avi", 2, 2, 2),
        ("b.avi", 2, 2, 3),
    ]
    assert seen[-1].frames == 3


def test_a_source_that_cannot_be_read_does_not_cost_the_others(estimator):
    photo("a.png")
    with open("b.png", "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
    photo("c.png")
    summary = run_sources(estimator, ["a.png", "b.png", "c.png"], Outputs("out.jsonl", None, "drawn"))
    assert summary.frames == 2
    ((path, error),) = summary.failures
    assert path == "b.png"
    assert "b.png" in error.message
    assert [line["source"] for line in records("out.jsonl")] == ["a.png", "c.png"]
    assert sorted(os.listdir("drawn")) == ["a.png", "c.png"]


def test_where_nothing_can_be_read_nothing_is_written(estimator):
    for name in ("a.png", "b.png"):
        with open(name, "wb") as file:
            file.write(b"no image")
    with pytest.raises(SourceError, match=r"a\.png is not an image"):
        run_sources(estimator, ["a.png", "b.png"], Outputs("out.json", "out.csv", None))
    assert sorted(os.listdir(".")) == ["a.png", "b.png"]


def test_a_region_outside_of_every_frame_is_an_error(estimator):
    with pytest.raises(SourceError, match="outside the frame"):
        run_sources(estimator, [photo("a.png")], NOWHERE, region=(64, 0, 10, 10))


def test_an_interrupted_run_leaves_nothing_half_written(estimator):
    def interrupt(progress):
        if progress.frame == 3:
            raise KeyboardInterrupt

    write_video("a.avi", frames=6)
    with pytest.raises(KeyboardInterrupt):
        run_sources(estimator, ["a.avi"], Outputs("out.json", "out.csv", "out.avi"), progress=interrupt)
    assert os.listdir(".") == ["a.avi"]


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (Outputs("a.json", "a.json", None), "both write to"),
        (Outputs("-", "-", None), "both write to"),
        (Outputs("sub/../a.json", "a.json", None), "both write to"),
        (Outputs("a.txt", None, None), "cannot tell what to write"),
        (Outputs(None, None, "a.png"), "a.png is a source"),
        (Outputs(None, None, "./a.png"), "is a source"),
        (Outputs(None, None, "."), "is a source"),
        (Outputs(None, "a.png", None), "a.png is a source"),
        (Outputs(None, None, "a.mp4"), "cannot write the overlay"),
    ],
)
def test_outputs_that_cannot_be_are_refused(estimator, outputs, message):
    photo("a.png")
    with pytest.raises(UsageError, match=message):
        run_sources(estimator, ["a.png"], outputs)
    np.testing.assert_array_equal(read_image("a.png"), squares(64, 64))


def test_an_output_that_cannot_be_written_is_known_before_the_work(estimator):
    with pytest.raises(EdgeposeError, match=r"cannot write missing/out\.json"):
        run_sources(
            estimator,
            [photo("a.png")],
            NOWHERE._replace(json="missing/out.json"),
            progress=lambda _: pytest.fail("ran"),
        )


def test_one_frame_is_in_memory_at_a_time(estimator, monkeypatch):
    """Every frame of a long video is let go of before the next but one is decoded."""
    import weakref

    from edgepose.runtime import sources

    alive = []
    read = sources.VideoReader.frames

    def watched(self):
        for index, seconds, image in read(self):
            image = image.copy()
            alive.append(weakref.ref(image))
            assert sum(reference() is not None for reference in alive) <= 2
            yield index, seconds, image

    monkeypatch.setattr(sources.VideoReader, "frames", watched)
    write_video("a.avi", frames=30)
    summary = run_sources(estimator, ["a.avi"], Outputs("out.jsonl", None, "out.avi"))
    assert summary.frames == len(alive) == 30


def test_min_score_reaches_every_output(estimator):
    cv2.imwrite("dark.png", np.full((64, 64, 3), 20, np.uint8))
    run_sources(estimator, ["dark.png"], Outputs("o.jsonl", "o.csv", "o.png"), min_score=0.5)
    (line,) = records("o.jsonl")
    assert set(line["joints"].values()) == {None}
    with open("o.csv") as file:
        (row,) = csv.DictReader(file)
    assert row["pelvis_x"] == ""
    np.testing.assert_array_equal(read_image("o.png"), 20)
