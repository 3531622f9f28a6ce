"""Load and clock of a Jetson's GPU."""

import os

from edgepose.bench.sensors.reading import Found, file_sensor, find_paths, read_number

# Nano and TX2; Xavier; Orin; and, where the chip is not known by name, any GPU that has a load.
LOADS = (
    "sys/devices/gpu.0/load",
    "sys/devices/platform/gpu.0/load",
    "sys/devices/*.gv11b/load",
    "sys/devices/platform/*.g[avp]*[0-9]b/load",
    "sys/devices/platform/bus@0/*.gpu/load",
    "sys/devices/platform/*.gpu/load",
)
FREQUENCIES = ("devfreq/*/cur_freq", "devfreq_dev/cur_freq")


def find_gpu(root="/"):
    """'gpu_load' in percent and 'gpu_clock' in MHz."""
    paths = [path for path in find_paths(root, *LOADS) if read_number(path) is not None][:1]
    if not paths:
        return Found([], {"gpu": "no GPU with a load in /sys"})
    sensors = [file_sensor("gpu_load", "gpu", "%", paths[0], 0.1)]
    clocks = find_paths(os.path.dirname(paths[0]), *FREQUENCIES)
    sensors += [file_sensor("gpu_clock", "gpu", "MHz", path, 1e-6) for path in clocks[:1]]
    return Found(sensors, {})
