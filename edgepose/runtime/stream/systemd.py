"""Word to systemd that a service is ready and alive (``sd_notify``), without a library."""

import os
import socket


def notify_systemd(state):
    """Send ``state`` ('READY=1', 'WATCHDOG=1', 'STATUS=...') to the service manager. Returns whether there is one.

    Does nothing outside a service of ``Type=notify``; never waits and never raises.
    """
    place = os.environ.get("NOTIFY_SOCKET")
    if not place or place[0] not in "@/":
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.setblocking(False)
            manager.sendto(state.encode("utf-8"), "\0" + place[1:] if place[0] == "@" else place)
    except OSError:
        return False
    return True
