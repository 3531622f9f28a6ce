"""What a machine can say about itself while it works: one kind of sensor a file, each read from files.

Every reader takes the ``root`` of the file system, so that trees shaped like a device's can stand for it. A sensor that
is not there is absent, and the reason stands in its place.
"""

from edgepose.bench.sensors.clocks import find_clocks
from edgepose.bench.sensors.gpu import find_gpu
from edgepose.bench.sensors.memory import find_memory
from edgepose.bench.sensors.power import find_power
from edgepose.bench.sensors.reading import Found
from edgepose.bench.sensors.thermal import find_temperatures
from edgepose.bench.sensors.throttling import find_throttling
from edgepose.bench.sensors.usb import find_usb

FINDERS = (find_clocks, find_temperatures, find_throttling, find_power, find_gpu, find_memory, find_usb)


def find_sensors(root="/"):
    """Everything that can be read here, as one :class:`Found`."""
    sensors, absent = [], {}
    for find in FINDERS:
        found = find(root)
        sensors += found.sensors
        absent.update(found.absent)
    return Found(sensors, absent)
