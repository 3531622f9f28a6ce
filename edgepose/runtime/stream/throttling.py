"""Whether the device slows itself down, in words."""

from edgepose.bench.sensors.throttling import bits_in_words, find_throttling


class ThrottlingWatch(object):
    """What slows this device down, by the sensors of :mod:`edgepose.bench` under ``root``."""

    def __init__(self, root="/"):
        self._sensors = find_throttling(root).sensors

    def reasons(self):
        """Words for each thing that slows the device down now; empty where nothing does, or nothing says so."""
        reasons = []
        for sensor in self._sensors:
            value = sensor.read()
            if value is None:
                continue
            if sensor.kind == "throttle_bits":
                reasons += bits_in_words(value)[0]
            elif value > 0:
                reasons.append("{} at step {:g}".format(sensor.name, value))
        return reasons
