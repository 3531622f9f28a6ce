"""How fast the USB link to a Coral accelerator is: USB 2 costs two thirds of its speed, and nothing says so."""

import os

from edgepose.bench.sensors.reading import Found, file_sensor, find_paths, read_text
from edgepose.runtime.edgetpu_devices import USB_IDS


def find_usb(root="/"):
    """'usb_link' in Mbit/s (480 is USB 2, 5000 is USB 3) of each Coral on USB."""
    sensors = []
    for device in find_paths(root, "sys/bus/usb/devices/[0-9]*"):
        identity = tuple(read_text(os.path.join(device, name)) for name in ("idVendor", "idProduct"))
        if identity in USB_IDS:
            name = "coral " + os.path.basename(device)
            sensors.append(file_sensor("usb_link", name, "Mbit/s", os.path.join(device, "speed")))
    return Found(sensors, {} if sensors else {"usb_link": "no Coral accelerator on USB"})
