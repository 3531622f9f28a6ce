"""Events to whoever wants them: ``open_publisher('tcp://127.0.0.1:5555')``.

A publisher has ``publish(event)``, which never waits longer than its place allows, and ``close()``.
"""

import json
import re

from edgepose.runtime.errors import UsageError

STANDARD_OUTPUT = "-"
PLACES = "-, tcp://HOST:PORT, unix:PATH, or mqtt://[USER:PASSWORD@]HOST[:PORT]/TOPIC"
_TCP = re.compile(r"tcp://(\[[0-9a-fA-F:.]+\]|[^:/\[\]]+):([0-9]{1,5})/?\Z")


def open_publisher(place, print_warning=None):
    """The publisher for ``place``: ``-`` (standard output), ``tcp://``, ``unix:`` or ``mqtt://``.

    ``print_warning(message, hint)`` is told, from any thread, where no broker can be had.
    Raises :class:`UsageError` for another, :class:`EdgeposeError` where the place cannot be had.
    """
    if place == STANDARD_OUTPUT:
        from edgepose.runtime.stream.standard_output import StandardOutputPublisher

        return StandardOutputPublisher()
    if place.startswith("unix:"):
        from edgepose.runtime.stream.socket_publisher import SocketPublisher, listen_unix

        path = place[len("unix:") :]
        return SocketPublisher(listen_unix(path[2:] if path.startswith("//") else path))
    match = _TCP.match(place)
    if match:
        from edgepose.runtime.stream.socket_publisher import SocketPublisher, listen_tcp

        return SocketPublisher(listen_tcp(match.group(1).strip("[]"), int(match.group(2))))
    if place.startswith("mqtt://"):
        from edgepose.runtime.stream.mqtt_publisher import MqttPublisher

        return MqttPublisher(place, print_warning)
    raise UsageError("cannot publish to {!r}".format(place), PLACES)


def line_of(event):
    """The event as one line of JSON, bytes."""
    return json.dumps(event.to_dict(), allow_nan=False).encode("ascii") + b"\n"
