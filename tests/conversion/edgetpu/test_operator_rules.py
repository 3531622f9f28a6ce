"""Each rule of the Edge TPU, from both of its sides."""

import re

import pytest
from tflite_models import IMAGE, WEIGHTS, Op, T, convolution, tflite

from edgepose.conversion.edgetpu.operator_rules import (
    DATA_TYPE,
    IMPRECISE,
    LIMITED,
    MAPPED,
    NOT_CONSTANT,
    RANK,
    RULES,
    STATUSES,
    UNSUPPORTED,
    VERSION,
    find,
)
from edgepose.conversion.edgetpu.operator_versions import COMPILER_RELEASE, RELEASES, newest_version, release_of
from edgepose.conversion.edgetpu.tflite_file import parse_tflite

RELU6 = ("Pool2DOptions", {"fusedActivationFunction": 3})
JOINED = ("ConcatenationOptions", {"axis": 3})
X, Y, AXES = T(IMAGE), T(IMAGE), lambda *axes: T((len(axes),), "int32", axes)


def finding(tensors: dict, operator: Op):
    """What the rules say of the one ``operator``."""
    file = parse_tflite(tflite({"x": X, "y": Y, **tensors}, [operator]))
    return find(file, file.operators[0])


TAKEN = [
    ({}, Op("ADD", ("x", "x"), ("y",), 2)),
    ({}, Op("MUL", ("x", "x"), ("y",), 2)),
    ({"y": T((1, 1, 1, 4)), "a": AXES(1, 2)}, Op("MEAN", ("x", "a"), ("y",), 2)),
    ({"y": T((1, 8, 8, 1)), "a": AXES(-1)}, Op("MEAN", ("x", "a"), ("y",), 2)),
    ({}, Op("LOGISTIC", ("x",), ("y",), 2)),
    ({"y": T((1, 8, 8, 8))}, Op("CONCATENATION", ("x", "x"), ("y",), 2, JOINED)),
    ({"z": T(IMAGE, values=0), "y": T((1, 8, 8, 8))}, Op("CONCATENATION", ("x", "z"), ("y",), 2, JOINED)),
    (WEIGHTS, convolution()),
    (WEIGHTS, convolution(5)),
    (WEIGHTS, convolution(dilationHFactor=2, dilationWFactor=2)),
    ({"p": T((4, 2), "int32", [[0, 0], [1, 1], [1, 1], [0, 0]])}, Op("PAD", ("x", "p"), ("y",), 2)),
    ({"x": T((1, 16_000)), "y": T((1, 16_000))}, Op("SOFTMAX", ("x",), ("y",), 2)),
    ({"s": AXES(8, 8)}, Op("RESIZE_BILINEAR", ("x", "s"), ("y",), 3)),
    ({"x": T(IMAGE, "uint8"), "y": T(IMAGE, "uint8")}, Op("RELU6", ("x",), ("y",), 2)),
]


@pytest.mark.parametrize(("tensors", "operator"), TAKEN, ids=lambda value: getattr(value, "name", ""))
def test_what_keeps_to_the_rules_is_taken(tensors, operator):
    assert finding(tensors, operator) is None


SLICED = ("StridedSliceOptions", {"newAxisMask": 1})
LEFT = [
    (UNSUPPORTED, "not one of the operators", {}, Op("HARD_SWISH", ("x",), ("y",))),
    (UNSUPPORTED, "not one of the operators", {}, Op("LEAKY_RELU", ("x",), ("y",))),
    (UNSUPPORTED, "not one of the operators", {"y": T(IMAGE, "float32")}, Op("DEQUANTIZE", ("x",), ("y",), 2)),
    (UNSUPPORTED, "a custom operator", {}, Op("custom:TFLite_Detection_PostProcess", ("x",), ("y",))),
    (VERSION, "of TFLite 2.9: .* versions up to 5", WEIGHTS, convolution(6)),
    (VERSION, "of TFLite 2.6", {}, Op("ADD", ("x", "x"), ("y",), 4)),
    (VERSION, "version 40:", {}, Op("MUL", ("x", "x"), ("y",), 40)),
    (DATA_TYPE, "float32, where", {"x": T(IMAGE, "float32")}, Op("QUANTIZE", ("x",), ("y",))),
    (DATA_TYPE, "int16, where", {"x": T(IMAGE, "int16")}, Op("RELU", ("x",), ("y",))),
    (DATA_TYPE, "int8 without a scale", {"x": T(IMAGE, scale=None)}, Op("RELU", ("x",), ("y",))),
    (LIMITED, "no fixed shape", {"x": T(IMAGE, signature=(1, -1, -1, 4))}, Op("RELU", ("x",), ("y",))),
    (RANK, "batch of 2", {"x": T((2, 8, 8, 4)), "y": T((2, 8, 8, 4))}, Op("RELU", ("x",), ("y",))),
    (RANK, "more than three sides", {"x": T((1, 3, 8, 8, 4))}, Op("RELU", ("x",), ("y",))),
    (NOT_CONSTANT, "a parameter is computed", {**WEIGHTS, "w": T((4, 1, 1, 4))}, convolution()),
    (NOT_CONSTANT, "a parameter is computed", {"a": T((2,), "int8")}, Op("MEAN", ("x", "a"), ("y",), 2)),
    (LIMITED, "dilated 2 x 1", WEIGHTS, convolution(dilationHFactor=2)),
    (LIMITED, "RELU6 is fused", {}, Op("AVERAGE_POOL_2D", ("x",), ("y",), 2, RELU6)),
    (LIMITED, "RELU6 is fused", {}, Op("MAX_POOL_2D", ("x",), ("y",), 2, RELU6)),
    (LIMITED, "joins a constant", {"z": T(IMAGE, values=1)}, Op("CONCATENATION", ("x", "z"), ("y",), 2, JOINED)),
    (LIMITED, "joins a constant", {"z": T(IMAGE, values=0)}, Op("CONCATENATION", ("x", "x", "z"), ("y",), 2, JOINED)),
    (LIMITED, "over the batch", {"a": AXES(0)}, Op("MEAN", ("x", "a"), ("y",), 2)),
    (LIMITED, "over 6 channels", {"x": T((1, 8, 8, 6)), "a": AXES(3)}, Op("MEAN", ("x", "a"), ("y",), 2)),
    (LIMITED, "along the batch", {"a": AXES(0)}, Op("REDUCE_MAX", ("x", "a"), ("y",), 2)),
    (LIMITED, "along the batch", {}, Op("PACK", ("x",), ("y",), 2, ("PackOptions", {"axis": 0}))),
    (LIMITED, "along the batch", {"a": T((), "int32", 0)}, Op("SPLIT", ("a", "x"), ("y",), 2)),
    (LIMITED, "pads the batch", {"p": T((4, 2), "int32", [[1, 0]] + [[0, 0]] * 3)}, Op("PAD", ("x", "p"), ("y",), 2)),
    (LIMITED, "one number a channel", {"a": T((8, 8, 4), values=1)}, Op("PRELU", ("x", "a"), ("y",))),
    (LIMITED, "not one row", {}, Op("SOFTMAX", ("x",), ("y",), 2)),
    (LIMITED, "16001 numbers", {"x": T((1, 16_001)), "y": T((1, 16_001))}, Op("SOFTMAX", ("x",), ("y",), 2)),
    (LIMITED, "output is not one row", WEIGHTS, Op("FULLY_CONNECTED", ("x", "w", "b"), ("y",), 4)),
    (
        LIMITED,
        "shuffled",
        WEIGHTS,
        Op("FULLY_CONNECTED", ("x", "w", "b"), ("y",), 4, ("FullyConnectedOptions", {"weightsFormat": 1})),
    ),
    (
        LIMITED,
        "strides are",
        {"a": AXES(0, 0, 0, 0), "s": AXES(1, 2, 2, 1)},
        Op("STRIDED_SLICE", ("x", "a", "a", "s"), ("y",), 2),
    ),
    (
        LIMITED,
        "new axis",
        {"a": AXES(0, 0, 0, 0), "s": AXES(1, 1, 1, 1)},
        Op("STRIDED_SLICE", ("x", "a", "a", "s"), ("y",), 2, SLICED),
    ),
]


@pytest.mark.parametrize(("status", "rule", "tensors", "operator"), LEFT)
def test_what_breaks_a_rule_is_left_and_the_rule_says_why(status, rule, tensors, operator):
    found = finding(tensors, operator)
    assert found is not None
    assert found.certain
    assert found.status == status
    assert found.mend
    assert re.search(rule, found.rule)


LARGE = T((1, 512, 512, 4))


@pytest.mark.parametrize(
    ("status", "tensors", "operator"),
    [
        (LIMITED, {"x": LARGE, "y": LARGE, "s": AXES(1, -1, 512, 4)}, Op("RESHAPE", ("x", "s"), ("y",))),
        (IMPRECISE, {"y": LARGE, "s": AXES(512, 512)}, Op("RESIZE_BILINEAR", ("x", "s"), ("y",), 3)),
        (
            LIMITED,
            {**WEIGHTS, "s": AXES(1, 8, 8, 4)},
            Op("TRANSPOSE_CONV", ("s", "w", "x"), ("y",), 2, ("TransposeConvOptions", {"strideH": 1, "strideW": 1})),
        ),
    ],
)
def test_what_is_known_to_be_left_at_times_is_uncertain(status, tensors, operator):
    found = finding(tensors, operator)
    assert found is not None
    assert not found.certain
    assert found.status == status


def test_the_tables_fit_each_other_and_the_compiler():
    assert set(RULES) <= set(RELEASES)
    assert MAPPED in STATUSES
    assert len(set(STATUSES)) == 9
    # The versions that the facts of the compiler name: TensorFlow 2.6 and 2.9 are too new, 2.3 is not.
    assert [newest_version(name) for name in ("CONV_2D", "ADD", "MUL", "PAD", "TRANSPOSE_CONV")] == [5, 3, 4, 3, 3]
    assert release_of("CONV_2D", 6) == (2, 9)
    assert release_of("CONV_2D", 7) is None
    for releases in RELEASES.values():
        assert list(releases) == sorted(releases)
    assert COMPILER_RELEASE == (2, 5)
