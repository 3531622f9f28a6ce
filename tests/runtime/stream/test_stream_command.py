"""``edgepose stream`` as a process of its own: what it prints, and how it ends, whatever it is doing."""

import json
import os
import select
import signal
import socket
import time

import cv2
import pytest
from moving_squares import NetworkCamera, numbered_frame, start_command

from edgepose.runtime.errors import EXIT_DONE, EXIT_FAILED, EXIT_TERMINATED, EXIT_USAGE
from edgepose.runtime.main import main

LIMIT_S = 2.0
PATIENCE_S = 30.0
FRAMES = [numbered_frame(number, 256, 256) for number in range(30)]


@pytest.fixture
def video(tmp_path):
    path = str(tmp_path / "clip.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 64))
    for number in range(20):
        writer.write(numbered_frame(number))
    writer.release()
    return path


@pytest.fixture
def stream(bundle_path):
    """``stream(words...)``: a process, ended with the test."""
    started = []

    def start(*words, **options):
        started.append(start_command(bundle_path, "--no-tracking", "--threads", 1, *words, **options))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            pipe.close()


def terminate(process):
    """Send SIGTERM; the exit code, which has to come soon."""
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    code = process.wait(PATIENCE_S)
    assert time.monotonic() - began < LIMIT_S
    return code


def read_until(process, kind):
    """Lines of standard output up to the first event of ``kind``."""
    for line in process.stdout:
        if json.loads(line.decode("ascii"))["event"] == kind:
            return
    raise AssertionError("no {!r} came: {}".format(kind, process.stderr.read()))


def test_a_video_becomes_a_line_a_frame(stream, video):
    process = stream(video)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == EXIT_DONE, err
    events = [json.loads(line.decode("ascii")) for line in out.splitlines()]
    assert [event["frame"] for event in events if event["event"] == "pose"] == list(range(20))
    assert err == b""


def test_only_so_many_frames(bundle_path, video, capfd):
    assert main(["stream", video, "--limit", "3", "--threads", "1"], bundle_path) == EXIT_DONE
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert len([line for line in lines if line["event"] == "pose"]) == 3


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["none.mp4"], EXIT_FAILED, "there is no video or camera none.mp4"),
        (["VIDEO", "--publish", "ftp://x"], EXIT_USAGE, "cannot publish to 'ftp://x'"),
        (["VIDEO", "--publish", "-", "--publish", "-"], EXIT_USAGE, "named twice"),
        (["VIDEO", "--limit", "0"], EXIT_USAGE, "0 frames are none"),
        (["VIDEO", "--policy", "all"], EXIT_USAGE, "no policy 'all'"),
        (["1000", "--no-reconnect"], EXIT_FAILED, "camera 1000 cannot be opened"),
    ],
)
def test_what_cannot_be_is_refused(bundle_path, video, capfd, words, code, said):
    words = [video if word == "VIDEO" else word for word in words]
    assert main(["stream"] + words, bundle_path) == code
    assert said in capfd.readouterr().err


def test_poses_reach_a_unix_socket(stream, socket_folder):
    path = os.path.join(socket_folder, "poses.sock")
    with NetworkCamera(FRAMES) as camera:
        process = stream(camera.address, "--publish", "unix:" + path)
        end = time.monotonic() + PATIENCE_S
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(PATIENCE_S)
        while True:
            try:
                client.connect(path)
                break
            except OSError:
                assert time.monotonic() < end
                assert process.poll() is None, process.stderr.read()
        with client.makefile("rb") as lines:
            kinds = set()
            while "pose" not in kinds:
                kinds.add(json.loads(lines.readline().decode("ascii"))["event"])
        assert terminate(process) == EXIT_TERMINATED
        client.close()
    assert not os.path.exists(path)


def test_terminated_while_it_starts(stream, video):
    process = stream(video)
    # Once Python runs our code; before that, the signal is Python's own.
    assert terminate_when(process, "/proc/{}/fd".format(process.pid)) in (EXIT_TERMINATED, -signal.SIGTERM, EXIT_DONE)


def terminate_when(process, path):
    end = time.monotonic() + PATIENCE_S
    while not os.path.exists(path) and time.monotonic() < end:
        time.sleep(0)
    return terminate(process)


def test_terminated_while_there_is_no_camera(stream):
    process = stream("1000")
    read_until(process, "error")
    assert terminate(process) == EXIT_TERMINATED
    assert b"Traceback" not in process.stderr.read()


def test_terminated_while_poses_come(stream):
    with NetworkCamera(FRAMES * 20) as camera:
        process = stream(camera.address)
        read_until(process, "pose")
        assert terminate(process) == EXIT_TERMINATED
        assert b"Traceback" not in process.stderr.read()


def test_terminated_while_the_camera_is_silent(stream):
    with NetworkCamera(FRAMES, silent=True) as camera:
        process = stream(camera.address)
        read_until(process, "stalled")
        assert terminate(process) == EXIT_TERMINATED


def test_terminated_while_the_camera_is_gone(stream):
    with NetworkCamera(FRAMES) as camera:
        process = stream(camera.address)
        read_until(process, "error")
        assert terminate(process) == EXIT_TERMINATED


def test_terminated_while_nobody_reads_standard_output(bundle_path, tmp_path):
    """A pipe that is full: the command waits in a write, and still ends at once."""
    path = str(tmp_path / "long.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 64))
    for number in range(600):
        writer.write(numbered_frame(number))
    writer.release()
    process = start_command(bundle_path, path, "--no-tracking", "--threads", 1)
    try:
        # Its standard output opened once more, to ask whether there is room in it.
        try:
            output = os.open("/proc/{}/fd/1".format(process.pid), os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            pytest.skip("another process's pipe cannot be opened here: {}".format(error))
        end = time.monotonic() + PATIENCE_S
        while select.select([], [output], [], 0)[1]:
            assert time.monotonic() < end
            assert process.poll() is None
        os.close(output)
        assert terminate(process) == EXIT_TERMINATED
    finally:
        process.kill()
        process.communicate()


def test_terminated_while_a_client_does_not_read(stream):
    with NetworkCamera(FRAMES * 50) as camera:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        process = stream(camera.address, "--publish", "-", "--publish", "tcp://127.0.0.1:{}".format(port))
        read_until(process, "pose")
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S):
            for _ in range(80):
                read_until(process, "pose")
            assert terminate(process) == EXIT_TERMINATED


def test_a_reader_who_leaves_ends_it(stream, video):
    process = stream(video)
    process.stdout.close()
    assert process.wait(PATIENCE_S) == EXIT_FAILED
    assert b"Traceback" not in process.stderr.read()


def test_systemd_hears_that_it_is_ready_and_alive(stream, socket_folder, video):
    path = os.path.join(socket_folder, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(PATIENCE_S)
        process = stream(video, environment={"NOTIFY_SOCKET": path})
        process.communicate(timeout=PATIENCE_S)
        words = [manager.recv(100) for _ in range(3)]
    assert words[:2] == [b"READY=1", b"WATCHDOG=1"]
