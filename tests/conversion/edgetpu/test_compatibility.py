"""The static report on whole files, ours and others', damaged ones included."""

import contextlib
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tflite_models import IMAGE, WEIGHTS, Op, T, convolution, tflite, whole_model

from edgepose.conversion.edgetpu.compatibility import report_compatibility
from edgepose.conversion.edgetpu.memory import GROWTH, LARGEST_MAPPED, ON_CHIP_BYTES, SMALLEST_FAILED
from edgepose.conversion.edgetpu.operator_rules import BEHIND, DATA_TYPE, MAPPED, RULES, UNSUPPORTED
from edgepose.conversion.edgetpu.tflite_file import MAX_FILE_BYTES, parse_tflite, read_tflite_path
from edgepose.runtime.errors import ConversionError

FLOAT = T(IMAGE, "float32")


def verdicts(data: bytes) -> list[tuple[str, str]]:
    return [(each.verdict, each.status) for each in report_compatibility(data).operators]


def test_a_model_that_keeps_to_the_rules_is_whole():
    report = report_compatibility(whole_model())
    assert report.whole
    assert report.counts() == {"CONV_2D": 2}
    assert report.runtime == 10
    assert report.memory.parameter_bytes == 4 * 4 + 4 * 4
    assert report.memory.largest_activation == ("m", IMAGE, 256)
    assert report.to_dict()["whole"] is True


def test_what_follows_an_operator_of_the_cpu_stays_with_it():
    tensors = {name: T(IMAGE) for name in "xcdefy"} | WEIGHTS
    operators = [
        convolution(result="c"),
        Op("HARD_SWISH", ("c",), ("d",)),
        convolution(source="d", result="e"),
        convolution(source="c", result="f"),
        Op("ADD", ("e", "f"), ("y",), 2),
    ]
    assert verdicts(tflite(tensors, operators)) == [
        ("mapped", MAPPED),
        ("not mapped", UNSUPPORTED),
        ("not mapped", BEHIND),
        ("mapped", MAPPED),
        ("not mapped", BEHIND),
    ]


def test_a_float_model_with_int8_inside_leaves_its_ends_to_the_cpu():
    """QUANTIZE at the beginning cuts nothing off: the one part that the Edge TPU takes begins behind it."""
    tensors = {"x": FLOAT, "a": T(IMAGE), "b": T(IMAGE), "y": FLOAT, **WEIGHTS}
    operators = [
        Op("QUANTIZE", ("x",), ("a",)),
        convolution(source="a", result="b"),
        Op("DEQUANTIZE", ("b",), ("y",), 2),
    ]
    report = report_compatibility(tflite(tensors, operators))
    assert [(each.verdict, each.status) for each in report.operators] == [
        ("not mapped", DATA_TYPE),
        ("mapped", MAPPED),
        ("not mapped", UNSUPPORTED),
    ]
    assert not report.whole
    assert report.problems == ()


WIDE = T((1, 512, 512, 64))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (tflite({"x": FLOAT, "y": FLOAT}, [Op("ADD", ("x", "x"), ("y",))]), "not quantised"),
        (
            tflite({"x": T(IMAGE, signature=(1, -1, 8, 4)), "y": T(IMAGE)}, [Op("RELU", ("x",), ("y",))]),
            "no fixed shape",
        ),
        (whole_model(subgraphs=2), "2 graphs"),
        (whole_model(outside=True), "behind the flatbuffer"),
        (
            tflite({"x": T(IMAGE), "y": T(IMAGE)}, [Op("ADD", ("x", "x"), ("y",), 4)]),
            "ADD version 4 is newer than the compiler",
        ),
        (tflite({"x": WIDE, "y": WIDE}, [Op("RELU6", ("x",), ("y",), 2)]), "16,777,216 elements"),
    ],
    ids=["float", "dynamic", "two graphs", "weights outside", "new version", "large"],
)
def test_what_fails_a_compilation_is_a_problem(data, problem):
    report = report_compatibility(data)
    assert any(problem in each for each in report.problems), report.problems
    assert not report.whole
    assert "predicted to fail" in report.summary


def test_activations_are_judged_by_those_that_are_known():
    found = {}
    for elements in (SMALLEST_FAILED - 1, SMALLEST_FAILED, LARGEST_MAPPED, LARGEST_MAPPED + 1):
        line = T((1, 1, elements, 1))
        report = report_compatibility(tflite({"x": line, "y": line}, [Op("RELU6", ("x",), ("y",), 2)]))
        found[elements] = (report.memory.activation_verdict, len(report.cautions), report.whole)
    assert list(found.values()) == [
        ("fits", 0, True),
        ("uncertain", 1, True),
        ("uncertain", 1, True),
        ("too large", 0, False),
    ]


def test_parameters_beyond_the_memory_are_streamed():
    side = 3000
    weights = {"w": T((side, 1, 1, side), values=1), "b": T((side,), "int32", 0)}
    tensors = {"x": T((1, 1, 1, side)), "y": T((1, 1, 1, side)), **weights}
    memory = report_compatibility(tflite(tensors, [convolution()])).memory
    compiled = int((side * side + 4 * side) * GROWTH)
    assert (memory.on_chip_bytes, memory.off_chip_bytes) == (ON_CHIP_BYTES, compiled - ON_CHIP_BYTES)


def test_a_compiled_model_is_refused():
    data = tflite({"x": T(IMAGE), "y": T(IMAGE)}, [Op("custom:edgetpu-custom-op", ("x",), ("y",))])
    with pytest.raises(ConversionError, match="compiled for the Edge TPU already"):
        report_compatibility(data)


def test_a_model_without_operators_is_refused():
    with pytest.raises(ConversionError, match="holds no operator"):
        report_compatibility(tflite({"x": T(IMAGE)}, [], outputs=("x",)))


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\x00" * 64, b"PK\x03\x04" + bytes(60), b"\x1c\0\0\0TFL3"])
def test_other_files_are_refused(data):
    with pytest.raises(ConversionError, match=r"is not a TFLite file|damaged TFLite file"):
        report_compatibility(data)


def test_every_truncation_is_a_clear_error_or_a_report():
    data = whole_model()
    refused = 0
    for length in range(0, len(data), 3):
        try:
            report_compatibility(data[:length])
        except ConversionError:
            refused += 1
    assert refused > len(data) // 6


@given(st.lists(st.tuples(st.integers(8, len(whole_model()) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_flipped_bytes_are_a_clear_error_or_a_report(changes):
    data = bytearray(whole_model())
    for place, value in changes:
        data[place] = value
    with contextlib.suppress(ConversionError):
        assert report_compatibility(bytes(data)).operators


def test_files_are_bounded_before_they_are_read(tmp_path):
    path = tmp_path / "large.tflite"
    with path.open("wb") as file:
        file.truncate(200_000_000)
    with pytest.raises(ConversionError, match=r"200 MB; at most 100 MB"):
        read_tflite_path(path)
    assert path.stat().st_size > MAX_FILE_BYTES


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConversionError, match="no regular file"):
        read_tflite_path(tmp_path / "pipe")


@pytest.mark.parametrize("name", sorted(RULES))
@pytest.mark.parametrize("inputs", [(), ("x",), (None, None, None, None), ("x", None)])
def test_operators_that_lack_tensors_are_reported(name, inputs):
    data = tflite({"x": T(IMAGE), "y": T(IMAGE)}, [Op(name, inputs, ("y",))])
    assert len(report_compatibility(data).operators) == 1


def test_names_cannot_write_to_the_terminal():
    data = tflite({"x": T(IMAGE), "y\x1b[2J": T(IMAGE)}, [Op("RELU", ("x",), ("y\x1b[2J",))], outputs=("x",))
    assert report_compatibility(data).operators[0].output == "y\N{REPLACEMENT CHARACTER}[2J"


def test_sides_beyond_any_integer_are_counted():
    huge = T((1, 2**31 - 1, 2**31 - 1, 2**31 - 1))
    report = report_compatibility(tflite({"x": huge, "y": T(IMAGE)}, [Op("RELU", ("x",), ("y",))]))
    assert report.memory.activation_verdict == "too large"


@pytest.mark.parametrize(("name", "complaint"), [("missing.tflite", "there is no file"), ("", "is a folder")])
def test_paths_that_are_no_files_are_refused(tmp_path, name, complaint):
    with pytest.raises(ConversionError, match=complaint):
        read_tflite_path(tmp_path / name)


def test_constants_are_read_as_they_were_written():
    axes = T((2,), "int32", (1, 2))
    data = tflite(
        {"x": T(IMAGE), "a": axes, "y": T((1, 1, 1, 4))},
        [Op("MEAN", ("x", "a"), ("y",), 2, ("ReducerOptions", {"keepDims": True}))],
    )
    file = parse_tflite(data)
    assert file.tensors[1].integers() == [1, 2]
    assert file.tensors[0].integers() is None
    assert (file.tensors[0].scale, file.tensors[0].zero_point) == (0.5, 0)
    assert np.prod(file.tensors[0].shape) == file.tensors[0].elements
