"""Which Edge TPUs a machine shows, read from trees of files as sysfs has them."""

import os

import pytest

from edgepose.runtime.backends.edgetpu_failures import explain
from edgepose.runtime.backends.edgetpu_probe import ProbeFailure
from edgepose.runtime.edgetpu_devices import EdgeTpu, attached_edge_tpus, describe, runtime_clock


class Machine(object):
    """A file system with devices in it."""

    def __init__(self, root):
        self.root = str(root)

    def write(self, path, text=""):
        path = os.path.join(self.root, path)
        if not os.path.isdir(os.path.dirname(path)):
            os.makedirs(os.path.dirname(path))
        with open(path, "w") as file:
            file.write(text)

    def add_usb(self, place, ids=("18d1", "9302"), speed="5000\n", numbers=(2, 3), node=True):
        folder = "sys/bus/usb/devices/" + place
        values = zip(("idVendor", "idProduct", "speed", "busnum", "devnum"), ids + (speed,) + numbers)
        for name, value in values:
            self.write("{}/{}".format(folder, name), "{}\n".format(value))
        if node:
            self.write("dev/bus/usb/{:03d}/{:03d}".format(*numbers))

    def add_pci(self, number, temperature="47250\n", node=True):
        self.write("sys/class/apex/apex_{}/temp".format(number), temperature)
        if node:
            self.write("dev/apex_{}".format(number))


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_a_machine_without_one(machine):
    machine.add_usb("1-1", ids=("046d", "c52b"))
    machine.write("sys/bus/usb/devices/usb1/idVendor", "1d6b\n")
    assert attached_edge_tpus(machine.root) == []
    assert runtime_clock(machine.root) is None


@pytest.mark.parametrize("ids", [("1a6e", "089a"), ("18d1", "9302")])
@pytest.mark.parametrize(
    ("speed", "number"), [("480", 480), ("5000", 5000), ("10000", 10000), ("1.5", None), ("", None)]
)
def test_usb_with_its_link_speed(machine, ids, speed, number):
    machine.add_usb("2-1", ids=ids, speed=speed)
    (found,) = attached_edge_tpus(machine.root)
    assert (found.bus, found.index, found.accessible, found.link_mbit_s) == ("usb", 0, True, number)
    assert found.path.endswith("dev/bus/usb/002/003")
    assert found.temperature_c is None


def test_several_of_both_kinds(machine):
    machine.add_usb("2-2", numbers=(2, 9), speed="480")
    machine.add_usb("2-1", numbers=(2, 8))
    machine.add_pci(1, temperature="none\n")
    machine.add_pci(0)
    found = attached_edge_tpus(machine.root)
    assert [(one.bus, one.index) for one in found] == [("pci", 0), ("pci", 1), ("usb", 0), ("usb", 1)]
    assert [one.temperature_c for one in found] == [47.25, None, None, None]
    assert [one.link_mbit_s for one in found] == [None, None, 5000, 480]


def test_one_that_may_not_be_opened(machine):
    machine.add_usb("2-1", node=False)
    machine.add_pci(0, node=False)
    assert [one.accessible for one in attached_edge_tpus(machine.root)] == [False, False]


@pytest.mark.parametrize("clock", ["std", "max"])
@pytest.mark.parametrize("name", ["libedgetpu1-{}.list", "libedgetpu1-{}:arm64.list"])
def test_the_clock_of_the_installed_runtime(machine, clock, name):
    machine.write("var/lib/dpkg/info/" + name.format(clock))
    assert runtime_clock(machine.root) == clock


def test_one_line_for_people():
    slow = EdgeTpu("usb", 1, "/dev/bus/usb/001/004", True, 480, None)
    assert describe(slow, "max") == (
        "Edge TPU usb:1, USB link of 480 Mbit/s (USB 2: slow), libedgetpu at its maximum clock"
    )
    assert describe(slow._replace(link_mbit_s=5000), None) == "Edge TPU usb:1, USB link of 5000 Mbit/s"
    assert describe(EdgeTpu("pci", 0, "/dev/apex_0", True, None, 47.25), "std") == (
        "Edge TPU pci:0, 47.2 C, libedgetpu at its standard clock"
    )


EMPTY_REASON = ProbeFailure("load", "ValueError", "Failed to load delegate from libedgetpu.so.1\n", None)


def explained(device, attached):
    return explain(EMPTY_REASON, "libedgetpu.so.1", "tflite_runtime 2.5.0", device, attached)


def test_an_empty_reason_is_read_from_what_is_attached(machine):
    error = explained(None, attached_edge_tpus(machine.root))
    assert error.message == "no Edge TPU is attached"
    assert "1a6e:089a" in error.hint
    assert "/dev/apex_0" in error.hint
    machine.add_usb("2-1", node=False)
    error = explained(None, attached_edge_tpus(machine.root))
    assert "this user may not open the Edge TPU" in error.message
    assert "plugdev" in error.hint
    assert explained("pci", attached_edge_tpus(machine.root)).message == "no PCIe Edge TPU is attached"
    machine.write("dev/bus/usb/002/003")
    assert "another process" in explained(":0", attached_edge_tpus(machine.root)).hint
    error = explained("usb:1", attached_edge_tpus(machine.root))
    assert error.message == "there is no Edge TPU usb:1: one is attached"
    assert "usb:0" in error.hint
    machine.add_pci(0, node=False)
    error = explained("pci:0", attached_edge_tpus(machine.root))
    assert "apex" in error.hint


MISSING = "{}: cannot open shared object file: No such file or directory"


@pytest.mark.parametrize(
    ("failure", "complaint", "hint"),
    [
        (
            ("load", "OSError", MISSING.format("libedgetpu.so.1"), None),
            "libedgetpu.so.1 is not installed",
            "libedgetpu1",
        ),
        (("load", "OSError", MISSING.format("libusb-1.0.so.0"), None), "needs libusb", "apt install libusb-1.0-0"),
        (
            ("load", "OSError", "/lib/libc.so.6: version `GLIBC_2.38' not found (required by libedgetpu.so.1)", None),
            "does not load",
            "build for this system",
        ),
        (
            ("open", "RuntimeError", "Encountered unresolved custom op: edgetpu-custom-op.See instructions", None),
            "tflite_runtime 2.5.0 did not take the Edge TPU delegate",
            "built for this version",
        ),
        (
            (
                "open",
                "ValueError",
                "Failed precondition: Package requires runtime version (14), which is newer than this runtime "
                "version (13).",
                None,
            ),
            "needs Edge TPU runtime 14, and this one is 13",
            "update libedgetpu",
        ),
        (("open", "signal", "", 11), "crashed with SIGSEGV while it took over the engine", "built for another version"),
        (("run", "signal", "", 64 + 1), "crashed with signal 65", "built for another version"),
        (("run", "timeout", "", None), "did not answer", "900 mA"),
        (("import", "exit", "", 3), "failed with", "docs/coral.md"),
    ],
)
def test_each_failure_of_the_real_library_is_one_clear_hint(failure, complaint, hint):
    error = explain(ProbeFailure(*failure), "libedgetpu.so.1", "tflite_runtime 2.5.0", None, [])
    assert complaint in error.message
    assert hint in error.hint
