"""Power in watts, rail by rail: INA3221 monitors of Jetsons, and the power chip of the Raspberry Pi 5.

A rail that feeds the whole module (``VDD_IN``, ``POM_5V_IN``) is the total where there is one; else the rails of a
Jetson add up to it. The Pi 5 measures what its power chip gives out, not what it takes in, nor what USB devices take.
"""

import os
import re
from functools import partial
from typing import Dict, List, Optional, Tuple  # noqa: F401 - in type comments

from edgepose.bench.sensors.reading import Found, Sensor, find_paths, find_program, output_of, read_number, read_text
from edgepose.bench.sensors.throttling import VCGENCMD

# Kernels of JetPack 5 and newer have hwmon, JetPack 4 has the older iio.
INA3221_FOLDERS = ("sys/bus/i2c/drivers/ina3221/*/hwmon/hwmon*", "sys/bus/i2c/drivers/ina3221x/*/hwmon/hwmon*")
INA3221_IIO_FOLDERS = ("sys/bus/i2c/drivers/ina3221x/*/iio*device*",)
CHANNELS = (1, 2, 3)
WHOLE_MODULE = ("VDD_IN", "POM_5V_IN", "5V_IN")
UNCONNECTED = ("NC", "sum of shunt voltages")
TOTAL = "total"
_ADC = re.compile(r"^\s*(\w+)_([AV])\s+(?:current|volt)\(\d+\)=([0-9.]+)[AV]\s*$", re.MULTILINE)


def find_power(root="/"):
    """'power' in W of each rail, and of the ``total``."""
    rails = _ina3221_rails(root)
    if rails:
        whole = [rail for rail in rails if rail.name in WHOLE_MODULE][:1] or rails
        return Found(rails + [Sensor("power", TOTAL, "W", lambda: _sum(whole))], {})
    program = find_program(root, *VCGENCMD)
    names = sorted(_pmic_rails(program)) if program is not None else []
    if names:
        # One command reads all rails; the first sensor asked of a round asks it for all.
        shared = _SharedReading(lambda: _pmic_rails(program), len(names) + 1)
        sensors = [Sensor("power", name, "W", partial(shared.get_rail, name)) for name in names]
        return Found(sensors + [Sensor("power", TOTAL, "W", shared.get_total)], {})
    return Found([], {"power": "no INA3221 monitor in /sys, and no vcgencmd that reads a power chip"})


def _ina3221_rails(root):
    rails = []  # type: List[Tuple[Optional[str], partial]]
    for folder in find_paths(root, *INA3221_FOLDERS):
        for channel in CHANNELS:
            label = read_text(os.path.join(folder, "in{}_label".format(channel)))
            volts, amperes = (os.path.join(folder, "{}{}_input".format(kind, channel)) for kind in ("in", "curr"))
            rails.append((label, partial(_product, volts, amperes)))
    if not rails:
        for folder in find_paths(root, *INA3221_IIO_FOLDERS):
            for channel in range(len(CHANNELS)):
                label = read_text(os.path.join(folder, "rail_name_{}".format(channel)))
                path = os.path.join(folder, "in_power{}_input".format(channel))
                rails.append((label, partial(read_number, path, 1e-3)))
    return [
        Sensor("power", label, "W", read)
        for label, read in rails
        if label and label not in UNCONNECTED and read() is not None
    ]


def _product(volts, amperes):
    """Watts of a file of millivolts and one of milliamperes."""
    values = read_number(volts, 1e-3), read_number(amperes, 1e-3)
    return None if None in values else values[0] * values[1]


def _sum(sensors):
    values = [sensor.read() for sensor in sensors]
    return None if None in values else sum(values)


def _pmic_rails(program):
    """{rail: watts} of ``vcgencmd pmic_read_adc``; empty where this board has no such chip."""
    read = {"A": {}, "V": {}}  # type: Dict[str, Dict[str, float]]
    for name, quantity, value in _ADC.findall(output_of(program, "pmic_read_adc") or ""):
        read[quantity][name] = float(value)
    return {name: amperes * read["V"][name] for name, amperes in read["A"].items() if name in read["V"]}


class _SharedReading(object):
    """Watts of all rails, read once for every ``shares`` questions."""

    def __init__(self, read, shares):
        self._read, self._shares, self._left = read, shares, 0
        self._watts = {}  # type: Dict[str, float]

    def get_rail(self, name):
        """Watts of one rail, None where it was not read."""
        return self._asked().get(name)

    def get_total(self):
        """Watts of all rails, None where none was read."""
        return sum(self._asked().values()) or None

    def _asked(self):
        if self._left == 0:
            self._watts, self._left = self._read(), self._shares
        self._left -= 1
        return self._watts
