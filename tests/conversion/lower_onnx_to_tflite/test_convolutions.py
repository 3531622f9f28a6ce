"""Conv and ConvTranspose: every padding, stride and dilation that TFLite can tell apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_graphs import assert_lowers, conv, graph_of, noise, operator_versions

from edgepose.conversion.lower_onnx_to_tflite import lower_onnx_to_tflite
from edgepose.conversion.onnx_graph import Node
from edgepose.runtime.errors import ConversionError


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(5, 13), st.integers(5, 13)),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    pads=st.lists(st.integers(0, 3), min_size=4, max_size=4),
    depthwise=st.booleans(),
    bias=st.booleans(),
)
def test_conv_equals_onnx_runtime_whatever_its_geometry(size, kernel, strides, pads, depthwise, bias):
    weights = noise(6 if depthwise else 5, 1 if depthwise else 6, *kernel)
    node = conv(
        "y",
        "image",
        "w",
        "b" if bias else "",
        kernel_shape=kernel,
        strides=strides,
        pads=pads,
        group=6 if depthwise else 1,
    )
    constants = {"w": weights, "b": noise(len(weights), seed=2)}
    model = assert_lowers(graph_of([node], constants if bias else {"w": weights}, (1, 6, *size)))
    assert ("DEPTHWISE_CONV_2D" in model.operators) == depthwise


@pytest.mark.parametrize("size", [14, 15])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_auto_pad_is_what_onnx_means_by_it(size, kernel, mode):
    node = conv("y", "image", "w", kernel_shape=[kernel, kernel], strides=[2, 2], auto_pad=mode)
    assert_lowers(graph_of([node], {"w": noise(3, 4, kernel, kernel)}, (1, 4, size, size)))


def test_tensorflows_same_padding_needs_no_pad_operator():
    node = conv("y", "image", "w", kernel_shape=[5, 5], strides=[2, 2], pads=[1, 1, 2, 2])
    model = assert_lowers(graph_of([node], {"w": noise(3, 4, 5, 5)}, (1, 4, 14, 14)))
    assert model.operators == {"CONV_2D": 1}


def test_other_padding_is_padded_explicitly():
    node = conv("y", "image", "w", kernel_shape=[5, 5], strides=[2, 2], pads=[2, 2, 1, 1])
    model = assert_lowers(graph_of([node], {"w": noise(3, 4, 5, 5)}, (1, 4, 14, 14)))
    assert model.operators == {"CONV_2D": 1, "PAD": 1}


@pytest.mark.parametrize("multiplier", [1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
def test_depthwise_multipliers_and_dilations(multiplier, dilation):
    node = conv("y", "image", "w", kernel_shape=[3, 3], pads=[dilation] * 4, group=4, dilations=[dilation, dilation])
    model = assert_lowers(graph_of([node], {"w": noise(4 * multiplier, 1, 3, 3)}))
    assert operator_versions(model.data) == {"DEPTHWISE_CONV_2D": 1 if dilation == 1 else 2}


def test_a_convolution_on_one_channel_is_not_taken_for_depthwise():
    node = conv("y", "image", "w", kernel_shape=[3, 3], pads=[1] * 4)
    assert assert_lowers(graph_of([node], {"w": noise(3, 1, 3, 3)}, (1, 1, 8, 8))).operators == {"CONV_2D": 1}


def test_grouped_convolutions_are_refused_by_name():
    graph = graph_of([conv("stem", "image", "w", kernel_shape=[1, 1], group=2)], {"w": noise(4, 2, 1, 1)})
    with pytest.raises(ConversionError, match=r"Conv node 'stem' .* 2 groups for 4 channels"):
        lower_onnx_to_tflite(graph.to_bytes())


def test_computed_weights_are_refused():
    nodes = [
        Node("Sigmoid", ["image"], ["s"], "s"),
        conv("y", "image", "s", kernel_shape=[8, 8]),
    ]
    with pytest.raises(ConversionError, match="'s' is not a constant"):
        lower_onnx_to_tflite(graph_of(nodes).to_bytes())


@settings(max_examples=25, deadline=None)
@given(
    size=st.tuples(st.integers(3, 8), st.integers(3, 8)),
    kernel=st.integers(2, 5),
    stride=st.integers(1, 3),
    same=st.booleans(),
    depthwise=st.booleans(),
    bias=st.booleans(),
)
def test_conv_transpose_equals_onnx_runtime(size, kernel, stride, same, depthwise, bias):
    crop = kernel - stride if same and kernel >= stride else 0
    before, after = crop // 2, crop - crop // 2
    weights = noise(4, 1 if depthwise else 3, kernel, kernel)
    node = Node(
        "ConvTranspose",
        ["image", "w", "b"] if bias else ["image", "w"],
        ["y"],
        "y",
        {
            "kernel_shape": [kernel] * 2,
            "strides": [stride] * 2,
            "pads": [before, before, after, after],
            "group": 4 if depthwise else 1,
        },
    )
    constants = {"w": weights} | ({"b": noise(4 if depthwise else 3, seed=3)} if bias else {})
    model = assert_lowers(graph_of([node], constants, (1, 4, *size)))
    assert operator_versions(model.data) == {"TRANSPOSE_CONV": 3 if bias else 1}


def test_a_bias_of_zeros_does_not_raise_the_version_of_a_transposed_convolution():
    attributes = {"kernel_shape": [4, 4], "strides": [2, 2], "pads": [1] * 4}
    node = Node("ConvTranspose", ["image", "w", "b"], ["y"], "y", attributes)
    model = assert_lowers(graph_of([node], {"w": noise(4, 4, 4, 4), "b": np.zeros(4, np.float32)}))
    assert operator_versions(model.data) == {"TRANSPOSE_CONV": 1}


def test_transposed_padding_without_a_tflite_scheme_is_refused():
    attributes = {"kernel_shape": [4, 4], "strides": [2, 2], "pads": [0, 0, 2, 2]}
    node = Node("ConvTranspose", ["image", "w"], ["up"], "up", attributes)
    with pytest.raises(ConversionError, match=r"ConvTranspose node 'up' .* neither TFLite's SAME nor VALID"):
        lower_onnx_to_tflite(graph_of([node], {"w": noise(4, 4, 4, 4)}).to_bytes())
