"""Coral as it is typed: convert with and without the compiler, inspect, finish, run."""

import json
import os
import re
import zipfile

import pytest
from compiler_logs import success
from fake_compiler import make_compiler, step
from tflite_models import IMAGE, Op, T, tflite, whole_model
from tiny_bundles import edgetpu_bundle, engine_bytes

from edgepose.conversion.edgetpu.operator_rules import BEHIND
from edgepose.runtime.bundle import Bundle

CONVERT = ("convert", "--variant", "RT_LITE", "--target", "coral-usb")
LEFT = success((("CONV_2D", 29, "Mapped to Edge TPU"), ("CONV_2D", 1, BEHIND)), left=1)


@pytest.fixture
def no_compiler(monkeypatch, tmp_path):
    """A search path without the compiler; returns a folder to put one in."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", os.pathsep.join([str(folder), os.defpath]))
    return folder


@pytest.mark.slow
def test_official_weights_become_a_bundle_that_is_finished_elsewhere(
    reference, type_command, tmp_path, monkeypatch, no_compiler
):
    monkeypatch.setenv("EDGEPOSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    typed = type_command(*CONVERT)
    assert typed.code == 0, typed.err
    path = tmp_path / "rt-lite-coral-usb-int8.edgepose"
    assert "Predicted: 51 of 51 operators map to the Edge TPU" in typed.out
    assert "edgepose finish rt-lite-coral-usb-int8.edgepose" in typed.out
    assert "host-simulated" in typed.out
    unfinished = path.read_bytes()
    bundle = Bundle.open(path)
    engine, predicted = bundle.manifest.engine, bundle.manifest.measured["edgetpu"]["predicted"]
    assert (engine.format, engine.input.dtype, engine.output.dtype) == ("edgetpu", "int8", "int8")
    assert engine.input.shape == (1, 224, 224, 3)
    counts = {"ADD": 2, "CONCATENATION": 6, "CONV_2D": 29, "DEPTHWISE_CONV_2D": 14}
    assert (predicted["whole"], predicted["counts"], predicted["blocking"]) == (True, counts, [])
    assert predicted["memory"]["off_chip_bytes"] == 0
    assert predicted["memory"]["largest_activation"]["elements"] == 1_204_224

    assert type_command("check", path).code == 1
    checked = type_command("check", path, "--allow-cpu")
    assert (checked.code, "by the CPU" in checked.out) == (0, True)

    make_compiler(no_compiler, step(), source=bundle.engine_bytes())
    typed = type_command("finish", path)
    assert typed.code == 0, typed.err
    assert "none left to the CPU" in typed.out
    assert "3.86 MiB of parameters on chip" in typed.out
    assert "Compiled by edgetpu_compiler 16.0.384591198" in type_command("inspect", path).out
    finished = path.read_bytes()

    path.unlink()
    again = type_command(*CONVERT, "--json")
    document = json.loads(again.out)
    assert [stage["cached"] for stage in document["stages"] if stage["name"] in ("calibrate", "lower")] == [True, True]
    assert document["manifest"]["measured"]["edgetpu"]["compiled"]["whole"] is True
    assert path.read_bytes() == finished  # where the compiler is, the conversion ends as finishing does

    path.write_bytes(unfinished)
    make_compiler(no_compiler, step(LEFT, "partial"), source=bundle.engine_bytes())
    typed = type_command(*CONVERT)
    assert (typed.code, f"1 x CONV_2D: {BEHIND}" in typed.err) == (3, True)
    assert path.read_bytes() == unfinished
    typed = type_command(*CONVERT, "--min-agreement", "99.9")  # layers never go to float for an Edge TPU
    assert (typed.code, "in float" in typed.err) == (3, False)
    typed = type_command("finish", path, "--no-require-full-mapping")
    assert (typed.code, "not every operator runs on the Edge TPU" in typed.err) == (0, True)


def test_a_foreign_model_is_reported_row_by_row(type_command, tmp_path):
    path = tmp_path / "foreign.tflite"
    tensors = {"x": T(IMAGE), "a": T(IMAGE), "y": T(IMAGE)}
    path.write_bytes(tflite(tensors, [Op("HARD_SWISH", ("x",), ("a",)), Op("ADD", ("a", "a"), ("y",), 4)]))
    typed = type_command("inspect", "--edgetpu", path)
    assert (typed.code, "ADD version 4 is newer" in typed.err) == (3, True)
    assert "HARD_SWISH" in typed.out
    assert "not whole" in re.sub(r"\s+", " ", typed.out)
    document = json.loads(type_command("inspect", "--edgetpu", path, "--json").out)
    swish = document["operators"][0]
    assert (swish["status"], "as LOGISTIC and MUL" in swish["mend"]) == ("Operation not supported", True)
    assert (document["mapped"], document["whole"], len(document["blocking"])) == (0, False, 2)
    path.write_bytes(
        tflite({"x": T(IMAGE), "[/red]": T(IMAGE, "float32")}, [Op("ADD", ("x", "[/red]"), ("x",), 2)], outputs=("x",))
    )
    assert "first '[/red]'" in re.sub(r"\s+", " ", type_command("inspect", "--edgetpu", path).out)
    path.write_bytes(tflite(tensors, [Op("HARD_SWISH", ("x",), ("y",))]))
    assert type_command("inspect", "--edgetpu", path).code == 0
    typed = type_command("inspect", "--edgetpu", "--require-full-mapping", path)
    assert (typed.code, "1 x HARD_SWISH v1: not one of the operators" in typed.err) == (3, True)
    path.write_bytes(whole_model())
    typed = type_command("inspect", "--edgetpu", "--require-full-mapping", path)
    assert (typed.code, "Predicted: whole, 2 of 2 operators map" in typed.out) == (0, True)


FLOAT = T(IMAGE, "float32")


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (tflite({"x": FLOAT, "y": FLOAT}, [Op("ADD", ("x", "x"), ("y",))]), "it is not quantised"),
        (
            tflite({"x": T(IMAGE, signature=(1, -1, -1, 4)), "y": T(IMAGE)}, [Op("RELU", ("x",), ("y",))]),
            "no fixed shape",
        ),
        (whole_model(subgraphs=2), "it holds 2 graphs"),
    ],
)
def test_models_that_no_compiler_takes_are_one_clear_error(type_command, tmp_path, data, complaint):
    path = tmp_path / "model.tflite"
    path.write_bytes(data)
    typed = type_command("inspect", "--edgetpu", path)
    assert (typed.code, complaint in re.sub(r"\s+", " ", typed.err)) == (3, True)


def test_a_model_with_metadata_behind_it_is_a_model(type_command, tmp_path):
    """MediaPipe's files end in an archive of metadata, as bundles do."""
    path = tmp_path / "model.tflite"
    path.write_bytes(whole_model())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.txt", "person")
    assert zipfile.is_zipfile(path)
    typed = type_command("inspect", "--edgetpu", path)
    assert (typed.code, "operators map" in typed.out) == (0, True)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "is not a TFLite file"),
        (whole_model()[:90], "is a damaged TFLite file"),
        (b"PK\x03\x04", "is not a TFLite file"),
        (
            tflite({"x": T(IMAGE), "y": T(IMAGE)}, [Op("custom:edgetpu-custom-op", ("x",), ("y",))]),
            "compiled for the Edge",
        ),
        (None, "is a folder"),
        ("large", "at most 100 MB are read"),
    ],
)
def test_wrong_files_are_one_clear_error(type_command, tmp_path, data, complaint):
    path = tmp_path / "model.tflite"
    if data is None:
        path.mkdir()
    elif data == "large":
        with path.open("wb") as file:
            file.truncate(200_000_000)
    else:
        path.write_bytes(data)
    typed = type_command("inspect", "--edgetpu", path)
    assert (typed.code, complaint in re.sub(r"\s+", " ", typed.err)) == (1, True)
    assert typed.out == ""


def test_a_bundle_of_another_device_can_be_asked_too(type_command, tmp_path):
    path = tmp_path / "tiny.edgepose"
    path.write_bytes(edgetpu_bundle(engine_bytes("tflite", "int8")))
    typed = type_command("inspect", "--edgetpu", path)
    assert (typed.code, "operators map" in typed.out) == (0, True)


def test_finish_without_a_compiler_says_where_there_is_one(type_command, tmp_path, no_compiler):
    path = tmp_path / "tiny.edgepose"
    path.write_bytes(edgetpu_bundle(engine_bytes("tflite", "int8")))
    typed = type_command("finish", path)
    assert (typed.code, "x86-64 Debian" in typed.err) == (2, True)
    assert type_command("finish", path, "--edgetpu-compiler", tmp_path / "missing").code == 2
    assert type_command("finish", path, "--time-limit", "0").code == 2
    assert type_command("finish", tmp_path / "missing.edgepose").code == 1
