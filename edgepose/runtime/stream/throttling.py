"""Whether the device slows itself down: what the kernel and the board's firmware say about it."""

import os

# Raspberry Pi: bits of the firmware's word that hold now (docs: `vcgencmd get_throttled`).
PI_WORD = "sys/devices/platform/soc/soc:firmware/get_throttled"
PI_BITS = ((0, "undervoltage"), (1, "clock capped"), (2, "throttled"), (3, "soft temperature limit"))
COOLING = "sys/class/thermal"


def throttling_reasons(root="/"):
    """What slows this device down now, as words; empty where nothing does, or nothing says so.

    Read from ``root``: the Raspberry Pi firmware's word, and the kernel's cooling devices that limit processors.
    """
    reasons = []
    word = _first_line(os.path.join(root, PI_WORD))
    if word is not None:
        try:
            bits = int(word, 16)
        except ValueError:
            bits = 0
        reasons += [words for bit, words in PI_BITS if bits >> bit & 1]
    folder = os.path.join(root, COOLING)
    try:
        names = sorted(name for name in os.listdir(folder) if name.startswith("cooling_device"))
    except OSError:
        names = []
    for name in names:
        kind = _first_line(os.path.join(folder, name, "type")) or ""
        state = _first_line(os.path.join(folder, name, "cur_state")) or "0"
        # Fans cool, too, and slow nothing down.
        if ("cpu" in kind.lower() or "processor" in kind.lower()) and state.isdigit() and int(state) > 0:
            reasons.append("{} at step {}".format(kind, state))
    return reasons


def _first_line(path):
    try:
        with open(path) as file:
            return file.readline(200).strip()
    except (OSError, UnicodeDecodeError):
        return None
