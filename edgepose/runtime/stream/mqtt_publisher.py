"""Events to an MQTT broker, through paho-mqtt (``pip install 'edgepose[mqtt]'``)."""

import collections
import json
import re
import sys

from edgepose.runtime.errors import EdgeposeError, UsageError

_ADDRESS = re.compile(r"mqtt://(?:([^:@/]*)(?::([^@/]*))?@)?(\[[0-9a-fA-F:.]+\]|[^:/@\[\]]+)(?::([0-9]{1,5}))?/(.+)\Z")
DEFAULT_PORT = 1883
KEEP_ALIVE_S = 30
# Messages kept while the broker does not take them; further ones are dropped.
MESSAGES_KEPT = 64
RECONNECT_S = (1, 30)


class MqttPublisher(object):
    """Publishes each event to ``TOPIC/<kind>``: poses at most once (QoS 0), all other events at least once (QoS 1).

    The connection is made, and made again, in a thread of paho's; until then messages wait in a bounded queue.
    """

    def __init__(self, address, print_warning=None):
        """``address``: ``mqtt://[USER:PASSWORD@]HOST[:PORT]/TOPIC``.

        Where there is no broker, or it refuses, that goes to ``print_warning(message, hint)`` once, from any thread.
        Raises :class:`UsageError` for another, :class:`EdgeposeError` where paho-mqtt is not there.
        """
        match = _ADDRESS.match(address)
        if not match:
            raise UsageError("{!r} is not mqtt://[USER:PASSWORD@]HOST[:PORT]/TOPIC".format(_shown(address)))
        user, password, host, port, topic = match.groups()
        if any(character in topic for character in "+#\0") or int(port or 0) > 65535:
            raise UsageError("{!r} cannot be published to".format(_shown(address)), "no + or # in a topic")
        try:
            import paho.mqtt.client as mqtt
        except ImportError:
            raise EdgeposeError(
                "publishing over MQTT needs paho-mqtt", "{} -m pip install paho-mqtt".format(sys.executable)
            )
        if hasattr(mqtt, "CallbackAPIVersion"):  # paho-mqtt 2
            self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        else:
            self._client = mqtt.Client()
        if user:
            self._client.username_pw_set(user, password)
        self._topic = topic.rstrip("/")
        # Of poses that paho has taken: its queue of messages with QoS 0 knows no bound.
        self._unsent = collections.deque()  # type: collections.deque
        self._print_warning = print_warning
        self._told = False
        self._broker = "{}:{}".format(host, port or DEFAULT_PORT)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail  # from paho-mqtt 1.6 on
        self._client.max_queued_messages_set(MESSAGES_KEPT)
        self._client.reconnect_delay_set(*RECONNECT_S)
        self._client.connect_async(host.strip("[]"), int(port or DEFAULT_PORT), KEEP_ALIVE_S)
        self._client.loop_start()

    def publish(self, event):
        """Queue ``event``; poses are left out while there is no broker, or it takes none."""
        place, payload = "{}/{}".format(self._topic, event.kind), json.dumps(event.to_dict(), allow_nan=False)
        if event.kind != "pose":
            self._client.publish(place, payload, qos=1)
            return
        while self._unsent and self._unsent[0].is_published():
            self._unsent.popleft()
        if self._client.is_connected() and len(self._unsent) < MESSAGES_KEPT:
            message = self._client.publish(place, payload, qos=0)
            if message.rc == 0:
                self._unsent.append(message)

    def close(self):
        """Say goodbye to the broker and end paho's thread."""
        if not self._client.is_connected():
            self._on_connect_fail()
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client, userdata, flags, reason, *_):
        if reason == 0:
            self._unsent.clear()
            self._told = False
        else:
            words = "the MQTT broker at {} refuses the connection, and gets no events: {}"
            self._tell(words.format(self._broker, reason), "check user and password")

    def _on_connect_fail(self, *_):
        self._tell("no MQTT broker answers at {}: events do not arrive".format(self._broker), "check address and port")

    def _tell(self, message, hint):
        if self._print_warning is not None and not self._told:
            self._told = True
            self._print_warning(message, hint)


def _shown(address):
    return re.sub(r"(://)[^/@]*@", r"\1", address)
