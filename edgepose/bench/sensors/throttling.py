"""Whether the machine holds its clocks down: the Pi's throttle bits, and the kernel's cooling devices.

Bits of the Pi's firmware (``vcgencmd get_throttled``): 0 under-voltage, 1 clock capped, 2 throttled, 3 soft temperature
limit, now; 16 to 19 the same since the machine was started.
"""

import os
from functools import partial

from edgepose.bench.sensors.reading import Found, Sensor, file_sensor, find_paths, find_program, output_of, read_text

NOW = {0: "under-voltage", 1: "clock capped", 2: "throttled", 3: "soft temperature limit"}
SINCE_BOOT = {bit + 16: words for bit, words in NOW.items()}
VCGENCMD = ("usr/bin/vcgencmd", "opt/vc/bin/vcgencmd")
# Cooling devices of these types slow a processor down; fans do not.
SLOWING = ("cpufreq", "devfreq", "processor", "gpu", "cpu-balanced", "gpu-balanced", "cpu_alert", "thermal-cpu")


def find_throttling(root="/"):
    """'throttle_bits' of a Pi, and 'cooling' (state above 0: slowed down) of each device that slows a processor."""
    sensors = []
    # The file costs nothing; the command starts a process.
    for path in find_paths(root, "sys/devices/platform/soc*/*firmware/get_throttled"):
        sensors.append(Sensor("throttle_bits", "throttle bits", "bits", partial(_bits_of, path)))
    program = find_program(root, *VCGENCMD)
    if not sensors and program is not None:
        sensors.append(
            Sensor("throttle_bits", "throttle bits", "bits", lambda: _hexadecimal(output_of(program, "get_throttled")))
        )
    sensors = [sensor for sensor in sensors if sensor.read() is not None][:1]
    for device in find_paths(root, "sys/class/thermal/cooling_device[0-9]*"):
        kind = read_text(os.path.join(device, "type")) or ""
        if any(word in kind.lower() for word in SLOWING):
            name = "{} {}".format(kind, os.path.basename(device)[len("cooling_device") :])
            sensors.append(file_sensor("cooling", name, "state", os.path.join(device, "cur_state")))
    if sensors:
        return Found(sensors, {})
    return Found([], {"throttling": "no vcgencmd, no firmware file and no cooling device of a processor in /sys"})


def bits_in_words(bits):
    """(what is so now, what has been so since the start) of a Pi's throttle ``bits``, as lists of words."""
    bits = int(bits)
    return [[words for bit, words in sorted(table.items()) if bits >> bit & 1] for table in (NOW, SINCE_BOOT)]


def _bits_of(path):
    return _hexadecimal(read_text(path))


def _hexadecimal(text):
    """The number in ``throttled=0x50005``, or in ``50005``."""
    try:
        return float(int(text.split("=")[-1], 16)) if text else None
    except ValueError:
        return None
