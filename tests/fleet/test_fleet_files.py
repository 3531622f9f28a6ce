from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgepose.bench.gates import OPTIONS, Limits
from edgepose.fleet.device import Device, Job
from edgepose.fleet.fleet_file import read_fleet
from edgepose.runtime.errors import EdgeposeError, UsageError

WHOLE = """
schema = 1
bundles = ["a.edgepose"]

[[device]]
host = "pi@nursery.local"
name = "nursery"
python = "~/pose/bin/python"
folder = "/var/tmp"
threads = 4

[[device]]
host = "orin"
bundles = ["b.edgepose", "/c.edgepose"]
"""


@pytest.fixture
def read(tmp_path):
    def write(text):
        path = tmp_path / "fleet.toml"
        path.write_text(text)
        return read_fleet(path)

    return write


def test_devices_and_their_bundles(read, tmp_path):
    nursery, *orin = read(WHOLE)
    assert nursery.device == Device("pi@nursery.local", "nursery", "~/pose/bin/python", "/var/tmp")
    assert nursery.bundle == tmp_path / "a.edgepose"
    assert nursery.threads == 4
    assert [str(job.bundle) for job in orin] == [str(tmp_path / "b.edgepose"), "/c.edgepose"]
    assert {job.device.name for job in orin} == {"orin"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("schema = 1", "schema = 9", "schema is 9"),
        ("schema = 1", "", "schema is None"),
        ("threads = 4", "threads = '4'", "threads is '4', not a int"),
        ("threads = 4", "threads = 0", "0 is not a number of threads"),
        ("threads = 4", "thread = 4", "no field 'thread'; did you mean 'threads'"),
        ('host = "orin"', "", "device 2: has no host"),
        ('host = "orin"', 'host = "-oProxyCommand=evil"', "is not a host"),
        ('name = "nursery"', 'name = "../nursery"', "cannot name a device"),
        ("[[device]]", "[[devices]]", "no field 'devices'"),
        ('bundles = ["a.edgepose"]', "bundles = 3", "not a list"),
        ('bundles = ["a.edgepose"]', "", "no bundle to bench"),
        ('bundles = ["b.edgepose", "/c.edgepose"]', 'bundles = ["b.edgepose", "b.edgepose"]', "twice"),
        ("schema = 1", "schema", "is not TOML"),
    ],
)
def test_what_a_fleet_file_does_not_mean_is_refused(old, new, message, read):
    with pytest.raises(UsageError, match=message):
        read(WHOLE.replace(old, new))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(EdgeposeError, match="cannot read"):
        read_fleet(tmp_path / "none.toml")


@given(host=st.text(max_size=30))
def test_no_host_becomes_an_option_or_a_path(host):
    try:
        device = Device(host)
    except EdgeposeError:
        return
    assert not device.host.startswith("-")
    assert "/" not in device.name
    assert device.name not in (".", "..")
    assert not set(device.host) & set(" \t\n'\"`$;|&")


def test_options_of_engines_reach_the_bench(read):
    nursery, orin, _ = read(
        WHOLE.replace("threads = 4", 'tpu = "usb:1"\nallow_cpu = true').replace(
            '[[device]]\nhost = "orin"', '[[device]]\nhost = "orin"\ndla = 0\ncuda_graph = true'
        )
    )
    assert nursery.arguments()[-3:] == ["--tpu", "usb:1", "--allow-cpu"]
    assert orin.arguments()[-3:] == ["--dla", "0", "--cuda-graph"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"threads": 0}, "0 is not a number of threads"),
        ({"threads": 257}, "257 is not a number of threads"),
        ({"limits": Limits(None, -1.0, None)}, "--max-p95-ms -1 cannot be"),
        ({"limits": Limits(float("nan"), None, None)}, "--max-drift nan cannot be"),
    ],
)
def test_a_job_that_cannot_be_is_refused_here(fields, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        Job(Device("pi"), tmp_path / "a.edgepose", **fields)


@given(number=st.floats(0, 1e9, exclude_max=True))
def test_numbers_reach_a_device_to_the_last_digit(number):
    words = Job(Device("pi"), Path("a.edgepose"), number, number, None, Limits(number, number, number)).arguments()
    for option in ("--seconds", "--soak", *OPTIONS):
        assert float(words[words.index(option) + 1]) == number


def test_a_job_says_what_it_asks_for(tmp_path):
    job = Job(Device("pi"), tmp_path / "a.edgepose", 3.0, 10.0, 2, Limits(0.5, 100.0, 90.0))
    assert job.arguments() == [
        "--label", "pi", "--seconds", "3.0", "--soak", "10.0", "--threads", "2", "--max-drift", "0.5", "--max-p95-ms",
        "100.0", "--max-rss-mb", "90.0",
    ]  # fmt: skip
