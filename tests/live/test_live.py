"""Streams with the official weights: what following and smoothing do, and what many frames leave behind.

The benchmarks `live` and `endurance` measure the same at length, in int8.
"""

import gc
import re
import threading
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np
import pytest

import edgepose
from benchmarks.endurance import open_files
from benchmarks.live import errors_of, jitter_of, lag_of, poses_of, share_within
from benchmarks.moving import FPS, moving_photograph, walking_figure
from edgepose.bench.sensors.memory import resident_mb
from edgepose.evaluation.datasets import open_dataset


@pytest.fixture(scope="module")
def bundle(reference, tmp_path_factory):
    """RT_LITE."""
    from edgepose.conversion.pipeline import ConversionRequest, convert
    from edgepose.conversion.progress import SilentProgress

    folder = tmp_path_factory.mktemp("live")
    path = folder / "rt-lite.edgepose"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEPOSE_CACHE", str(folder / "cache"))
        convert(ConversionRequest("RT_LITE", "raspberry-pi-4", output=path), SilentProgress())
    return path


@pytest.fixture(scope="module")
def estimator(bundle):
    with edgepose.load(bundle, threads=1) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def walk():
    """A figure that stands still for a second and a half, and then walks and waves for as long."""
    return list(walking_figure(4, 90, 1.5))


def test_the_tracked_crop_beats_the_whole_frame(estimator, walk):
    every = [np.ones(16, bool)]
    tracked, whole = (
        share_within([errors_of(walk, poses_of(estimator, walk, tracking=tracking, smoothing=False))], every, 0.1)
        for tracking in (True, False)
    )
    assert tracked > whole + 10


def test_a_photographed_person_is_found_and_followed(estimator, reference):
    """How well, over many persons, the benchmark `live` says."""
    dataset = open_dataset(reference / "data" / "lspet-dev")
    record = next(one for one in dataset.records if one.upright and one.evaluate.sum() >= 14)
    frames = list(moving_photograph(record, 2, 20))
    events = poses_of(estimator, frames)
    assert all(event.pose is not None for event in events[10:])
    assert share_within([errors_of(frames, events)[10:]], [record.evaluate], 0.5) > 50


def test_smoothing_is_steadier_at_a_lag_of_less_than_a_frame(estimator, walk):
    measured, smoothed = (poses_of(estimator, walk, smoothing=smoothing) for smoothing in (False, True))
    # Measured in the same regions: smoothing changes nothing about where the stream looks.
    assert [event.region for event in measured] == [event.region for event in smoothed]
    moving = round(1.5 * FPS) + 5
    errors = [errors_of(walk, events) for events in (measured, smoothed)]
    jitter = [jitter_of(one[15 : moving - 6]) for one in errors]
    assert jitter[1] < jitter[0] / 3
    lags = [float(np.median(lag_of(walk, events, moving))) for events in (measured, smoothed)]
    assert lags[1] - lags[0] <= 1.0


def test_the_region_of_a_figure_that_stands_still_does_not_move(estimator, walk):
    still = [event for event in poses_of(estimator, walk[:45]) if event.pose is not None]
    assert len(still) > 35
    assert len({event.region for event in still[8:]}) == 1


def test_hundreds_of_frames_leave_nothing_behind(bundle, walk):
    pictures = [frame.image for frame in walk]
    memory = []
    with edgepose.PoseStream(bundle, islice(cycle(pictures), 400), threads=1) as stream:
        frames = []
        for event in stream:
            if event.kind == "pose":
                frames.append(event.frame)
                if len(frames) % 50 == 0:
                    memory.append(resident_mb())
    assert frames == list(range(400))
    assert memory[-1] - memory[3] < 2.0


def test_opening_and_closing_leaves_nothing_behind(bundle, walk):
    pictures = [frame.image for frame in walk[:2]]

    def state():
        gc.collect()
        return threading.active_count(), open_files()

    for number in range(25):
        with edgepose.PoseStream(bundle, pictures, threads=1) as stream:
            assert len([event for event in stream if event.kind == "pose"]) == 2
        if number == 4:
            before, memory = state(), resident_mb()
    assert state() == before
    # An engine that stays behind is eight megabytes a cycle.
    assert resident_mb() - memory < 20


def test_the_program_of_the_page_runs(bundle, walk, tmp_path, monkeypatch, capsys):
    text = (Path(__file__).resolve().parents[2] / "docs" / "live.md").read_text()
    (program,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "rt-lite.edgepose").write_bytes(bundle.read_bytes())
    writer = cv2.VideoWriter(str(tmp_path / "clip.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 30, (640, 480))
    for frame in walk[:12]:
        writer.write(frame.image)
    writer.release()
    monkeypatch.chdir(tmp_path)
    exec(program, {})  # our own page
    assert len(capsys.readouterr().out.splitlines()) >= 8
