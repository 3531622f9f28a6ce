"""Requests that cannot be: one clear error each, the documented exit code, and no file."""

import re
from dataclasses import replace

import pytest

from edgepose.targets import get_target

CONVERT = ("convert", "--variant", "RT", "--target", "raspberry-pi-4")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("convert", "--variant", "RTX", "--target", "host"), "did you mean 'RT'"),
        (("convert", "--variant", "RT", "--target", "raspbery-pi-4"), "did you mean 'raspberry-pi-4'"),
        ((*CONVERT, "--precision", "fp61"), "did you mean 'fp16'"),
        ((*CONVERT, "--precision", "int8", "--engine", "onnx"), "the onnx engine is written in fp32 alone, not int8"),
        ((*CONVERT, "--calibration", "set"), "--calibration serves int8 and fp16, and this conversion is fp32"),
        ((*CONVERT, "--precision", "fp32", "--max-drift", "1"), "a bound on drift serves int8 and fp16"),
        ((*CONVERT, "--precision", "int8", "--min-agreement", "101"), "--min-agreement 101 cannot be"),
        ((*CONVERT, "--precision", "int8", "--calibrator", "minmx"), "did you mean 'minmax'"),
        ((*CONVERT, "--engine", "onnx", "--min-agreement", "90"), "or take another --engine"),
        ((*CONVERT, "--engine", "tensorrt"), "does not run 'tensorrt' engines"),
        ((*CONVERT, "--engine", "onnx", "--precision", "fp16"), "fp32 alone"),
        ((*CONVERT, "--onnx", "a.onnx", "--checkpoint", "a.h5"), "two sources"),
        (("convert", "--variant", "RT", "--target", "jetson-nano", "--precision", "int8"), "SM 5.3"),
        ((*CONVERT, "--require-full-mapping"), "raspberry-pi-4 has no Edge TPU"),
        (("convert", "--variant", "RT", "--target", "coral-usb", "--time-limit", "0"), "a time limit of 0 s cannot be"),
        (
            ("convert", "--variant", "RT", "--target", "coral-usb", "--edgetpu-compiler", "no/such"),
            "there is no Edge TPU compiler no/such",
        ),
        (
            ("convert", "--variant", "RT", "--target", "coral-usb", "--precision", "fp32"),
            "8-bit integers alone",
        ),
        (("convert", "--variant", "RT"), "--target"),
        (("convert", "--wariant", "RT"), "--wariant"),
        (("targets", "jetson-nanoo"), "did you mean 'jetson-nano'"),
        (("weights", "fetch", "V"), "no variant 'V'"),
        (("konvert",), "konvert"),
    ],
)
def test_usage_errors_exit_2_and_say_what_to_do(type_command, tmp_path, monkeypatch, words, complaint):
    monkeypatch.chdir(tmp_path)
    typed = type_command(*words)
    assert typed.code == 2
    assert complaint in re.sub(r"\s+", " ", typed.err)
    assert typed.out == ""
    assert list(tmp_path.iterdir()) == []


def test_an_output_in_a_missing_folder_is_refused_before_any_work(type_command, tmp_path):
    typed = type_command(*CONVERT, "--output", tmp_path / "missing" / "rt.edgepose")
    assert (typed.code, "there is no folder" in typed.err) == (2, True)


def test_an_output_that_is_another_file_is_not_replaced(type_command, tmp_path):
    precious = tmp_path / "thesis.edgepose"
    precious.write_text("not a bundle")
    typed = type_command(*CONVERT, "--output", precious)
    assert (typed.code, "is not an edgepose bundle" in typed.err) == (2, True)
    assert precious.read_text() == "not a bundle"


@pytest.mark.parametrize("command", ["run", "inspect", "evaluate", "bench"])
def test_a_missing_bundle_is_named(type_command, tmp_path, command):
    extra = {"run": ["photo.jpg"], "evaluate": ["--dataset", str(tmp_path)]}.get(command, [])
    typed = type_command(command, tmp_path / "none.edgepose", *extra)
    assert typed.code == 1
    assert "none.edgepose" in re.sub(r"\n", "", typed.err)


def test_a_device_whose_engine_is_still_to_come_is_refused_with_those_that_are_ready(type_command, monkeypatch):
    unready = replace(get_target("jetson-nano"), ready=False)
    monkeypatch.setattr("edgepose.conversion.plan.get_target", lambda name: unready)
    typed = type_command("convert", "--variant", "RT", "--target", "jetson-nano")
    assert typed.code == 2
    assert "does not convert for jetson-nano yet" in typed.err
    assert "it converts for coral-dev-board" in typed.err


def test_a_bound_where_no_precision_is_left_is_a_usage_error(type_command, monkeypatch):
    other_engine = replace(get_target("coral-usb"), engines=("onnx",))
    monkeypatch.setattr("edgepose.conversion.plan.get_target", lambda name: other_engine)
    typed = type_command("convert", "--variant", "RT", "--target", "coral-usb", "--min-agreement", "90")
    assert (typed.code, "leaves no choice of precision" in re.sub(r"\s+", " ", typed.err)) == (2, True)
