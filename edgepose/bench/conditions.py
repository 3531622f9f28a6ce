"""The machine that a measurement was taken on: a number without its conditions is not written."""

import os
import platform
import sys

DEVICE_TREE_MODEL = "/proc/device-tree/model"
CPU_INFO = "/proc/cpuinfo"
PROCESS_STATUS = "/proc/self/status"
GOVERNOR = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
TEMPERATURE = "/sys/class/thermal/thermal_zone0/temp"


def conditions():
    """What the machine says about itself now, as plain values for JSON; None for what it does not say."""
    import cv2
    import numpy

    temperature = _first_line(TEMPERATURE)
    return {
        "machine": machine_model(),
        "architecture": platform.machine(),
        "processors": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "governor": _first_line(GOVERNOR),
        "temperature_c": int(temperature) / 1000.0 if temperature and temperature.lstrip("-").isdigit() else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "opencv": cv2.__version__,
    }


def machine_model():
    """The board's name where there is a device tree, else the processor's."""
    model = _first_line(DEVICE_TREE_MODEL)
    if model:
        return model.rstrip("\0")
    try:
        with open(CPU_INFO) as file:
            for line in file:
                if line.lower().startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def peak_memory_mb():
    """The largest resident set of this process so far, in MB (10^6 bytes); None where the system does not say."""
    try:
        with open(PROCESS_STATUS) as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return round(int(line.split()[1]) * 1024 / 1e6, 1)
    except OSError:
        pass
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    # Bytes on macOS, KiB elsewhere.
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)


def _first_line(path):
    try:
        with open(path) as file:
            return file.readline(200).strip() or None
    except (OSError, UnicodeDecodeError):
        return None
