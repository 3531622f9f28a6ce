"""The Edge TPUs that this machine shows: over USB or PCIe, their link speed and temperature, and libedgetpu's clock.

Read from sysfs and from dpkg's list of files; nothing is opened, so that another process may be using them.
"""

import glob
import os
from typing import List, NamedTuple, Optional  # noqa: F401 - in type comments

# Vendor and product of the USB Accelerator before its firmware is loaded (Global Unichip) and after it (Google).
USB_IDS = (("1a6e", "089a"), ("18d1", "9302"))
USB_3_MBIT_S = 5000

EdgeTpu = NamedTuple(
    "EdgeTpu",
    [
        ("bus", str),  # 'usb' or 'pci'
        ("index", int),  # among those of its bus
        ("path", str),  # what this process must be able to read and write
        ("accessible", bool),  # whether it can
        ("link_mbit_s", Optional[int]),  # of the USB link
        ("temperature_c", Optional[float]),  # PCIe alone
    ],
)


def attached_edge_tpus(root="/"):
    """A list of :class:`EdgeTpu`, PCIe first as libedgetpu counts them; ``root`` is where the file system begins."""
    found = []  # type: List[EdgeTpu]
    for folder in sorted(glob.glob(os.path.join(root, "sys/class/apex/apex_*"))):
        path = os.path.join(root, "dev", os.path.basename(folder))
        found.append(EdgeTpu("pci", len(found), path, _accessible(path), None, _millidegrees(folder)))
    usb = []  # type: List[EdgeTpu]
    for folder in sorted(glob.glob(os.path.join(root, "sys/bus/usb/devices/*"))):
        if (_text(folder, "idVendor"), _text(folder, "idProduct")) in USB_IDS:
            numbers = [_number(folder, name) or 0 for name in ("busnum", "devnum")]
            path = os.path.join(root, "dev/bus/usb/{:03d}/{:03d}".format(*numbers))
            usb.append(EdgeTpu("usb", len(usb), path, _accessible(path), _number(folder, "speed"), None))
    return found + usb


def runtime_clock(root="/"):
    """``'max'`` or ``'std'``: which build of libedgetpu dpkg installed; None where it installed neither."""
    for clock in ("max", "std"):
        if glob.glob(os.path.join(root, "var/lib/dpkg/info/libedgetpu1-{}*.list".format(clock))):
            return clock
    return None


def describe(device, clock):
    """One line about ``device`` (:class:`EdgeTpu`) under libedgetpu of ``clock``, for people."""
    words = ["Edge TPU {}:{}".format(device.bus, device.index)]
    if device.link_mbit_s is not None:
        slow = device.link_mbit_s < USB_3_MBIT_S
        words.append("USB link of {} Mbit/s{}".format(device.link_mbit_s, " (USB 2: slow)" if slow else ""))
    if device.temperature_c is not None:
        words.append("{:.1f} C".format(device.temperature_c))
    if clock is not None:
        words.append("libedgetpu at its {} clock".format({"max": "maximum", "std": "standard"}[clock]))
    return ", ".join(words)


def _accessible(path):
    return os.access(path, os.R_OK | os.W_OK)


def _millidegrees(folder):
    value = _number(folder, "temp")
    return None if value is None else value / 1000.0


def _number(folder, name):
    text = _text(folder, name)
    return int(text) if text is not None and text.lstrip("-").isdigit() else None


def _text(folder, name):
    try:
        with open(os.path.join(folder, name)) as file:
            return file.read(100).strip()
    except (OSError, UnicodeDecodeError):
        return None
