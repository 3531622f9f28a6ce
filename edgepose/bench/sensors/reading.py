"""Reading one number from one small file, or from the output of one command."""

import glob
import os
import subprocess
from typing import Callable, Dict, List, NamedTuple, Optional

MAX_BYTES = 1 << 16
COMMAND_SECONDS = 5.0

# ``read()`` gives a number in ``unit``, or None where it fails. ``kind`` is what the finder looks for: 'clock', ...
Sensor = NamedTuple("Sensor", [("kind", str), ("name", str), ("unit", str), ("read", Callable[[], Optional[float]])])
# ``absent``: {kind: why there is none}.
Found = NamedTuple("Found", [("sensors", List[Sensor]), ("absent", Dict[str, str])])


def read_text(path):
    """What the file at ``path`` says, without white space or NULs around it; None where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(MAX_BYTES).decode("utf-8", "replace").strip(" \t\r\n\0") or None
    except OSError:
        return None


def read_number(path, scale=1.0):
    """The number that the file at ``path`` begins with, times ``scale``; None where there is none."""
    text = read_text(path)
    try:
        return float(text.split()[0]) * scale if text else None
    except ValueError:
        return None


def file_sensor(kind, name, unit, path, scale=1.0):
    """A :class:`Sensor` of the file at ``path``."""
    return Sensor(kind, name, unit, lambda: read_number(path, scale))


def find_paths(root, *patterns):
    """The paths under ``root`` that match the first of ``patterns`` to match any, in order of their numbers."""
    for pattern in patterns:
        paths = glob.glob(os.path.join(root, pattern))
        if paths:
            return sorted(paths, key=lambda path: (len(path), path))
    return []


def find_program(root, *places):
    """Path of the first of ``places`` under ``root`` that can be executed; None where there is none."""
    for place in places:
        path = os.path.join(root, place)
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    return None


def output_of(*command):
    """What ``command`` prints; None where it fails or takes longer than five seconds."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=COMMAND_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout[:MAX_BYTES].decode("utf-8", "replace").strip() if done.returncode == 0 else None
