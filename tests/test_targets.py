"""Target files: every shipped one is whole, and a wrong one is refused by name."""

import re
from pathlib import Path

import pytest

from edgepose.data_files import data_folder
from edgepose.runtime.backends.tensorrt.policy import computes_in
from edgepose.runtime.errors import EdgeposeError, UsageError
from edgepose.targets import all_targets, get_target, read_target

# The devices the toolkit promises, family by family: others may be added.
PROMISED = {
    "host": {"host"},
    "raspberry-pi": {"raspberry-pi-zero-2w", "raspberry-pi-3", "raspberry-pi-4", "raspberry-pi-5"},
    "jetson": {
        "jetson-nano",
        "jetson-tx2",
        "jetson-xavier-nx",
        "jetson-agx-xavier",
        "jetson-orin-nano",
        "jetson-orin-nx",
        "jetson-agx-orin",
        "jetson-thor",
    },
    "coral": {"coral-usb", "coral-m2", "coral-dev-board", "coral-dev-board-mini"},
}


def test_every_promised_device_has_a_file_and_converts():
    for family, names in PROMISED.items():
        for name in names:
            target = get_target(name)
            assert (target.family, target.ready) == (family, True), name


@pytest.mark.parametrize("name", ["jetson-nano", "jetson-tx2"])
def test_chips_without_int8_refuse_it_with_the_reason(name):
    with pytest.raises(UsageError, match=r"no int8.*SM (5\.3|6\.2).*fp16"):
        get_target(name).resolve_precision("int8")


def test_the_edge_tpu_refuses_float():
    with pytest.raises(UsageError, match="8-bit integers alone"):
        get_target("coral-usb").resolve_precision("fp16")


def test_unknown_names_get_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'raspberry-pi-4'"):
        get_target("rasberry-pi4")
    with pytest.raises(UsageError, match="did you mean 'fp16'"):
        get_target("host").resolve_precision("f16")
    with pytest.raises(UsageError, match="does not run 'onx' engines; did you mean 'onnx'"):
        get_target("host").resolve_engine("onx")


@pytest.mark.parametrize(
    ("pattern", "replacement", "complaint"),
    [
        (r"^name = .*$", 'name = "another"', "the file is called host"),
        (r"^family = .*$", 'family = "toaster"', "family is 'toaster'"),
        (r"^ready = true", 'ready = "yes"', "ready is not of type bool"),
        (r"^compute = .*$", "", "hardware.compute is missing"),
        (r"^compute = ", 'colour = "red"\ncompute = ', "unknown field 'hardware.colour'"),
        (r"^\[precision.int8\]\n.*\n.*$", "", "does not hold exactly fp32, fp16, int8"),
        (r"^auto = .*$", 'auto = "int4"', "policy.auto is 'int4'"),
        (r"^engines = .*$", 'engines = ["coffee"]', "engines is 'coffee'"),
        (r"^name = ", "name = [", "not a target file"),
    ],
)
def test_a_wrong_target_file_is_refused_with_its_field(tmp_path: Path, pattern: str, replacement: str, complaint: str):
    text = (data_folder("targets") / "host.toml").read_text()
    changed, count = re.subn(pattern, replacement, text, count=1, flags=re.MULTILINE)
    assert count == 1
    path = tmp_path / "host.toml"
    path.write_text(changed)
    with pytest.raises(EdgeposeError, match=re.escape(complaint)) as caught:
        read_target(path)
    assert str(path) in str(caught.value)


def test_what_a_jetson_computes_in_is_what_its_gpu_has():
    jetsons = [target for target in all_targets().values() if target.family == "jetson"]
    assert {target.name for target in jetsons} >= PROMISED["jetson"]
    for target in jetsons:
        stack = target.tensorrt
        major, minor = stack.compute_capability
        assert f"SM {major}.{minor}" in target.compute
        assert stack.oldest <= stack.newest
        for name, support in target.precisions.items():
            assert support.supported == computes_in(stack.compute_capability, name), (target.name, name)
    assert get_target("host").tensorrt is None


@pytest.mark.parametrize(
    ("pattern", "replacement", "complaint"),
    [
        (r"^newest = .*\n", "", "[tensorrt] does not hold exactly"),
        (r"^dla_cores = 0", "dla_cores = -1", "tensorrt.dla_cores is -1"),
        (r"^dla_cores = 0", "dla_cores = true", "tensorrt.dla_cores is True"),
        (r'^oldest = "8.0"', 'oldest = "8"', "tensorrt.oldest is '8'"),
        (r'^compute_capability = "5.3"', "compute_capability = [5, 3]", "tensorrt.compute_capability is [5, 3]"),
    ],
)
def test_a_wrong_tensorrt_table_is_refused_with_its_field(tmp_path, pattern, replacement, complaint):
    text = (data_folder("targets") / "jetson-nano.toml").read_text()
    changed, count = re.subn(pattern, replacement, text, count=1, flags=re.MULTILINE)
    assert count == 1
    path = tmp_path / "jetson-nano.toml"
    path.write_text(changed)
    with pytest.raises(EdgeposeError, match=re.escape(complaint)):
        read_target(path)
