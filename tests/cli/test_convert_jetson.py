"""``edgepose convert --target jetson-...`` as it is typed, and the commands on what it wrote."""

import json


def test_official_weights_become_a_jetson_bundle_that_every_command_calls_host_simulated(
    reference, type_command, tmp_path, monkeypatch
):
    monkeypatch.setenv("EDGEPOSE_CACHE", str(tmp_path / "cache"))
    made = tmp_path / "rt-lite.edgepose"
    typed = type_command("convert", "--variant", "RT_LITE", "--target", "jetson-nano", "-o", made)
    assert typed.code == 0, typed.err
    assert "tensorrt engine" in typed.out
    assert "host-simulated" in typed.out
    assert "The board builds the engine from it" in typed.out
    assert "python3 rt-lite.edgepose build" in typed.out

    shown = type_command("inspect", made)
    assert "(estimated)" in shown.out
    assert "host-simulated" in shown.out
    checked = type_command("check", made, "--json")
    assert "TensorRT" in json.loads(checked.out)["fallback"]
    figure = tmp_path / "figure.png"
    assert type_command("figure", "--output", figure).code == 0
    ran = type_command("run", made, figure)
    assert ran.code == 0
    assert "by the CPU, not the accelerator: TensorRT" in ran.err


def test_a_nano_has_no_int8(type_command):
    typed = type_command("convert", "--variant", "RT", "--target", "jetson-nano", "--precision", "int8")
    assert typed.code == 2
    assert "no INT8 arithmetic" in typed.err
    assert "fp16" in typed.err
