"""Clock frequencies of the processors, from cpufreq."""

import os
import re

from edgepose.bench.sensors.reading import Found, Sensor, file_sensor, find_paths, read_text

_LISTED = re.compile(r"^cpu MHz\s*:\s*([0-9.]+)", re.MULTILINE)


def find_clocks(root="/"):
    """A 'clock' in MHz for each group of cores that share one; the mean of /proc/cpuinfo where there is no cpufreq."""
    groups = find_paths(root, "sys/devices/system/cpu/cpufreq/policy[0-9]*", "sys/devices/system/cpu/cpu[0-9]*/cpufreq")
    sensors = []
    for group in groups:
        name = os.path.basename(group)
        name = os.path.basename(os.path.dirname(group)) if name == "cpufreq" else name.replace("policy", "cpu")
        # cpuinfo_cur_freq asks the hardware, but only root may read it.
        sensors.append(file_sensor("clock", name, "MHz", os.path.join(group, "scaling_cur_freq"), 1e-3))
    sensors = [sensor for sensor in sensors if sensor.read() is not None]
    if sensors:
        return Found(sensors, {})
    path = os.path.join(root, "proc/cpuinfo")
    if _mean_listed(path) is not None:
        return Found([Sensor("clock", "cpu", "MHz", lambda: _mean_listed(path))], {})
    return Found([], {"clock": "no cpufreq in /sys, and no clock in /proc/cpuinfo"})


def governors(root="/"):
    """The governors of all groups of cores, each named once; None where there is no cpufreq."""
    paths = find_paths(
        root,
        "sys/devices/system/cpu/cpufreq/policy[0-9]*/scaling_governor",
        "sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor",
    )
    return ", ".join(sorted({text for text in map(read_text, paths) if text})) or None


def highest_clock_mhz(root="/"):
    """The highest clock that any core may have, in MHz; None where there is no cpufreq."""
    paths = find_paths(
        root,
        "sys/devices/system/cpu/cpufreq/policy[0-9]*/cpuinfo_max_freq",
        "sys/devices/system/cpu/cpu[0-9]*/cpufreq/cpuinfo_max_freq",
    )
    clocks = [float(text) * 1e-3 for text in map(read_text, paths) if text and text.isdigit()]
    return max(clocks) if clocks else None


def _mean_listed(path):
    clocks = [float(text) for text in _LISTED.findall(read_text(path) or "")]
    return sum(clocks) / len(clocks) if clocks else None
