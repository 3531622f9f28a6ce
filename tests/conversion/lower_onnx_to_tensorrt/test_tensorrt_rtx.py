"""NVIDIA's own parser and builder, on a machine without a GPU: what a Jetson bundle carries is taken."""

import json
import os
import platform
from pathlib import Path

import numpy as np
import onnx
import pytest
from calibrated_graphs import float_graph, ranges_of
from python_environments import environment_python

from benchmarks.tensorrt_rtx import PACKAGES, VARIABLE, build_in_rtx
from edgepose.conversion.lower_onnx_to_tensorrt import lower_onnx_to_tensorrt
from edgepose.conversion.quantisation.insert_qdq import insert_qdq
from edgepose.network.variants import VARIANTS
from edgepose.targets import get_target

RECORD = Path(__file__).parents[3] / "benchmarks" / "results" / "tensorrt_acceptance.json"
NANO, THOR = (get_target(name).tensorrt for name in ("jetson-nano", "jetson-thor"))
FLOATS, TYPED, INTEGERS = ["FLOAT"], ["FLOAT", "HALF"], ["FLOAT", "INT8"]


@pytest.fixture(scope="module")
def rtx() -> str:
    """A Python with TensorRT-RTX; $EDGEPOSE_TENSORRT_RTX names one, else it is made once."""
    if platform.machine() != "x86_64":
        pytest.skip("TensorRT-RTX has wheels for x86-64 alone")
    return os.environ.get(VARIABLE) or environment_python("3.11", list(PACKAGES))


@pytest.mark.slow
def test_every_kind_of_graph_is_taken_and_built(rtx):
    graphs, types = {}, {}
    for variant in ("RT", "RT_LITE"):
        graph = float_graph(variant)
        quantised = insert_qdq(graph, ranges_of(graph), symmetric=True)
        for name, onnx_bytes, precision, stack, expected in (
            ("float", graph.to_bytes(), "fp32", NANO, FLOATS),
            ("typed", graph.to_bytes(), "fp16", THOR, TYPED),
            ("integers", quantised.to_bytes(), "int8", NANO, INTEGERS),
        ):
            graphs[f"{variant}, {name}"] = lower_onnx_to_tensorrt(onnx_bytes, precision, stack).onnx
            types[f"{variant}, {name}"] = expected
    for name, build in build_in_rtx(rtx, graphs).items():
        assert build.built, (name, build.refusals, build.remarks)
        assert build.types == types[name], name
        assert build.remarks == [], name


@pytest.mark.slow
def test_what_others_write_is_refused_by_tensorrt_and_is_not_what_we_write(rtx):
    """The refusals that people meet, each made from our graph by the one change that causes it."""
    graph = float_graph("RT_LITE")
    sound = lower_onnx_to_tensorrt(insert_qdq(graph, ranges_of(graph), symmetric=True).to_bytes(), "int8", NANO).onnx
    changes = {
        "as we write it": lambda model: None,
        "asymmetric": lambda model: set_zero_points(model, np.int8(3)),
        "unsigned weights": lambda model: restore_constant(model, 1, np.uint8),
        "integer biases": lambda model: restore_constant(model, 2, np.int32),
    }
    graphs = {}
    for name, change in changes.items():
        model = onnx.load_from_string(sound)
        change(model)
        graphs[name] = model.SerializeToString()
    builds = build_in_rtx(rtx, graphs)
    assert [name for name, build in builds.items() if build.built] == ["as we write it"]
    assert "Non-zero zero point is not supported" in told(builds["asymmetric"])
    assert "UINT8" in told(builds["unsigned weights"])
    assert "Int32" in told(builds["integer biases"])


def told(build) -> str:
    return " ".join(build.refusals + build.remarks)


def set_zero_points(model: onnx.ModelProto, value) -> None:
    """Give the image this zero point."""
    names = {node.input[2] for node in model.graph.node if node.op_type.endswith("Linear") and "image" in node.name}
    assert names
    for tensor in model.graph.initializer:
        if tensor.name in names:
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.asarray(value), tensor.name))


def restore_constant(model: onnx.ModelProto, operand: int, integers: type) -> None:
    """Have a convolution's weights (1) or biases (2) restored from constant integers.

    ONNX Runtime's quantiser does that with biases, and with unsigned weights where it is asked for them.
    """
    conv = next(node for node in model.graph.node if node.op_type == "Conv" and len(node.input) > 2)
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == conv.input[2])
    channels, name = bias.dims[0], "restored"
    shape = (channels,) if operand == 2 else (channels, 3, 3, 3)
    for part, array in (
        ("integers", np.ones(shape, integers)),
        ("scale", np.full(channels, 0.1, np.float32)),
        ("zero", np.zeros(channels, integers)),
    ):
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, f"{name}/{part}"))
    inputs = [f"{name}/{part}" for part in ("integers", "scale", "zero")]
    conv.input[operand] = name
    model.graph.node.insert(0, onnx.helper.make_node("DequantizeLinear", inputs, [name], axis=0))


def test_the_record_says_that_every_variant_was_taken_at_every_precision():
    document = json.loads(RECORD.read_text())
    assert set(document["samples"]) == set(VARIANTS)
    for variant, builds in document["samples"].items():
        assert {name: build["built"] for name, build in builds.items()} == {
            "float32": True,
            "float16": True,
            "Q/DQ": True,
        }, variant
        assert builds["float16"]["types"] == TYPED
        assert builds["Q/DQ"]["types"] == INTEGERS
