from edgepose.runtime.stream.throttling import ThrottlingWatch


def write(root, path, text):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_a_machine_that_says_nothing_is_not_throttled(tmp_path):
    assert ThrottlingWatch(str(tmp_path)).reasons() == []


def test_bits_of_the_raspberry_pi_that_hold_now(tmp_path):
    write(tmp_path, "sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n")
    assert ThrottlingWatch(str(tmp_path)).reasons() == ["under-voltage", "throttled"]
    # What has been, and is over, is none.
    write(tmp_path, "sys/devices/platform/soc/soc:firmware/get_throttled", "50000\n")
    assert ThrottlingWatch(str(tmp_path)).reasons() == []
    write(tmp_path, "sys/devices/platform/soc/soc:firmware/get_throttled", "nonsense\n")
    assert ThrottlingWatch(str(tmp_path)).reasons() == []


def test_cooling_devices_that_limit_processors(tmp_path):
    for name, kind, state in (
        ("cooling_device0", "thermal-cpufreq-0", "3"),
        ("cooling_device1", "pwm-fan", "4"),
        ("cooling_device2", "Processor", "0"),
    ):
        write(tmp_path, "sys/class/thermal/{}/type".format(name), kind + "\n")
        write(tmp_path, "sys/class/thermal/{}/cur_state".format(name), state + "\n")
    assert ThrottlingWatch(str(tmp_path)).reasons() == ["thermal-cpufreq-0 0 at step 3"]
