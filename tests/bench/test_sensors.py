import os

import pytest
from device_trees import DEVICES, PI_4, write_tree

from edgepose.bench.conditions import conditions, emulator, machine_model
from edgepose.bench.sensors import find_sensors
from edgepose.bench.sensors.memory import peak_memory_mb
from edgepose.bench.sensors.reading import output_of, read_number
from edgepose.bench.sensors.throttling import bits_in_words


@pytest.fixture
def read(tmp_path):
    """``read("pi-4")`` -> ({(kind, name): value}, {kind: why absent}) of a tree shaped like that device's."""

    def find(device):
        found = find_sensors(write_tree(tmp_path, DEVICES[device]))
        return {(one.kind, one.name): one.read() for one in found.sensors}, found.absent

    return find


def test_raspberry_pi_4(read):
    values, absent = read("pi-4")
    assert values == {
        ("clock", "cpu0"): 1500.0,
        ("temperature", "cpu-thermal"): 48.686,
        ("throttle_bits", "throttle bits"): 0x50000,
        ("memory", "process"): 90.2,
        ("memory_available", "system"): 3288.3,
    }
    assert sorted(absent) == ["gpu", "power", "usb_link"]
    assert all(absent.values())


def test_raspberry_pi_5_asks_its_power_chip_through_vcgencmd(read):
    values, absent = read("pi-5")
    assert values["throttle_bits", "throttle bits"] == 0xE0006
    power = {name: round(value, 4) for (kind, name), value in values.items() if kind == "power"}
    assert power == {"3V7_WL_SW": 0.3478, "3V3_SYS": 0.33, "VDD_CORE": 1.8, "total": 2.4778}
    assert "power" not in absent


def test_every_round_asks_the_power_chip_anew(tmp_path):
    root = write_tree(tmp_path, DEVICES["pi-5"])
    found = [one for one in find_sensors(root).sensors if one.kind == "power"]
    first = [one.read() for one in found]
    path = os.path.join(root, "usr/bin/vcgencmd")
    with open(path) as file:
        text = file.read()
    with open(path, "w") as file:
        file.write(text.replace("(7)=2.0", "(7)=1.0"))
    second = [one.read() for one in found]
    assert [round(a - b, 4) for a, b in zip(first, second)] == [0.0, 0.0, 0.9, 0.9]


def test_jetson_nano_of_jetpack_4(read):
    values, _ = read("jetson-nano")
    power = {name: value for (kind, name), value in values.items() if kind == "power"}
    assert power == {"POM_5V_IN": 4.123, "POM_5V_GPU": 1.201, "POM_5V_CPU": 0.806, "total": 4.123}
    assert values["gpu_load", "gpu"] == pytest.approx(87.3)
    assert values["gpu_clock", "gpu"] == pytest.approx(921.6)
    assert values["cooling", "gpu-balanced 0"] == 2
    # A fan slows nothing, and a zone that is powered down has no temperature.
    assert not [name for kind, name in values if kind == "cooling" and "fan" in name]
    assert ("temperature", "thermal-fan-est") not in values
    assert ("temperature", "PMIC-Die") not in values
    assert values["temperature", "CPU-therm"] == 38.5


def test_jetson_orin_nano_of_jetpack_6(read):
    values, absent = read("jetson-orin-nano")
    power = {name: round(value, 3) for (kind, name), value in values.items() if kind == "power"}
    assert power == {"VDD_IN": 6.2, "VDD_CPU_GPU_CV": 2.0, "VDD_SOC": 1.5, "total": 6.2}
    assert values["clock", "cpu0"] == 1510.0
    assert values["clock", "cpu4"] == 729.0
    assert values["gpu_load", "gpu"] == pytest.approx(41.2)
    assert values["gpu_clock", "gpu"] == pytest.approx(624.75)
    assert "throttling" not in absent


def test_rails_add_up_where_no_rail_feeds_the_whole_module(tmp_path):
    folder = "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3/"
    files = {}
    for number, (label, milliamperes) in enumerate((("GPU", 100), ("CPU", 200), ("NC", 900)), start=1):
        files[folder + "in{}_label".format(number)] = label
        files[folder + "in{}_input".format(number)] = "19000"
        files[folder + "curr{}_input".format(number)] = str(milliamperes)
    found = find_sensors(write_tree(tmp_path, files))
    power = {one.name: round(one.read(), 3) for one in found.sensors if one.kind == "power"}
    assert power == {"GPU": 1.9, "CPU": 3.8, "total": 5.7}


def test_coral_on_pcie_tells_its_temperature(read):
    values, absent = read("coral-dev-board")
    assert values["temperature", "apex_0"] == pytest.approx(44.8)
    assert values["cooling", "thermal-cpufreq-0 0"] == 0
    assert "usb_link" in absent


def test_coral_on_usb_tells_how_fast_its_link_is(read):
    values, _ = read("coral-usb-2")
    assert {key: value for key, value in values.items() if key[0] == "usb_link"} == {("usb_link", "coral 1-1"): 480.0}


def test_where_nothing_is_everything_is_absent_and_says_why(tmp_path):
    found = find_sensors(str(tmp_path))
    assert found.sensors == []
    assert sorted(found.absent) == [
        "clock", "gpu", "memory", "memory_available", "power", "temperature", "throttling", "usb_link"
    ]  # fmt: skip
    assert all("no " in reason for reason in found.absent.values())


def test_a_sensor_that_breaks_reads_as_none(tmp_path):
    root = write_tree(tmp_path, PI_4)
    sensors = find_sensors(root).sensors
    for folder, _, names in os.walk(root):
        for name in names:
            with open(os.path.join(folder, name), "w") as file:
                file.write("garbage\n")
    assert [one.read() for one in sensors] == [None] * len(sensors)


def test_processor_clock_and_temperature_of_a_computer(tmp_path):
    root = write_tree(
        tmp_path,
        {
            "proc/cpuinfo": "model name\t: Big 9000\n" + "".join("cpu MHz\t\t: {}\n".format(mhz) for mhz in (2e3, 3e3)),
            "sys/class/hwmon/hwmon0/name": "acpitz\n",
            "sys/class/hwmon/hwmon1/name": "k10temp\n",
            "sys/class/hwmon/hwmon1/temp1_input": "61000\n",
            "sys/class/hwmon/hwmon1/temp1_label": "Tctl\n",
        },
    )
    values = {(one.kind, one.name): one.read() for one in find_sensors(root).sensors}
    assert values == {("clock", "cpu"): 2500.0, ("temperature", "Tctl"): 61.0}
    assert machine_model(root) == "Big 9000"


def test_throttle_bits_in_words():
    assert bits_in_words(0x50005) == [["under-voltage", "throttled"], ["under-voltage", "throttled"]]
    assert bits_in_words(0xE0008) == [
        ["soft temperature limit"], ["clock capped", "throttled", "soft temperature limit"]
    ]  # fmt: skip
    assert bits_in_words(0) == [[], []]


def test_conditions_of_a_jetson(tmp_path):
    told = conditions(write_tree(tmp_path, DEVICES["jetson-nano"]))
    assert told["machine"] == "NVIDIA Jetson Nano Developer Kit"
    assert told["l4t"].startswith("# R32 (release), REVISION: 7.6")
    assert told["governor"] == "schedutil"
    assert told["highest_clock_mhz"] == 1479.0
    assert told["power_mode"] == "MAXN"
    assert told["temperature_c"] == 45.0


def test_conditions_of_this_machine_are_plain_values():
    machine = conditions()
    assert machine["processors"] >= 1
    assert machine["machine"]
    assert machine["python"].startswith("3.")
    assert all(value is None or isinstance(value, (str, int, float)) for value in machine.values())
    assert emulator() is None or "qemu" in emulator()


def test_commands_that_fail_say_nothing():
    assert output_of("/no/such/command") is None
    assert output_of("false") is None
    assert read_number("/no/such/file") is None


def test_peak_memory_counts_what_has_been_freed(tmp_path):
    assert peak_memory_mb(write_tree(tmp_path, PI_4)) == 93.7
