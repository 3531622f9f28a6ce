"""Streams on the tiny network, whose poses say which frame they were found in; every fault a camera can have."""

import itertools
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from moving_squares import PERIOD, REPOSITORY, Camera, NetworkCamera, number_of, numbered_frame
from tiny_bundles import require_library

import edgepose
from edgepose.runtime.errors import BundleError, EngineError, SourceError, UsageError
from edgepose.runtime.stream import pose_stream
from edgepose.runtime.stream.pose_stream import PoseStream

# Nothing may take longer than this to end, whatever state it is in.
LIMIT_S = 2.0
# How long a test waits for what has to come.
PATIENCE_S = 20.0
PLAIN = {"tracking": False, "smoothing": False, "threads": 1}


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("edgepose"):
            thread.join(PATIENCE_S)
            assert not thread.is_alive(), thread


def wait_for(stream, kind, patience=PATIENCE_S):
    """The next event of ``kind``; all others on the way are passed over."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        event = stream.wait(end - time.monotonic())
        if event is not None and event.kind == kind:
            return event
        assert not stream.ended, "the stream ended without {!r}".format(kind)
    raise AssertionError("no {!r} came".format(kind))


def close_in_time(stream):
    began = time.monotonic()
    ended = stream.close()
    assert time.monotonic() - began < LIMIT_S
    return ended


def test_the_stream_is_imported_when_it_is_asked_for():
    assert edgepose.PoseStream is PoseStream
    assert "PoseStream" in edgepose.__all__
    with pytest.raises(AttributeError):
        edgepose.NoSuchThing  # noqa: B018


def test_every_frame_of_an_iterator_has_its_own_pose(bundle_path):
    canvas = np.zeros((64, 64, 3), np.uint8)

    def camera():  # draws each frame into the same array, as drivers do
        for number in range(150):
            canvas[:] = numbered_frame(number)
            yield number / 30.0, canvas

    with PoseStream(bundle_path, camera(), **PLAIN) as stream:
        events = list(stream)
    assert [event.frame for event in events] == list(range(150))
    assert [number_of(event.pose) for event in events] == [number % PERIOD for number in range(150)]
    assert [event.seconds for event in events] == pytest.approx([number / 30.0 for number in range(150)])
    assert all(event.size == (64, 64) and event.image is None for event in events)
    counters = stream.counters
    assert (counters.frames, counters.looked_at, counters.dropped, counters.events_dropped) == (150, 150, 0, 0)
    assert stream.ended


def test_the_newest_frame_is_looked_at_and_what_is_dropped_is_counted(bundle_path):
    with PoseStream(bundle_path, (numbered_frame(n) for n in range(3000)), policy="newest", **PLAIN) as stream:
        events = [event for event in stream if event.kind == "pose"]
    frames = [event.frame for event in events]
    assert frames == sorted(set(frames))
    assert frames[-1] == 2999
    assert all(number_of(event.pose) == event.frame % PERIOD for event in events)
    counters = stream.counters
    assert counters.frames == 3000
    assert counters.dropped > 0
    assert counters.looked_at == counters.frames - counters.dropped
    assert len(events) == counters.looked_at - counters.events_dropped


def test_who_reads_nothing_keeps_the_newest_pose_and_bounded_events(bundle_path):
    camera = Camera()
    with PoseStream(bundle_path, camera, **PLAIN) as stream:
        for number in range(pose_stream.EVENTS_KEPT + 30):
            camera.give(numbered_frame(number))
            end = time.monotonic() + PATIENCE_S
            while stream.counters.looked_at <= number:
                assert time.monotonic() < end
                time.sleep(0)
        assert number_of(stream.newest.pose) == number % PERIOD
        assert stream.newest.frame == number
        assert stream.counters.events_dropped == 30
        assert wait_for(stream, "pose").frame == 30
        assert 0 <= stream.newest.age() < PATIENCE_S
        camera.give(Camera.END)


def test_a_camera_that_goes_is_opened_again(bundle_path):
    camera = Camera()
    with PoseStream(bundle_path, camera, **PLAIN) as stream:
        camera.give(numbered_frame(0), Camera.END)
        assert wait_for(stream, "pose").frame == 0
        error = wait_for(stream, "error")
        assert (error.fatal, error.retry_in) == (False, 0.25)
        camera.give(OSError("cable"))
        error = wait_for(stream, "error")
        assert "OSError: cable" in error.message
        assert error.retry_in == 0.5  # it backs off
        camera.give(numbered_frame(5))
        event = wait_for(stream, "pose")
        assert (event.frame, number_of(event.pose)) == (1, 5)
        assert stream.counters.reconnects == camera.opened - 1 == 2
        camera.give(Camera.END)
        assert close_in_time(stream)
    assert camera.closed == camera.opened


def test_without_reconnecting_the_stream_ends_with_the_camera(bundle_path):
    camera = Camera()
    camera.give(numbered_frame(0), OSError("cable"))
    with PoseStream(bundle_path, camera, reconnect=False, **PLAIN) as stream:
        events = []
        with pytest.raises(SourceError, match="cable"):
            for event in stream:
                events.append(event)
        assert [event.kind for event in events] == ["pose", "error"]
        assert events[-1].fatal
        assert stream.wait(0) is None


def test_an_iterator_that_fails_ends_the_stream_with_its_own_words(bundle_path):
    def frames():
        yield numbered_frame(0)
        raise ZeroDivisionError("a driver's fault")

    with PoseStream(bundle_path, frames(), **PLAIN) as stream:
        with pytest.raises(SourceError, match="ZeroDivisionError: a driver's fault"):
            list(stream)


GARBAGE = [
    None,
    "frame",
    np.zeros((0, 0, 3), np.uint8),
    np.zeros((5, 5, 2), np.uint8),
    np.zeros((5, 5), np.float32),
    np.zeros((2, 5, 5, 3), np.uint8),
    (1.0, None),
    ("soon", numbered_frame(9)),
    (float("nan"), numbered_frame(10)),
    np.array(["a"], dtype=object),
]


def test_garbage_is_counted_and_reported_once_in_a_row_and_the_next_frame_is_its_own(bundle_path):
    frames = [numbered_frame(0)] + GARBAGE + [numbered_frame(20), None, numbered_frame(22)]
    with PoseStream(bundle_path, iter(frames), **PLAIN) as stream:
        events = list(stream)
    poses = [(event.frame, number_of(event.pose)) for event in events if event.kind == "pose"]
    assert poses == [(0, 0), (8, 9), (9, 10), (11, 20), (13, 22)]
    errors = [event for event in events if event.kind == "error"]
    assert [error.message.split(" of ")[0] for error in errors] == ["frame 1", "frame 10", "frame 12"]
    assert not any(error.fatal for error in errors)
    assert stream.counters.refused == 9
    seconds = [event.seconds for event in events if event.kind == "pose"]
    assert seconds == sorted(set(seconds))


def test_frames_may_change_size_and_kind_in_mid_stream(bundle_path):
    sizes = [(64, 64), (64, 64), (128, 96), (96, 128), (32, 32), (640, 480), (64, 64)]
    frames = [numbered_frame(number, *size) for number, size in enumerate(sizes)]
    with PoseStream(bundle_path, frames, tracking=False, smoothing=True, threads=1) as stream:
        events = list(stream)
    assert [event.size for event in events] == sizes
    for event, size in zip(events, sizes):
        assert event.pose.keypoints.min() >= 0
        assert (event.pose.keypoints.max(axis=0) <= size).all()
        if size[0] == size[1]:
            # Not smoothed across the change: the filter began anew.
            assert number_of(event.pose, *size) == number_of(event.measured, *size)
    grey = [numbered_frame(0), numbered_frame(0)[:, :, 0], np.dstack([numbered_frame(0)] * 2)[:, :, :4]]
    with PoseStream(bundle_path, grey, **PLAIN) as stream:
        assert len(list(stream)) == 3


def test_a_stalled_camera_is_reported_again_and_again_until_it_comes_back(bundle_path):
    camera = Camera()
    with PoseStream(bundle_path, camera, stalled_after=0.05, **PLAIN) as stream:
        first, second = wait_for(stream, "stalled"), wait_for(stream, "stalled")
        assert second.without_frames > first.without_frames >= 0.05
        camera.give(numbered_frame(3))
        assert number_of(wait_for(stream, "pose").pose) == 3
        assert wait_for(stream, "stalled").without_frames < second.without_frames + PATIENCE_S
        camera.give(Camera.END)


def test_clocks_that_jump_move_neither_stamps_nor_waits(bundle_path, monkeypatch):
    jumps = itertools.cycle([0.0, 1e9, -1e9, 86400.0])
    monkeypatch.setattr(time, "time", lambda: 1.7e9 + next(jumps))
    camera = Camera()
    with PoseStream(bundle_path, camera, stalled_after=0.1, **PLAIN) as stream:
        last = -1.0
        for number, seconds in enumerate([10.0, 10.1, 5000.0, 5000.1, -3.0, 1e300, float("inf"), 0.0]):
            camera.give((seconds, numbered_frame(number)))
            event = wait_for(stream, "pose")
            assert (event.frame, number_of(event.pose)) == (number, number)
            assert last < event.seconds < last + PATIENCE_S + 1
            last = event.seconds
        assert wait_for(stream, "stalled").without_frames < PATIENCE_S
        camera.give(Camera.END)


def test_a_person_is_found_followed_and_lost(bundle_path):
    person = numbered_frame(0, 128, 128)
    nobody = np.zeros_like(person)
    frames = [nobody] * 4 + [person] * 12 + [nobody] * 12
    with PoseStream(bundle_path, frames, threads=1) as stream:
        events = list(stream)
    kinds = [event.kind for event in events if event.kind != "pose"]
    assert kinds[:1] == ["found"]
    assert kinds[-1] == "lost"
    here = False
    for event in events:
        if event.kind in ("found", "lost"):
            here = event.kind == "found"
        else:
            assert (event.pose is not None) == here
    assert events[-1].pose is None
    assert events[-1].measured is not None


def test_callbacks_are_called_by_kind_and_their_exceptions_come_out(bundle_path):
    seen = []
    with PoseStream(bundle_path, [numbered_frame(0), None, numbered_frame(2)], **PLAIN) as stream:
        stream.run(pose=lambda event: seen.append(event.frame), error=lambda event: seen.append(event.kind))
    assert seen == [0, "error", 2]

    def fail(event):
        raise KeyError("mine")

    with PoseStream(bundle_path, [numbered_frame(0)], **PLAIN) as stream:
        with pytest.raises(KeyError, match="mine"):
            stream.run(pose=fail)
        with pytest.raises(UsageError, match="no event 'poses'"):
            stream.run(poses=fail)


def test_images_are_kept_where_asked_for(bundle_path):
    frames = [numbered_frame(number) for number in range(5)]
    with PoseStream(bundle_path, frames, images=True, **PLAIN) as stream:
        for event, frame in zip(stream, frames):
            assert np.array_equal(event.image, frame)


def test_a_fixed_region_is_looked_at(bundle_path):
    frame = np.zeros((64, 128, 3), np.uint8)
    frame[:, 64:] = numbered_frame(7)
    with PoseStream(bundle_path, [frame], region=(64, 0, 64, 64), **PLAIN) as stream:
        (event,) = list(stream)
    assert event.region == (64, 0, 64, 64)
    assert (event.pose.keypoints[:, 0] > 64).all()


def test_the_callers_estimator_is_not_closed(bundle_path):
    with edgepose.load(bundle_path, threads=1) as estimator:
        for _ in range(2):
            with PoseStream(estimator, [numbered_frame(1)], tracking=False) as stream:
                assert len(list(stream)) == 1
        estimator(numbered_frame(1))
        with pytest.raises(UsageError, match="takes no threads"):
            PoseStream(estimator, [numbered_frame(1)], threads=1)


def test_an_engine_that_fails_ends_the_stream_with_its_error(bundle_path):
    with edgepose.load(bundle_path, threads=1) as estimator:
        estimator.close()
        with PoseStream(estimator, [numbered_frame(0)], tracking=False) as stream:
            with pytest.raises(EngineError, match="is closed"):
                list(stream)


def test_a_silent_network_camera_neither_blocks_nor_outlives_the_stream(bundle_path):
    frames = [numbered_frame(number, 256, 256) for number in range(30)]
    with NetworkCamera(frames, silent=True) as camera:
        with PoseStream(bundle_path, camera.address, stalled_after=0.2, **PLAIN) as stream:
            event = wait_for(stream, "pose")
            assert number_of(event.pose, 256, 256) == event.frame
            wait_for(stream, "stalled")
            close_in_time(stream)


def test_a_network_camera_that_hangs_up_is_called_again(bundle_path):
    frames = [numbered_frame(number, 256, 256) for number in range(30)]
    with NetworkCamera(frames) as camera:
        with PoseStream(bundle_path, camera.address, **PLAIN) as stream:
            wait_for(stream, "error")
            later = wait_for(stream, "pose")
            assert later.frame >= 30
            assert number_of(later.pose, 256, 256) == later.frame % 30
            close_in_time(stream)


STATES = {
    "opening": lambda stream, camera: None,
    "waiting for frames": lambda stream, camera: wait_for(stream, "stalled"),
    "looking": lambda stream, camera: (camera.give(numbered_frame(0)), wait_for(stream, "pose")),
    "waiting to reconnect": lambda stream, camera: (camera.give(Camera.END), wait_for(stream, "error")),
}


@pytest.mark.parametrize("state", sorted(STATES))
def test_closing_takes_no_time_in_any_state(bundle_path, state):
    camera = Camera()
    stream = PoseStream(bundle_path, camera, stalled_after=0.1, **PLAIN)
    STATES[state](stream, camera)
    close_in_time(stream)
    close_in_time(stream)
    assert stream.wait() is None
    assert list(stream) == []
    camera.give(Camera.END)


def test_closing_while_a_full_queue_waits_for_a_reader(bundle_path):
    stream = PoseStream(bundle_path, itertools.repeat(numbered_frame(0)), **PLAIN)
    end = time.monotonic() + PATIENCE_S
    while stream.counters.looked_at <= pose_stream.EVENTS_KEPT:
        assert time.monotonic() < end
        time.sleep(0)
    assert close_in_time(stream)


def test_opening_and_closing_leaves_nothing_behind(bundle_path):
    def state():
        return threading.active_count(), len(os.listdir("/proc/self/fd"))

    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("this system does not list open files")
    before = None
    for cycle in range(40):
        with PoseStream(bundle_path, [numbered_frame(cycle)], **PLAIN) as stream:
            (event,) = list(stream)
        assert number_of(event.pose) == cycle
        before = before or state()
    assert state() == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"policy": "latest"}, "no policy 'latest'"),
        ({"stalled_after": 0}, "stalled_after"),
        ({"tracking": 3}, "tracking is True, False or a Tracking"),
        ({"smoothing": "much"}, "smoothing is True, False or a Smoothing"),
        ({"region": (0, 0, 5, 5)}, "exclude each other"),
        ({"decoder": "none"}, "no decoder"),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_begins(bundle_path, options, words):
    before = threading.active_count()
    with pytest.raises(UsageError, match=words):
        PoseStream(bundle_path, [numbered_frame(0)], **options)
    assert threading.active_count() == before


def test_a_bundle_that_is_none_is_refused(tmp_path):
    path = tmp_path / "none.edgepose"
    path.write_bytes(b"nothing")
    with pytest.raises(BundleError):
        PoseStream(str(path), [numbered_frame(0)])


def test_int8_engines_stream_too(write_bundle):
    from tiny_bundles import tiny_bundle

    require_library("tflite")
    path = write_bundle(tiny_bundle("tflite", "int8"))
    with PoseStream(path, [numbered_frame(n) for n in range(10)], **PLAIN) as stream:
        assert [number_of(event.pose) for event in stream] == list(range(10))


@pytest.mark.parametrize("policy", ["newest", "every"])
def test_a_program_that_forgets_to_close_ends_all_the_same(bundle_path, policy):
    program = (
        "import itertools, sys, edgepose, numpy\n"
        "frames = itertools.repeat(numpy.zeros((480, 640, 3), numpy.uint8))\n"
        "stream = edgepose.PoseStream(sys.argv[1], frames, policy=sys.argv[2])\n"
        "stream.wait()\n"
    )
    environment = dict(os.environ, PYTHONPATH=REPOSITORY)
    for _ in range(3):
        words = [sys.executable, "-c", program, bundle_path, policy]
        process = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE)
        assert process.wait(PATIENCE_S) == 0, process.stderr.read()
        process.stderr.close()
