"""Frames that say which one they are: the places of their squares are the digits of their number."""

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import cv2
import numpy as np
from tiny_bundles import squares

# Centres of heatmap cells, in pixels of the tiny network's input.
PLACES = ((12, 12), (20, 12), (12, 20), (20, 20))
PERIOD = len(PLACES) ** 3
REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


def numbered_frame(number, width=64, height=64):
    """A frame from whose pose :func:`number_of` reads ``number``, modulo 64."""
    digits = [number % 4, number // 4 % 4, number // 16 % 4]
    return squares(width, height, *(PLACES[digit] for digit in digits))


def number_of(pose, width=64, height=64):
    """Which frame ``pose`` was found in."""
    scale = np.array([32.0 / width, 32.0 / height])
    digits = []
    for joint in range(3):
        distances = [np.linalg.norm(pose.keypoints[joint] * scale + 0.5 - place) for place in PLACES]
        digits.append(int(np.argmin(distances)))
    return digits[0] + 4 * digits[1] + 16 * digits[2]


class Camera(object):
    """A camera of a program's own: a callable source whose frames come when :meth:`give` says, and that can go.

    ``opened`` counts how often it was opened. What is given: a frame, (seconds, frame), an exception to raise, or
    ``END``.
    """

    END = object()

    def __init__(self):
        self.opened = 0
        self.closed = 0
        self._items = []
        self._changed = threading.Condition()

    def give(self, *items):
        with self._changed:
            self._items.extend(items)
            self._changed.notify_all()

    def __call__(self):
        with self._changed:
            self.opened += 1
        try:
            while True:
                with self._changed:
                    while not self._items:
                        self._changed.wait()
                    item = self._items.pop(0)
                if item is Camera.END:
                    return
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            self.closed += 1


class NetworkCamera(object):
    """An HTTP camera (MJPEG) on this machine, as a network camera serves it.

    ``frames``: JPEGs that it sends to everyone who connects, then it hangs up, or, with ``silent``, says nothing more.
    """

    def __init__(self, frames, silent=False):
        self._released = threading.Event()
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                try:
                    for frame in frames:
                        data = cv2.imencode(".jpg", frame)[1].tobytes()
                        self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ")
                        self.wfile.write(b"%d\r\n\r\n" % len(data) + data + b"\r\n")
                    if silent:
                        camera._released.wait(30)
                except OSError:  # the stream hung up
                    pass

            def log_message(self, *_):
                pass

        class Server(HTTPServer):
            daemon_threads = True

            def process_request(self, request, address):
                def work():
                    try:
                        self.finish_request(request, address)
                    finally:
                        self.shutdown_request(request)

                threading.Thread(target=work, daemon=True).start()

        self._server = Server(("127.0.0.1", 0), Handler)
        self.address = "http://127.0.0.1:{}/camera.mjpg".format(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._released.set()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def start_command(bundle, *words, **options):
    """``edgepose stream BUNDLE words...`` as a process of its own."""
    environment = dict(os.environ, PYTHONPATH=REPOSITORY, PYTHONUNBUFFERED="1")
    environment.update(options.pop("environment", {}))
    return subprocess.Popen(
        [sys.executable, "-m", "edgepose", "stream", str(bundle)] + [str(word) for word in words],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )
