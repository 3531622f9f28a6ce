"""Commands that list: the table a person reads and the JSON a script reads say the same."""

import json
from pathlib import Path

from edgepose.network.variants import VARIANTS
from edgepose.targets import all_targets
from edgepose.version import __version__


def test_variants_print_ours_beside_the_published(type_command):
    rows = json.loads(type_command("variants", "--json").out)
    assert [row["variant"] for row in rows] == list(VARIANTS)
    table = type_command("variants").out
    for row in rows:
        # The published figures carry two decimals of a million.
        assert round(row["parameters"] / 1e6, 2) == row["published"]["parameters_millions"]
        assert abs(row["flops"] / 1e9 / row["published"]["gflops"] - 1) < 0.02
        assert f"{row['parameters']:,}" in table


def test_targets_list_every_device(type_command):
    names = [target["name"] for target in json.loads(type_command("targets", "--json").out)]
    assert names == list(all_targets())
    table = type_command("targets").out
    assert all(name in table for name in names)


def test_one_target_is_shown_in_full(type_command):
    shown = type_command("targets", "jetson-nano").out
    assert "SM 5.3" in shown
    assert "TensorRT 8.2.1" in shown
    assert json.loads(type_command("targets", "jetson-nano", "--json").out)["precisions"]["int8"]["supported"] is False


def test_doctor_says_what_this_machine_can_do(type_command):
    typed = type_command("doctor", "--json")
    diagnosis = json.loads(typed.out)
    assert typed.code == (0 if diagnosis["runs"] else 1)
    statuses = {finding["name"]: finding["status"] for finding in diagnosis["findings"]}
    assert statuses["numpy"] == "ok"
    assert statuses["torch"] == "ok"
    assert "This machine runs bundles" in type_command("doctor").out


def test_version_and_help(type_command):
    assert type_command("--version").out.strip() == f"edgepose {__version__}"
    help_text = type_command("--help").out
    for command in (
        "convert",
        "run",
        "inspect",
        "evaluate",
        "bench",
        "variants",
        "targets",
        "weights",
        "doctor",
    ):
        assert command in help_text
        assert type_command(command, "--help").code == 0


def test_weights_that_ship_are_listed_beside_the_official_ones(type_command, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEPOSE_WEIGHTS", str(tmp_path))
    monkeypatch.delenv("EDGEPOSE_REFERENCE", raising=False)
    listed = {entry["variant"]: entry for entry in json.loads(type_command("weights", "list", "--json").out)}
    assert Path(listed["RT"]["demo_path"]).is_file()
    assert listed["RT"]["path"] is None
    assert listed["IV"]["demo_path"] is None
    demo = [
        finding for finding in json.loads(type_command("doctor", "--json").out)["findings"] if finding["name"] == "demo"
    ]
    assert demo[0]["status"] == "ok"
    assert "RT" in demo[0]["detail"]
