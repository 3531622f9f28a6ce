import itertools
import os

import numpy as np
import pytest
from moving_squares import numbered_frame

from edgepose.runtime.errors import SourceError, UsageError
from edgepose.runtime.stream import capture
from edgepose.runtime.stream.capture import EndOfSource, find_source, without_password


def read_all(source):
    reader = source.open()
    items = []
    try:
        while True:
            items.append(reader.read())
    except EndOfSource:
        return items
    finally:
        reader.close()


def test_cameras_by_number_and_by_device():
    for source in (3, "3", np.int64(3), "/dev/video3"):
        found = find_source(source)
        assert (found.name, found.live) == ("camera 3", True)


def test_a_camera_that_is_not_there_says_so():
    if os.path.exists("/dev/video1000"):
        pytest.skip("this machine has a camera 1000")
    with pytest.raises(SourceError, match="camera 1000 cannot be opened"):
        find_source(1000).open()


def test_an_address_is_live_and_its_password_is_not_shown():
    found = find_source("rtsp://user:secret@10.0.0.9:554/stream1")
    assert found.live
    assert found.name == "rtsp://10.0.0.9:554/stream1"
    assert without_password("http://h/a@b") == "http://h/a@b"


def test_a_pipeline_needs_an_opencv_with_gstreamer(monkeypatch):
    pipeline = "nvarguscamerasrc ! nvvidconv ! videoconvert ! appsink"
    if capture.has_gstreamer():
        assert find_source(pipeline).live
        return
    with pytest.raises(UsageError, match="built without GStreamer"):
        find_source(pipeline)


def test_frames_of_an_iterator_are_copied():
    drawn = np.zeros((4, 4, 3), np.uint8)

    def draw():
        for number in range(3):
            drawn[:] = number
            yield drawn

    found = find_source(draw())
    assert not found.live
    assert [image[0, 0, 0] for _, image in read_all(found)] == [0, 1, 2]


def test_an_iterator_may_date_its_frames():
    frames = [(0.5, numbered_frame(0)), (0.7, numbered_frame(1))]
    assert [seconds for seconds, _ in read_all(find_source(frames))] == [0.5, 0.7]


def test_a_callable_is_opened_again_and_its_generator_is_ended():
    ended = []

    def camera():
        try:
            yield numbered_frame(0)
            yield numbered_frame(1)
        finally:
            ended.append(True)

    found = find_source(camera)
    assert found.live
    reader = found.open()
    reader.read()
    reader.close()
    assert ended == [True]
    assert len(read_all(found)) == 2


@pytest.mark.parametrize("wrong", [None, 3.5, True, b"0", np.zeros((4, 4, 3), np.uint8)])
def test_what_is_no_source_is_refused(wrong):
    with pytest.raises(UsageError, match="not a source of frames"):
        find_source(wrong)


def test_a_camera_number_that_cannot_be_is_refused():
    for wrong in (-1, 10**9):
        with pytest.raises(UsageError, match="there is no camera"):
            find_source(wrong)


def test_a_file_that_is_not_there_or_no_video_is_refused(tmp_path):
    with pytest.raises(SourceError, match="there is no video or camera"):
        find_source(str(tmp_path / "none.mp4"))
    path = tmp_path / "text.mp4"
    path.write_text("no video")
    with pytest.raises(SourceError, match="cannot be opened as a video"):
        find_source(path).open()


def test_a_video_file_gives_each_frame_once(tmp_path):
    import cv2

    path = str(tmp_path / "clip.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 64))
    for number in range(5):
        writer.write(numbered_frame(number))
    writer.release()
    items = read_all(find_source(path))
    assert len(items) == 5
    times = [seconds for seconds, _ in items]
    assert all(later > earlier for earlier, later in zip(times, itertools.islice(times, 1, None)))
