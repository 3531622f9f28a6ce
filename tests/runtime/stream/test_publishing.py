import json
import os
import socket
import stat
import threading
import time

import numpy as np
import pytest

from edgepose.runtime.errors import EdgeposeError, UsageError
from edgepose.runtime.pose import Pose
from edgepose.runtime.stream import socket_publisher
from edgepose.runtime.stream.events import (
    ErrorEvent,
    FoundEvent,
    LostEvent,
    PoseEvent,
    StalledEvent,
    ThrottledEvent,
    joint_rows,
)
from edgepose.runtime.stream.publishing import line_of, open_publisher
from edgepose.runtime.stream.standard_output import StandardOutputPublisher

PATIENCE_S = 20.0
POSE = Pose(np.arange(32).reshape(16, 2), np.full(16, 0.5))


def pose_event(frame=0, pose=POSE):
    return PoseEvent(frame, frame / 30.0, 1.0, 0.02, (64, 48), (1.0, 2.0, 30.0, 30.0), 0.5, pose, POSE, None)


EVENTS = [
    pose_event(),
    pose_event(pose=None),
    FoundEvent(1, 0.1, 0.4),
    LostEvent(2, 0.2, 0.05),
    StalledEvent(3.0, 2.5),
    ThrottledEvent(4.0, True, ["throttled"]),
    ErrorEvent(5.0, "camera 0 cannot be opened", None, False, 0.25),
]


@pytest.fixture
def publisher():
    made = open_publisher("tcp://127.0.0.1:0")
    yield made
    made.close()


def connect(publisher):
    """A client that the publisher knows of."""
    before = publisher.clients
    family = socket.AF_UNIX if isinstance(publisher.address, str) else socket.AF_INET
    client = socket.socket(family, socket.SOCK_STREAM)
    client.settimeout(PATIENCE_S)
    client.connect(publisher.address)
    wait_until(lambda: publisher.clients > before)
    return client


def wait_until(condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0)


def read_lines(client, count):
    with client.makefile("rb") as file:
        return [json.loads(file.readline().decode("ascii")) for _ in range(count)]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
def test_every_event_is_a_line_of_plain_json(event):
    line = line_of(event)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    document = json.loads(line.decode("ascii"))
    assert document["event"] == event.kind
    assert document["seconds"] == pytest.approx(event.seconds, abs=1e-3)


def test_a_pose_event_says_what_the_pose_says():
    document = json.loads(line_of(pose_event(7)).decode("ascii"))
    assert document["frame"] == 7
    assert document["size"] == [64, 48]
    assert document["joints"]["head_top"] == {"x": 0.0, "y": 1.0, "score": 0.5}
    assert json.loads(line_of(pose_event(pose=None)).decode("ascii"))["joints"] is None
    assert joint_rows(pose_event())[1] == ("upper_neck", 2.0, 3.0, 0.5)
    assert joint_rows(pose_event(pose=None)) == []


def test_each_client_gets_each_event(publisher):
    clients = [connect(publisher) for _ in range(3)]
    for event in EVENTS:
        publisher.publish(event)
    for client in clients:
        assert [line["event"] for line in read_lines(client, len(EVENTS))] == [event.kind for event in EVENTS]
        client.close()


def test_a_client_that_does_not_read_holds_up_nobody_and_is_told_what_it_missed(publisher):
    slow, quick = connect(publisher), connect(publisher)
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    got = []
    reader = threading.Thread(target=lambda: got.extend(read_lines(quick, 1500)))
    reader.start()
    slowest = 0.0
    for frame in range(1500):
        began = time.monotonic()
        publisher.publish(pose_event(frame))
        slowest = max(slowest, time.monotonic() - began)
        wait_until(lambda: _has_room(publisher))
    reader.join(PATIENCE_S)
    assert [line["frame"] for line in got] == list(range(1500))
    assert slowest < 2.0
    # Lines are whole, in order, and what is missing is said.
    lines, frames = [], []
    with slow.makefile("rb") as file:
        while frames[-1:] != [1499]:
            lines.append(json.loads(file.readline().decode("ascii")))
            frames += [lines[-1]["frame"]] if lines[-1]["event"] == "pose" else []
    assert frames == sorted(set(frames))
    dropped = sum(line["lines"] for line in lines if line["event"] == "dropped")
    assert dropped > 0
    assert len(frames) + dropped == 1500
    quick.close()
    slow.close()


def _has_room(publisher):
    """Whether the quick client's queue has room, so that nothing is dropped for it."""
    with publisher._lock:
        lengths = sorted(len(client._lines) for client in publisher._clients.values())
    return lengths[0] < socket_publisher.LINES_KEPT // 2


def test_clients_come_and_go(publisher):
    for _ in range(5):
        client = connect(publisher)
        publisher.publish(pose_event())
        assert read_lines(client, 1)[0]["event"] == "pose"
        client.send(b"whatever a client says is ignored\n")
        client.close()
        wait_until(lambda: publisher.clients == 0)
    publisher.publish(pose_event())


def test_no_more_clients_than_there_is_room_for(publisher):
    clients = [connect(publisher) for _ in range(socket_publisher.MAX_CLIENTS)]
    with socket.create_connection(publisher.address, PATIENCE_S) as one_more:
        assert one_more.recv(1) == b""
    for client in clients:
        client.close()


def test_closing_lets_clients_have_what_is_queued_and_then_hangs_up(publisher):
    client = connect(publisher)
    publisher.publish(pose_event(5))
    began = time.monotonic()
    publisher.close()
    assert time.monotonic() - began < 2.0
    with client.makefile("rb") as file:
        lines = file.readlines()
    assert [json.loads(line.decode("ascii"))["frame"] for line in lines] == [5]
    publisher.publish(pose_event())  # to nobody


def test_a_port_that_is_taken_is_refused(publisher):
    with pytest.raises(EdgeposeError, match="cannot listen"):
        open_publisher("tcp://127.0.0.1:{}".format(publisher.address[1]))


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no Unix sockets")
class TestUnixSockets(object):
    def test_only_this_user_may_connect_and_the_file_goes_with_the_publisher(self, socket_folder):
        for place in ("unix:poses.sock", "unix://" + os.path.join(socket_folder, "poses.sock")):
            made = open_publisher(place)
            assert stat.S_IMODE(os.stat("poses.sock").st_mode) == 0o600
            client = connect(made)
            made.publish(pose_event())
            assert read_lines(client, 1)[0]["event"] == "pose"
            client.close()
            made.close()
            assert os.listdir(".") == []

    def test_the_socket_of_a_dead_process_is_replaced(self, in_folder):
        dead = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        dead.bind("poses.sock")
        dead.close()
        open_publisher("unix:poses.sock").close()

    def test_that_of_a_living_one_is_not(self, in_folder):
        made = open_publisher("unix:poses.sock")
        with pytest.raises(EdgeposeError, match="cannot listen"):
            open_publisher("unix:poses.sock")
        assert os.path.exists("poses.sock")
        made.close()

    def test_nor_is_any_other_file(self, in_folder):
        (in_folder / "poses.sock").write_text("mine")
        with pytest.raises(EdgeposeError, match="cannot listen"):
            open_publisher("unix:poses.sock")
        assert (in_folder / "poses.sock").read_text() == "mine"

    def test_a_socket_that_took_our_place_is_left_alone(self, in_folder):
        made = open_publisher("unix:poses.sock")
        os.unlink("poses.sock")
        other = open_publisher("unix:poses.sock")
        made.close()
        assert os.path.exists("poses.sock")
        other.close()

    def test_a_folder_that_is_not_there_and_a_name_that_is_too_long(self, in_folder):
        for place, hint in (("unix:none/poses.sock", "make its folder"), ("unix:" + "x" * 200, "shorter path")):
            with pytest.raises(EdgeposeError, match="cannot listen") as caught:
                open_publisher(place)
            assert hint in caught.value.hint


@pytest.mark.parametrize(
    "place",
    [
        "",
        "tcp://",
        "tcp://host",
        "tcp://host:port",
        "tcp://127.0.0.1:99999",
        "unix:",
        "http://host",
        "mqtt://host",
        "-x",
    ],
)
def test_places_that_cannot_be_are_refused(place):
    with pytest.raises(UsageError):
        open_publisher(place)


def test_standard_output_writes_past_pythons_buffers():
    reading, writing = os.pipe()
    StandardOutputPublisher(writing).publish(pose_event(3))
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        assert json.loads(file.read().decode("ascii"))["frame"] == 3
