"""Which board this is, what software it has, and how much memory is free."""

import os
import re
from typing import NamedTuple, Optional

from edgepose.bench.conditions import machine_model

TEGRA_RELEASE = "/etc/nv_tegra_release"
MEMORY_INFO = "/proc/meminfo"
# https://developer.nvidia.com/embedded/jetpack-archive
JETPACK_OF_L4T = {
    "32.6.1": "4.6", "32.7.1": "4.6.1", "32.7.2": "4.6.2", "32.7.3": "4.6.3", "32.7.4": "4.6.4", "32.7.5": "4.6.5",
    "32.7.6": "4.6.6", "34.1.1": "5.0.1", "35.1.0": "5.0.2", "35.2.1": "5.1", "35.3.1": "5.1.1", "35.4.1": "5.1.2",
    "35.5.0": "5.1.3", "35.6.0": "5.1.4", "35.6.1": "5.1.5", "36.3.0": "6.0", "36.4.0": "6.1", "36.4.3": "6.2",
    "36.4.4": "6.2.1",
}  # fmt: skip
_RELEASE = re.compile(r"# R(\d+) \(release\), REVISION: ([\d.]+)")
SWAP_HINT = (
    "give the board swap: sudo fallocate -l 4G /swapfile && sudo chmod 600 /swapfile && sudo mkswap /swapfile && "
    "sudo swapon /swapfile; close the desktop and other programs while it builds"
)

# ``l4t`` and ``jetpack`` are None where the board does not say, or this table does not know.
Board = NamedTuple("Board", [("model", str), ("l4t", Optional[str]), ("jetpack", Optional[str])])
# In MB (10^6 bytes): installed, free for a program now, and free swap.
Memory = NamedTuple("Memory", [("total", float), ("available", float), ("swap", float)])


def read_board():
    """The :class:`Board` that this runs on; off a Jetson, the computer."""
    release = _l4t_release()
    return Board(machine_model(), release, JETPACK_OF_L4T.get(release or ""))


def is_jetson():
    """Whether this is a Jetson with NVIDIA's system on it."""
    return os.path.exists(TEGRA_RELEASE)


def read_memory():
    """The :class:`Memory` of this machine now; None where it does not say."""
    found = {}
    try:
        with open(MEMORY_INFO) as file:
            for line in file:
                name, _, rest = line.partition(":")
                found[name] = int(rest.split()[0]) * 1024 / 1e6
        return Memory(found["MemTotal"], found["MemAvailable"], found["SwapFree"])
    except (OSError, KeyError, ValueError, IndexError):
        return None


def memory_advice(memory, needed_mb):
    """What to tell a user before a build that takes ``needed_mb`` (*estimated*), or None where there is room."""
    if memory is None or memory.available + memory.swap >= needed_mb:
        return None
    return "about {:.0f} MB are wanted to build, estimated, and {:.0f} MB and {:.0f} MB of swap are free: {}".format(
        needed_mb, memory.available, memory.swap, SWAP_HINT
    )


def _l4t_release():
    try:
        with open(TEGRA_RELEASE) as file:
            found = _RELEASE.match(file.readline(200))
    except (OSError, UnicodeDecodeError):
        return None
    if found is None:
        return None
    revision = found.group(2) if "." in found.group(2) else found.group(2) + ".0"
    return "{}.{}".format(found.group(1), revision)
