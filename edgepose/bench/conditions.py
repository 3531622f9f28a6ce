"""The machine that a measurement was taken on: a number without its conditions is not written."""

import os
import platform
import re

from edgepose.bench.sensors.clocks import governors, highest_clock_mhz
from edgepose.bench.sensors.memory import system_mb
from edgepose.bench.sensors.reading import find_program, output_of, read_text
from edgepose.bench.sensors.thermal import find_temperatures

DEVICE_TREE_MODEL = "/proc/device-tree/model"
NVPMODEL = ("usr/sbin/nvpmodel", "usr/bin/nvpmodel")


def conditions(root="/"):
    """What the machine says about itself now, as plain values for JSON; None for what it does not say."""
    import cv2
    import numpy

    temperatures = [sensor.read() for sensor in find_temperatures(root).sensors]
    temperatures = [one for one in temperatures if one is not None]
    return {
        "machine": machine_model(root),
        "processor": _processor(root),
        "architecture": platform.machine(),
        "processors": os.cpu_count(),
        "memory_mb": system_mb("MemTotal", root),
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "governor": governors(root),
        "highest_clock_mhz": highest_clock_mhz(root),
        "temperature_c": max(temperatures) if temperatures else None,
        "power_mode": _power_mode(root),
        "system": platform.platform(),
        "os": _os_name(root),
        "kernel": platform.release(),
        "l4t": _first_line(os.path.join(root, "etc/nv_tegra_release")),
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "opencv": cv2.__version__,
        "emulator": emulator(),
    }


def machine_model(root="/"):
    """The board's name where there is a device tree, else the processor's."""
    return (
        read_text(os.path.join(root, DEVICE_TREE_MODEL.lstrip("/")))
        or _processor(root)
        or platform.processor()
        or platform.machine()
    )


def emulator():
    """Path of the program that translates this process's instructions (QEMU's user mode); None where they run as such.

    QEMU answers for ``/proc/self/exe`` with the program that it runs, and lets ``/proc/thread-self/exe`` tell itself.
    """
    try:
        told, true = os.readlink("/proc/self/exe"), os.readlink("/proc/thread-self/exe")
    except OSError:  # not on this system
        return None
    return true if "qemu" in os.path.basename(true) and true != told else None


def _processor(root):
    found = re.search(r"^model name\s*:\s*(.+)$", read_text(os.path.join(root, "proc/cpuinfo")) or "", re.MULTILINE)
    return found.group(1).strip() if found else None


def _os_name(root):
    found = re.search(r'^PRETTY_NAME="?([^"\n]+)', read_text(os.path.join(root, "etc/os-release")) or "", re.MULTILINE)
    return found.group(1) if found else None


def _power_mode(root):
    """What ``nvpmodel -q`` says of a Jetson, as in 'MAXN' or '10W'."""
    program = find_program(root, *NVPMODEL)
    found = re.search(r"NV Power Mode\s*:\s*(\S+)", output_of(program, "-q") or "") if program else None
    return found.group(1) if found else None


def _first_line(path):
    text = read_text(path)
    return text.split("\n")[0][:200] if text else None
