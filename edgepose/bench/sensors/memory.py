"""Memory of this process and of the system, in MB (10^6 bytes)."""

import os
import re
import sys

from edgepose.bench.sensors.reading import Found, Sensor, read_text

STATUS, SYSTEM = "proc/self/status", "proc/meminfo"
_KIB = 1024 / 1e6


def find_memory(root="/"):
    """'memory' of the process (resident) and 'memory_available' of the system."""
    sensors, absent = [], {}
    if resident_mb(root) is not None:
        sensors.append(Sensor("memory", "process", "MB", lambda: resident_mb(root)))
    else:
        absent["memory"] = "no /proc/self/status"
    if system_mb("MemAvailable", root) is not None:
        sensors.append(Sensor("memory_available", "system", "MB", lambda: system_mb("MemAvailable", root)))
    else:
        absent["memory_available"] = "no MemAvailable in /proc/meminfo"
    return Found(sensors, absent)


def resident_mb(root="/"):
    """What this process holds now; None where the system does not say."""
    return _field(os.path.join(root, STATUS), "VmRSS")


def system_mb(name, root="/"):
    """``name`` of /proc/meminfo, as in 'MemTotal'; None where the system does not say."""
    return _field(os.path.join(root, SYSTEM), name)


def peak_memory_mb(root="/"):
    """The largest resident set of this process so far; None where the system does not say."""
    peak = _field(os.path.join(root, STATUS), "VmHWM")
    if peak is not None:
        return peak
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    # Bytes on macOS, KiB elsewhere.
    unit = 1e-6 if sys.platform == "darwin" else _KIB
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, 1)


def _field(path, name):
    found = re.search(r"^{}:\s+(\d+) kB".format(name), read_text(path) or "", re.MULTILINE)
    return round(int(found.group(1)) * _KIB, 1) if found else None
