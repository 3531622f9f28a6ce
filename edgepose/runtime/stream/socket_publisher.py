"""Events as lines of JSON to everyone who connects to a TCP or Unix socket."""

import collections
import contextlib
import errno
import json
import os
import selectors
import socket
import stat
import threading
import time
from typing import Optional  # noqa: F401 - in a type comment

from edgepose.runtime.errors import EdgeposeError, UsageError
from edgepose.runtime.stream.publishing import line_of

MAX_CLIENTS = 16
# Lines kept for a client that reads too slowly; older ones are dropped, and it is told how many.
LINES_KEPT = 64
# What the system holds for a client beyond that: a slow one must not read poses of seconds ago.
SEND_BUFFER_BYTES = 1 << 16
# How long closing waits for clients to take what is queued.
DRAIN_S = 0.5
JOIN_S = 1.0
LISTEN_BACKLOG = 16
LISTEN_HINTS = {
    None: "name a shorter path: systems take about 100 bytes",  # Python's own error, of no number
    errno.EADDRINUSE: "something is there already: name another place",
    errno.EADDRNOTAVAIL: "name an address of this machine",
    errno.ENOENT: "make its folder first",
    errno.EACCES: "name a place that you may use",
}


class SocketPublisher(object):
    """Serves ``listener`` (a bound, listening socket; :func:`listen_tcp`, :func:`listen_unix`) in a thread of its own.

    ``publish`` never waits: each client has a bounded queue. Where lines had to be dropped for one, it gets
    ``{"event": "dropped", "lines": n}`` in their place. Whatever clients send is ignored.
    """

    def __init__(self, listener):
        self._listener = listener
        #: What others connect to: (host, port), or a path.
        self.address = listener.getsockname()
        self._identity = _identity(self.address)
        listener.setblocking(False)
        self._lock = threading.Lock()
        self._clients = {}  # type: dict
        self._closing = None  # type: Optional[float]
        # A socket pair, and not a condition, wakes a thread that waits for sockets.
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._woken, selectors.EVENT_READ, self._drain_waker)
        self._thread = threading.Thread(target=self._serve, name="edgepose-publisher", daemon=True)
        self._thread.start()

    def publish(self, event):
        """Queue ``event`` for every client there is."""
        line = line_of(event)
        with self._lock:
            for client in self._clients.values():
                client.add(line)
        self._wake()

    @property
    def clients(self):
        """How many are connected."""
        with self._lock:
            return len(self._clients)

    def close(self):
        """Close every connection, half a second after at the latest, and remove the file of a Unix socket."""
        self._closing = time.monotonic() + DRAIN_S
        self._wake()
        self._thread.join(DRAIN_S + JOIN_S)
        # Only if it is still ours: another process may have taken the place.
        if isinstance(self.address, str) and self._identity == _identity(self.address):
            with contextlib.suppress(OSError):
                os.unlink(self.address)

    def _serve(self):
        try:
            while self._closing is None or (self._any_lines() and time.monotonic() < self._closing):
                for key, ready in self._selector.select(None if self._closing is None else DRAIN_S / 10):
                    key.data(key.fileobj, ready)
                self._watch_writers()
        finally:
            with self._lock:
                open_sockets = list(self._clients) + [self._listener, self._woken, self._waker]
                self._clients.clear()
            self._selector.close()
            for one in open_sockets:
                one.close()

    def _wake(self):
        # Full: it will wake anyway. Closed: nobody is there to wake.
        with contextlib.suppress(OSError):
            self._waker.send(b"\0")

    def _drain_waker(self, woken, _):
        with contextlib.suppress(OSError):
            while woken.recv(4096):
                pass

    def _accept(self, listener, _):
        try:
            connection, _ = listener.accept()
        except OSError:  # gone again, or no descriptor is left: the next round tries again
            return
        if len(self._clients) >= MAX_CLIENTS:
            connection.close()
            return
        connection.setblocking(False)
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        if connection.family != getattr(socket, "AF_UNIX", None):
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(connection, selectors.EVENT_READ, self._talk)
        with self._lock:
            self._clients[connection] = _Client()

    def _talk(self, connection, ready):
        try:
            if ready & selectors.EVENT_READ and not connection.recv(4096):
                self._forget(connection)
                return
            if ready & selectors.EVENT_WRITE:
                with self._lock:
                    self._clients[connection].send_to(connection)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._forget(connection)

    def _forget(self, connection):
        with self._lock:
            self._clients.pop(connection, None)
        self._selector.unregister(connection)
        connection.close()

    def _any_lines(self):
        with self._lock:
            return any(client.has_lines for client in self._clients.values())

    def _watch_writers(self):
        """Wait for room only in the sockets that something is to be sent to."""
        with self._lock:
            waiting = [(connection, client.has_lines) for connection, client in self._clients.items()]
        for connection, has_lines in waiting:
            wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if has_lines else 0)
            if self._selector.get_key(connection).events != wanted:
                self._selector.modify(connection, wanted, self._talk)


class _Client(object):
    """What is still to be sent to one client."""

    def __init__(self):
        self._lines = collections.deque()  # type: collections.deque
        self._rest = b""  # of a line that went half-way: it has to end before another may begin
        self._dropped = 0

    @property
    def has_lines(self):
        return bool(self._lines or self._rest)

    def add(self, line):
        if len(self._lines) >= LINES_KEPT:
            self._lines.popleft()
            self._dropped += 1
        self._lines.append(line)

    def send_to(self, connection):
        while self.has_lines:
            if not self._rest:
                self._rest = self._next_line()
            self._rest = self._rest[connection.send(self._rest) :]

    def _next_line(self):
        if self._dropped:
            count, self._dropped = self._dropped, 0
            return json.dumps({"event": "dropped", "lines": count}).encode("ascii") + b"\n"
        return self._lines.popleft()


def listen_tcp(host, port):
    """A socket that listens on ``host``:``port`` (0: any free one). Raises :class:`EdgeposeError`."""
    if port > 65535:
        raise UsageError("there is no port {}".format(port), "1 to 65535")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise EdgeposeError("cannot listen on {}:{}: {}".format(host, port, error.strerror or error))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return _listening(listener, address, "{}:{}".format(host, port))


def listen_unix(path):
    """A socket that listens at ``path``, readable and writable by this user alone. Raises :class:`EdgeposeError`.

    The socket of a process that has ended is replaced; one that somebody listens at, and any other file, is not.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise EdgeposeError("this system has no Unix sockets", "use tcp://")
    if not path:
        raise UsageError("a Unix socket needs a path", "unix:/run/edgepose.sock")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if stat.S_ISSOCK(os.lstat(path).st_mode) and not _answers(path):
            os.unlink(path)
    except OSError as error:
        if error.errno != errno.ENOENT:
            listener.close()
            raise EdgeposeError("cannot listen at {}: {}".format(path, error.strerror or error))
    mask = os.umask(0o177)
    try:
        return _listening(listener, path, path)
    finally:
        os.umask(mask)


def _listening(listener, address, words):
    try:
        listener.bind(address)
        listener.listen(LISTEN_BACKLOG)
    except (OSError, ValueError, OverflowError) as error:
        listener.close()
        hint = LISTEN_HINTS.get(getattr(error, "errno", None), "name another place")
        raise EdgeposeError("cannot listen at {}: {}".format(words, getattr(error, "strerror", None) or error), hint)
    return listener


def _answers(path):
    """Whether somebody listens at the Unix socket ``path``."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return False
        except OSError:  # busy: somebody is there
            return True
        return True


def _identity(path):
    """(device, inode) of a Unix socket's file; None for other addresses."""
    if not isinstance(path, str):
        return None
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
