"""Temperatures: thermal zones, the Edge TPU on PCIe, and processor sensors under hwmon where there is no zone."""

import os
from typing import Dict  # noqa: F401 - in a type comment

from edgepose.bench.sensors.reading import Found, Sensor, find_paths, read_number, read_text

# Zones of parts that are powered down say something like -256 degrees.
COLDEST_C = -100.0
HOTTEST_C = 200.0
# What Jetsons up to JetPack 4 say of their power chip is always 100 degrees.
NOT_MEASURED = ("PMIC-Die",)
PROCESSOR_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal")


def find_temperatures(root="/"):
    """A 'temperature' in degrees Celsius for each thermal zone, by the zone's type."""
    named = []
    for zone in find_paths(root, "sys/class/thermal/thermal_zone[0-9]*"):
        named.append((read_text(os.path.join(zone, "type")) or os.path.basename(zone), os.path.join(zone, "temp")))
    # Coral boards and cards.
    for device in find_paths(root, "sys/class/apex/apex_[0-9]*"):
        named.append((os.path.basename(device), os.path.join(device, "temp")))
    if not named:
        for folder in find_paths(root, "sys/class/hwmon/hwmon[0-9]*"):
            if read_text(os.path.join(folder, "name")) in PROCESSOR_SENSORS:
                for path in find_paths(folder, "temp[0-9]*_input"):
                    named.append((read_text(path.replace("_input", "_label")) or os.path.basename(path), path))
    sensors = {}  # type: Dict[str, Sensor]
    for name, path in named:
        if name not in NOT_MEASURED and _temperature(path) is not None:
            unique = name if name not in sensors else "{} {}".format(name, len(sensors))
            sensors[unique] = _sensor(unique, path)
    if sensors:
        return Found(list(sensors.values()), {})
    return Found([], {"temperature": "no thermal zone and no processor sensor in /sys"})


def _sensor(name, path):
    return Sensor("temperature", name, "C", lambda: _temperature(path))


def _temperature(path):
    degrees = read_number(path, 1e-3)
    return degrees if degrees is not None and COLDEST_C < degrees < HOTTEST_C else None
