"""Against a broker of a few lines that speaks what MQTT 3.1.1 needs for publishing."""

import contextlib
import json
import queue
import socket
import threading
import time

import numpy as np
import pytest

from edgepose.runtime.errors import UsageError
from edgepose.runtime.pose import Pose
from edgepose.runtime.stream.events import FoundEvent, PoseEvent
from edgepose.runtime.stream.publishing import open_publisher

pytest.importorskip("paho.mqtt.client", reason="paho-mqtt is not installed")

PATIENCE_S = 20.0
POSE = Pose(np.zeros((16, 2)), np.zeros(16))
CONNECT, PUBLISH, DISCONNECT = 1, 3, 14
NOT_AUTHORISED = 5


class Broker(object):
    """Takes one client after the other; ``messages`` are (topic, document, quality of service)."""

    def __init__(self, answer=0):
        self._answer = answer
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(5)
        self.port = self._listener.getsockname()[1]
        self.messages = []
        self.connects = []
        self.changed = threading.Condition()
        self.connection = None
        threading.Thread(target=self._serve, daemon=True).start()

    def wait_for(self, condition):
        with self.changed:
            assert self.changed.wait_for(condition, PATIENCE_S)

    def hang_up(self):
        self.connection.shutdown(socket.SHUT_RDWR)

    def close(self):
        self._listener.close()

    def _serve(self):
        while True:
            try:
                self.connection, _ = self._listener.accept()
            except OSError:
                return
            with self.connection:
                with contextlib.suppress(OSError, IndexError):  # the client hung up
                    self._talk(self.connection.makefile("rb"))

    def _talk(self, file):
        while True:
            first = file.read(1)[0]
            length, shift = 0, 0
            while True:
                byte = file.read(1)[0]
                length |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    break
            body = file.read(length)
            if first >> 4 == CONNECT:
                self.connection.sendall(bytes(bytearray([0x20, 2, 0, self._answer])))
                with self.changed:
                    self.connects.append(body)
                    self.changed.notify_all()
            elif first >> 4 == PUBLISH:
                end = 2 + int.from_bytes(body[:2], "big")
                quality = first >> 1 & 3
                payload = body[end + (2 if quality else 0) :]
                if quality:
                    self.connection.sendall(b"\x40\x02" + body[end : end + 2])
                with self.changed:
                    self.messages.append((body[2:end].decode(), json.loads(payload.decode()), quality))
                    self.changed.notify_all()
            elif first >> 4 == DISCONNECT:
                return


@pytest.fixture
def broker():
    made = Broker()
    yield made
    made.close()


def pose_event(frame):
    return PoseEvent(frame, frame / 30.0, 1.0, 0.02, (64, 48), None, 0.5, POSE, POSE, None)


def test_events_reach_the_broker_by_kind_and_again_after_it_hung_up(broker):
    told = []
    place = "mqtt://robot:secret@127.0.0.1:{}/nursery/cot/".format(broker.port)
    publisher = open_publisher(place, lambda *words: told.append(words))
    broker.wait_for(lambda: broker.connects)
    assert b"robot" in broker.connects[0]
    assert b"secret" in broker.connects[0]
    publisher.publish(FoundEvent(1, 0.1, 0.4))
    broker.wait_for(lambda: broker.messages)
    # The broker has answered; poses are left out until the client has heard it.
    end = time.monotonic() + PATIENCE_S
    while not publisher._client.is_connected():
        assert time.monotonic() < end
        time.sleep(0)
    publisher.publish(pose_event(2))
    broker.wait_for(lambda: len(broker.messages) == 2)
    topics = [(topic, quality) for topic, _, quality in broker.messages]
    assert topics == [("nursery/cot/found", 1), ("nursery/cot/pose", 0)]
    assert told == []
    assert broker.messages[1][1]["frame"] == 2

    broker.hang_up()
    broker.wait_for(lambda: len(broker.connects) >= 2)
    publisher.publish(FoundEvent(3, 0.3, 0.4))
    broker.wait_for(lambda: len(broker.messages) >= 3)
    assert broker.messages[-1][1]["frame"] == 3
    publisher.close()


def test_without_a_broker_nothing_waits_and_nothing_piles_up():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        publisher = open_publisher("mqtt://127.0.0.1:{}/cot".format(nobody.getsockname()[1]))
        for frame in range(2000):
            publisher.publish(pose_event(frame))
            publisher.publish(FoundEvent(frame, 0.1, 0.4))
        assert len(publisher._unsent) == 0
        assert len(publisher._client._out_messages) <= 64
        publisher.close()


def test_a_broker_that_is_not_there_is_told_once_and_without_the_password():
    told = []
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        place = "127.0.0.1:{}".format(nobody.getsockname()[1])
        publisher = open_publisher("mqtt://me:secret@{}/cot".format(place), lambda *words: told.append(words))
        publisher.publish(pose_event(1))
        publisher.close()
    ((message, hint),) = told
    assert "no MQTT broker answers at {}".format(place) in message
    assert "secret" not in message + hint


def test_a_broker_that_refuses_is_told_once():
    told = queue.Queue()
    refusing = Broker(answer=NOT_AUTHORISED)
    publisher = open_publisher("mqtt://127.0.0.1:{}/cot".format(refusing.port), lambda *words: told.put(words))
    message, hint = told.get(timeout=PATIENCE_S)
    assert "refuses the connection" in message
    assert "password" in hint
    publisher.close()
    refusing.close()
    assert told.empty()


@pytest.mark.parametrize(
    "place", ["mqtt://", "mqtt://host/", "mqtt://host/a#", "mqtt://host:99999/a", "mqtt://host:x/a"]
)
def test_addresses_that_cannot_be_are_refused_without_showing_a_password(place):
    with pytest.raises(UsageError):
        open_publisher(place)
    with pytest.raises(UsageError) as caught:
        open_publisher(place.replace("mqtt://", "mqtt://me:secret@"))
    assert "secret" not in str(caught.value)
