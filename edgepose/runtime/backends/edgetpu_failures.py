"""What it means when the Edge TPU cannot be used, and what to do: one clear error for each failure."""

import re
import signal

from edgepose.runtime.errors import EngineError

MAINTAINED = "https://github.com/feranick/libedgetpu/releases"

# Text in the message of an exception, what is wrong, what to do. The first that fits counts.
_MESSAGES = (
    (
        r"libusb-1\.0[^:]*: cannot open shared object",
        "libedgetpu needs libusb, which is not installed",
        "sudo apt install libusb-1.0-0",
    ),
    (
        r"edgetpu[^:]*: cannot open shared object",
        "the Edge TPU runtime {library} is not installed",
        "install libedgetpu1-std of your Python's TFLite runtime: " + MAINTAINED,
    ),
    (
        r"cannot open shared object|invalid ELF header|wrong ELF class|undefined symbol|version `\S+' not found",
        "the Edge TPU runtime {library} does not load: {message}",
        "install the build for this system and processor: " + MAINTAINED,
    ),
    (
        r"requires runtime version \((\d+)\), which is newer than this runtime version \((\d+)\)",
        "the engine needs Edge TPU runtime {0}, and this one is {1}",
        "update libedgetpu: " + MAINTAINED,
    ),
    (
        r"unresolved custom op: edgetpu-custom-op",
        "{runtime} did not take the Edge TPU delegate",
        "install a libedgetpu built for this version of the runtime: " + MAINTAINED,
    ),
    (
        r"is not compatible with (?:this|the) interpreter|Unsupported data type in custom op",
        "libedgetpu and {runtime} do not belong together: {message}",
        "install a libedgetpu built for this version of the runtime: " + MAINTAINED,
    ),
)


def not_compiled():
    """The :class:`EngineError` for an engine that was never compiled."""
    return EngineError(
        "the engine of this bundle is not compiled for the Edge TPU yet",
        "on x86-64 Debian or Ubuntu with edgetpu_compiler: edgepose finish FILE.edgepose",
    )


def explain(failure, library, runtime, device, attached):
    """The :class:`EngineError` for a :class:`ProbeFailure`.

    ``library``: what was loaded; ``runtime``: the TFLite runtime's name and version; ``device``: libedgetpu's name of
    the Edge TPU that was asked for, or None; ``attached``: the list of :class:`EdgeTpu` that the system shows.
    """
    message = failure.message.strip()
    if failure.kind == "signal":
        return EngineError(
            "{} crashed with {} while it {}".format(library, _signal_name(failure.number), _DOING[failure.step]),
            "it was built for another version than {}: install the build that fits: {}".format(runtime, MAINTAINED),
        )
    if failure.kind == "timeout":
        return EngineError(
            "the Edge TPU did not answer while {} {}".format(library, _DOING[failure.step]),
            "unplug it and plug it in, into a port that gives 900 mA; on PCIe, restart the machine",
        )
    for pattern, problem, hint in _MESSAGES:
        found = re.search(pattern, message)
        if found:
            return EngineError(problem.format(*found.groups(), library=library, runtime=runtime, message=message), hint)
    if failure.kind == "ValueError" and failure.step == "load" and not _reason(message):
        return _unavailable(device, attached)
    return EngineError(
        "{} failed with {} while it {}: {}".format(library, runtime, _DOING[failure.step], message or failure.kind),
        "see docs/coral.md; unplugging it and plugging it in mends many",
    )


_DOING = {
    "import": "was about to be loaded",
    "load": "was loaded",
    "open": "took over the engine",
    "run": "ran the engine",
    "done": "was closed",
}


def _reason(message):
    """What the delegate itself said: Python puts a line of its own before it."""
    return re.sub(r"\AFailed to load delegate from [^\n]*", "", message).strip()


def _unavailable(device, attached):
    bus, _, number = (device or "").rpartition(":") if ":" in (device or "") else (device or "", "", "")
    fitting = [one for one in attached if bus in ("", one.bus)]
    if not fitting:
        kind = {"usb": "USB ", "pci": "PCIe "}.get(bus, "")
        return EngineError(
            "no {}Edge TPU is attached".format(kind),
            "USB: plug it in with another cable ('lsusb' shows 1a6e:089a or 18d1:9302); "
            "M.2 and PCIe: /dev/apex_0 needs the gasket driver",
        )
    if number and int(number) >= len(fitting):
        return EngineError(
            "there is no Edge TPU {}: {} attached".format(device.lstrip(":"), _count(len(fitting))),
            "count from 0: {}".format(", ".join("{}:{}".format(one.bus, one.index) for one in fitting)),
        )
    closed = [one for one in fitting if not one.accessible]
    if closed:
        group = "plugdev" if closed[0].bus == "usb" else "apex"
        return EngineError(
            "this user may not open the Edge TPU at {}".format(closed[0].path),
            "install libedgetpu's udev rules (vendors 1a6e and 18d1), 'sudo usermod -aG {} $USER', log in again and "
            "plug it in again".format(group),
        )
    return EngineError(
        "the Edge TPU at {} cannot be opened".format(fitting[0].path),
        "another process may be using it; else unplug it and plug it in, with another cable",
    )


def _count(number):
    return "one is" if number == 1 else "{} are".format(number)


def _signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return "signal {}".format(number)
