"""Add, Mul, Sigmoid, Concat, means, pools and activations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_graphs import assert_lowers, conv, graph_of, noise

from edgepose.conversion.lower_onnx_to_tflite import lower_onnx_to_tflite
from edgepose.conversion.onnx_graph import Node
from edgepose.runtime.errors import ConversionError


@pytest.mark.parametrize("operator", ["Add", "Mul"])
@pytest.mark.parametrize("shape", [(), (1,), (4, 1, 1), (1, 4, 1, 1), (8,), (8, 1), (1, 4, 8, 8)])
def test_constants_broadcast_as_in_onnx(operator, shape):
    assert_lowers(graph_of([Node(operator, ["image", "c"], ["y"], "y")], {"c": noise(*shape)}))


@pytest.mark.parametrize("operator", ["Add", "Mul"])
def test_a_gate_of_one_pixel_broadcasts_over_the_map(operator):
    nodes = [
        Node("ReduceMean", ["image"], ["m"], "m", {"axes": [2, 3], "keepdims": 1}),
        Node("Sigmoid", ["m"], ["g"], "g"),
        Node(operator, ["image", "g"], ["y"], "y"),
    ]
    model = assert_lowers(graph_of(nodes))
    assert model.operators == {"LOGISTIC": 1, "MEAN": 1, operator.upper(): 1}


def test_swish_of_itself():
    nodes = [Node("Sigmoid", ["image"], ["s"], "s"), Node("Mul", ["image", "s"], ["y"], "y")]
    assert assert_lowers(graph_of(nodes)).operators == {"LOGISTIC": 1, "MUL": 1}


@pytest.mark.parametrize("axis", [1, -3])
def test_concat_of_channels(axis):
    nodes = [
        Node("Sigmoid", ["image"], ["s"], "s"),
        Node("Concat", ["image", "s", "image"], ["y"], "y", {"axis": axis}),
    ]
    assert assert_lowers(graph_of(nodes)).output_shape == (1, 8, 8, 12)


def test_concat_along_another_axis_is_refused():
    graph = graph_of([Node("Concat", ["image", "image"], ["y"], "rows", {"axis": 2})])
    with pytest.raises(ConversionError, match=r"Concat node 'rows' .* axis 2"):
        lower_onnx_to_tflite(graph.to_bytes())


@pytest.mark.parametrize("axes", [[2, 3], [-1, -2], [3, 2]])
@pytest.mark.parametrize("opset", [13, 18])
def test_reduce_mean_with_axes_as_attribute_and_as_input(axes, opset):
    node = Node("ReduceMean", ["image"], ["y"], "y", {"axes": axes, "keepdims": 1})
    assert assert_lowers(graph_of([node], opset=opset)).operators == {"MEAN": 1}


def test_global_average_pool():
    assert assert_lowers(graph_of([Node("GlobalAveragePool", ["image"], ["y"], "y")])).operators == {"MEAN": 1}


@pytest.mark.parametrize("attributes", [{"axes": [1]}, {"axes": [2, 3], "keepdims": 0}, {}])
def test_other_means_are_refused(attributes):
    graph = graph_of([Node("ReduceMean", ["image"], ["y"], "squeeze", attributes)])
    with pytest.raises(ConversionError, match="ReduceMean node 'squeeze'"):
        lower_onnx_to_tflite(graph.to_bytes())


@settings(max_examples=25, deadline=None)
@given(
    size=st.integers(6, 13),
    kernel=st.integers(2, 4),
    stride=st.integers(1, 2),
    mode=st.sampled_from(["VALID", "SAME_UPPER"]),
)
def test_average_pool_leaves_padding_out(size, kernel, stride, mode):
    attributes = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "auto_pad": mode}
    assert_lowers(graph_of([Node("AveragePool", ["image"], ["y"], "y", attributes)], shape=(1, 4, size, size)))


def test_average_pool_that_counts_its_padding():
    attributes = {"kernel_shape": [3, 3], "strides": [1, 1], "pads": [1] * 4, "count_include_pad": 1}
    model = assert_lowers(graph_of([Node("AveragePool", ["image"], ["y"], "y", attributes)]))
    assert model.operators == {"AVERAGE_POOL_2D": 1, "PAD": 1}


@pytest.mark.parametrize("attributes", [{"pads": [2, 2, 0, 0]}, {"ceil_mode": 1}])
def test_pooling_that_tflite_has_not_is_refused(attributes):
    node = Node("AveragePool", ["image"], ["y"], "pool", {"kernel_shape": [3, 3], "strides": [2, 2]} | attributes)
    with pytest.raises(ConversionError, match="AveragePool node 'pool'"):
        lower_onnx_to_tflite(graph_of([node]).to_bytes())


def _clip(source: str, low: float | None, high: float | None) -> tuple[Node, dict]:
    constants = {name: np.float32(value) for name, value in (("low", low), ("high", high)) if value is not None}
    inputs = [source, "low" if low is not None else "", "high" if high is not None else ""]
    return Node("Clip", inputs if high is not None else inputs[:2], ["y"], "clip"), constants


@pytest.mark.parametrize(("low", "high"), [(0.0, 6.0), (-1.0, 1.0), (0.0, None)])
@pytest.mark.parametrize("producer", ["Conv", "Add", "Sigmoid"])
def test_clips_are_fused_where_the_operator_before_can(low, high, producer):
    first = {
        "Conv": conv("x", "image", "w", kernel_shape=[1, 1]),
        "Add": Node("Add", ["image", "image"], ["x"], "x"),
        "Sigmoid": Node("Sigmoid", ["image"], ["x"], "x"),
    }[producer]
    clip, constants = _clip("x", low, high)
    if producer == "Conv":
        constants["w"] = 5 * noise(4, 4, 1, 1)
    model = assert_lowers(graph_of([first, clip], constants))
    assert sum(model.operators.values()) == (2 if producer == "Sigmoid" else 1)


def test_relu():
    nodes = [conv("x", "image", "w", kernel_shape=[1, 1]), Node("Relu", ["x"], ["y"], "y")]
    assert assert_lowers(graph_of(nodes, {"w": noise(4, 4, 1, 1)})).operators == {"CONV_2D": 1}


def test_an_activation_is_not_fused_where_its_input_is_read_again():
    clip, constants = _clip("x", 0.0, 6.0)
    nodes = [Node("Add", ["image", "image"], ["x"], "x"), clip, Node("Mul", ["x", "y"], ["z"], "z")]
    assert assert_lowers(graph_of(nodes, constants)).operators == {"ADD": 1, "MUL": 1, "RELU6": 1}


def test_a_second_activation_stays_on_its_own():
    clip, constants = _clip("r", -1.0, 1.0)
    nodes = [Node("Add", ["image", "image"], ["x"], "x"), Node("Relu", ["x"], ["r"], "r"), clip]
    assert assert_lowers(graph_of(nodes, constants)).operators == {"ADD": 1, "RELU_N1_TO_1": 1}


def test_other_clips_are_refused():
    clip, constants = _clip("image", 0.0, 5.0)
    with pytest.raises(ConversionError, match=r"Clip node 'clip' .* clips to \[0, 5\]"):
        lower_onnx_to_tflite(graph_of([clip], constants).to_bytes())
