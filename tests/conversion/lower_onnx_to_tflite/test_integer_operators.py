"""Every rule between DequantizeLinear and QuantizeLinear: int8 kernels within one step of the float operator."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_step_oracle import BACK_ENDS, assert_within_one_step, deviations, observe
from quantised_graphs import with_steps
from small_graphs import conv, graph_of, noise, operator_versions, parsed, runs_whole_in_xnnpack

from edgepose.conversion.lower_onnx_to_tflite import lower_onnx_to_tflite
from edgepose.conversion.onnx_graph import Node, OnnxGraph
from edgepose.runtime.errors import ConversionError

# The lowest that describe int8 (TensorFlow's ``lite/tools/versioning/op_version.cc``).
VERSIONS = {
    "ADD": 2,
    "CONCATENATION": 2,
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "LOGISTIC": 2,
    "MEAN": 2,
    "MUL": 2,
    "PAD": 2,
    "QUANTIZE": 1,
    "RELU": 2,
    "RELU6": 2,
    "TRANSPOSE_CONV": 2,
}


def assert_integer(graph: OnnxGraph, *operators: str) -> bytes:
    """The Q/DQ ``graph`` lowers to just these ``operators``, all int8, all XNNPACK's, within one step."""
    tflite = assert_within_one_step(graph.to_bytes(), noise(2, *graph.inputs[0].shape[1:], seed=1))
    assert operator_versions(tflite) == {name: VERSIONS[name] for name in operators}
    assert not [tensor.name for tensor in parsed(tflite).subgraphs[0].tensors if tensor.type == 0], "a float tensor"
    assert runs_whole_in_xnnpack(tflite)
    return tflite


@settings(max_examples=25, deadline=None)
@given(
    size=st.tuples(st.integers(5, 13), st.integers(5, 13)),
    kernel=st.sampled_from([1, 3, 5]),
    stride=st.integers(1, 2),
    pads=st.lists(st.integers(0, 3), min_size=4, max_size=4),
    depthwise=st.booleans(),
    bias=st.booleans(),
)
def test_conv_whatever_its_geometry(size, kernel, stride, pads, depthwise, bias):
    weights = noise(6 if depthwise else 5, 1 if depthwise else 6, kernel, kernel)
    weights *= np.geomspace(0.01, 3, len(weights), dtype=np.float32)[:, None, None, None]
    node = conv(
        "y",
        "image",
        "w",
        "b" if bias else "",
        kernel_shape=[kernel] * 2,
        strides=[stride] * 2,
        pads=pads,
        group=6 if depthwise else 1,
    )
    constants = {"w": weights} | ({"b": noise(len(weights), seed=2)} if bias else {})
    graph = with_steps(graph_of([node], constants, (1, 6, *size)))
    tflite = lower_onnx_to_tflite(graph.to_bytes())
    padded = ("PAD",) if "PAD" in tflite.operators else ()
    assert_integer(graph, "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", *padded)


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("mode", ["SAME_UPPER", "VALID"])
def test_depthwise_conv(kernel, stride, mode):
    node = conv("y", "image", "w", "b", kernel_shape=[kernel] * 2, strides=[stride] * 2, auto_pad=mode, group=4)
    graph = with_steps(graph_of([node], {"w": noise(4, 1, kernel, kernel), "b": noise(4)}, (1, 4, 14, 14)))
    assert_integer(graph, "DEPTHWISE_CONV_2D")


def test_zeros_of_explicit_padding_are_zero_points():
    node = conv("y", "image", "w", kernel_shape=[3, 3], strides=[2, 2], pads=[2, 2, 1, 1])
    graph = with_steps(graph_of([node], {"w": noise(3, 4, 3, 3)}), {"image": (0.03, 57), "y": (0.1, -20)})
    assert_integer(graph, "CONV_2D", "PAD")


def test_one_scale_for_all_filters():
    graph = graph_of([conv("y", "image", "w", "b", kernel_shape=[1, 1])], {"w": noise(5, 4, 1, 1), "b": noise(5)})
    graph = with_steps(graph)
    restore = next(node for node in graph.nodes if node.name == "w_restore")
    for name in restore.inputs[1:]:
        graph.constants[name] = graph.constants[name].max().reshape(())
    assert_integer(graph, "CONV_2D")


def test_scales_of_filters_lie_along_their_output_channels():
    nodes = [
        conv("x", "image", "w", kernel_shape=[3, 3], pads=[1] * 4, group=4),
        conv("y", "x", "v", kernel_shape=[1, 1]),
    ]
    weights = {"w": noise(4, 1, 3, 3), "v": noise(5, 4, 1, 1)}
    tensors = parsed(assert_integer(with_steps(graph_of(nodes, weights)), "CONV_2D", "DEPTHWISE_CONV_2D"))
    by_name = {tensor.name.decode(): tensor for tensor in tensors.subgraphs[0].tensors}
    depthwise, full = by_name["w"].quantization, by_name["v"].quantization
    assert (depthwise.quantizedDimension, len(depthwise.scale)) == (3, 4)
    assert (full.quantizedDimension, len(full.scale)) == (0, 5)
    np.testing.assert_allclose(full.scale, np.abs(weights["v"]).reshape(5, 4).max(axis=1) / 127, rtol=1e-6)


@settings(max_examples=15, deadline=None)
@given(
    size=st.tuples(st.integers(3, 8), st.integers(3, 8)),
    geometry=st.sampled_from([(4, 2, 1), (3, 2, 0), (8, 4, 2), (2, 2, 0)]),
    depthwise=st.booleans(),
    bias=st.booleans(),
)
def test_conv_transpose(size, geometry, depthwise, bias):
    kernel, stride, crop = geometry
    weights = noise(4, 1 if depthwise else 3, kernel, kernel)
    attributes = {
        "kernel_shape": [kernel] * 2,
        "strides": [stride] * 2,
        "pads": [crop] * 4,
        "group": 4 if depthwise else 1,
    }
    node = Node("ConvTranspose", ["image", "w", "b"] if bias else ["image", "w"], ["y"], "y", attributes)
    constants = {"w": weights} | ({"b": noise(4 if depthwise else 3, seed=3)} if bias else {})
    graph = with_steps(graph_of([node], constants, (1, 4, *size)))
    tflite = assert_within_one_step(graph.to_bytes(), noise(2, 4, *size, seed=1))
    assert operator_versions(tflite) == {"TRANSPOSE_CONV": 3 if bias else 2}
    assert runs_whole_in_xnnpack(tflite)


@pytest.mark.parametrize("operator", ["Add", "Mul"])
def test_two_maps_of_different_steps(operator):
    nodes = [
        conv("x", "image", "w", kernel_shape=[1, 1]),
        Node(operator, ["image", "x"], ["y"], "y"),
    ]
    assert_integer(with_steps(graph_of(nodes, {"w": 5 * noise(4, 4, 1, 1)})), "CONV_2D", operator.upper())


@pytest.mark.parametrize("operator", ["Add", "Mul"])
def test_a_gate_of_one_pixel_broadcasts_over_the_map(operator):
    nodes = [
        Node("ReduceMean", ["image"], ["m"], "m", {"axes": [2, 3], "keepdims": 1}),
        Node("Sigmoid", ["m"], ["g"], "g"),
        Node(operator, ["image", "g"], ["y"], "y"),
    ]
    assert_integer(with_steps(graph_of(nodes)), "LOGISTIC", "MEAN", operator.upper())


def outputs(tflite: bytes, images: np.ndarray) -> list[np.ndarray]:
    """What the engine computes for each image on each back end."""
    return [observe(tflite, image, back_end)["y"] for image in images for back_end in BACK_ENDS]


@pytest.mark.parametrize(("shape", "repeated"), [((1, 6, 64, 40), True), ((1, 6, 40, 40), False)])
@pytest.mark.parametrize("gate_first", [False, True])
def test_the_gate_of_a_large_image_is_repeated_along_a_row_to_the_same_bit(shape, repeated, gate_first):
    nodes = [
        Node("ReduceMean", ["image"], ["m"], "m", {"axes": [2, 3], "keepdims": 1}),
        Node("Sigmoid", ["m"], ["g"], "g"),
        Node("Mul", ["g", "image"] if gate_first else ["image", "g"], ["y"], "y"),
    ]
    onnx, images = with_steps(graph_of(nodes, shape=shape)).to_bytes(), noise(3, *shape[1:], seed=5)
    plain, rows = lower_onnx_to_tflite(onnx), lower_onnx_to_tflite(onnx, repeats_gates=True)
    assert plain.operators["MUL"] == 1
    assert rows.operators == plain.operators | {"MUL": 1 + repeated}
    assert runs_whole_in_xnnpack(rows.data)
    for one, other in zip(outputs(plain.data, images), outputs(rows.data, images), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_gate_of_float_products_is_left_as_it_is():
    nodes = [
        Node("ReduceMean", ["image"], ["g"], "g", {"axes": [2, 3], "keepdims": 1}),
        Node("Mul", ["image", "g"], ["y"], "y"),
    ]
    onnx = graph_of(nodes, shape=(1, 6, 64, 64)).to_bytes()
    assert lower_onnx_to_tflite(onnx, repeats_gates=True).data == lower_onnx_to_tflite(onnx).data


@pytest.mark.parametrize("operator", ["Add", "Mul"])
@pytest.mark.parametrize("shape", [(), (1,), (4, 1, 1), (1, 4, 1, 1), (8, 8), (1, 4, 8, 8)])
def test_constants_broadcast_as_in_onnx(operator, shape):
    graph = with_steps(graph_of([Node(operator, ["image", "c"], ["y"], "y")], {"c": noise(*shape, seed=4)}))
    assert_integer(graph, operator.upper())


def test_a_value_with_itself():
    assert_integer(with_steps(graph_of([Node("Mul", ["image", "image"], ["y"], "y")])), "MUL")


def test_swish():
    nodes = [Node("Sigmoid", ["image"], ["s"], "s"), Node("Mul", ["image", "s"], ["y"], "y")]
    assert_integer(with_steps(graph_of(nodes)), "LOGISTIC", "MUL")


@pytest.mark.parametrize("steps", [(1 / 255, -128), (1 / 256, -127)])
def test_a_sigmoid_of_other_steps_is_refused(steps):
    graph = with_steps(graph_of([Node("Sigmoid", ["image"], ["y"], "gate")]), {"image": (0.03, 0), "y": steps})
    with pytest.raises(ConversionError, match=r"Sigmoid node 'gate' .* 1/256"):
        lower_onnx_to_tflite(graph.to_bytes())


def test_concat_of_equal_steps_needs_no_quantize():
    nodes = [
        conv("x", "image", "w", kernel_shape=[1, 1]),
        Node("Concat", ["image", "x", "image"], ["y"], "y", {"axis": 1}),
    ]
    steps = dict.fromkeys(("image", "x", "y"), (0.03, 5))
    assert_integer(with_steps(graph_of(nodes, {"w": noise(3, 4, 1, 1)}), steps), "CONCATENATION", "CONV_2D")


def test_concat_of_different_steps_requantises_what_differs():
    nodes = [
        conv("x", "image", "w", kernel_shape=[1, 1]),
        Node("Concat", ["image", "x", "c"], ["y"], "y", {"axis": 1}),
    ]
    steps = {"image": (0.02, 3), "x": (0.05, -9), "y": (0.05, -9)}
    graph = with_steps(graph_of(nodes, {"w": noise(3, 4, 1, 1), "c": noise(1, 2, 8, 8)}), steps)
    assert_integer(graph, "CONCATENATION", "CONV_2D", "QUANTIZE")
    assert lower_onnx_to_tflite(graph.to_bytes()).operators["QUANTIZE"] == 2


@pytest.mark.parametrize("operator", ["ReduceMean", "GlobalAveragePool"])
def test_means(operator):
    node = Node(operator, ["image"], ["y"], "y", {"axes": [2, 3], "keepdims": 1} if operator == "ReduceMean" else {})
    assert_integer(with_steps(graph_of([node], shape=(1, 4, 14, 14))), "MEAN")


POOL = {"kernel_shape": [2, 2], "strides": [2, 2]}


@pytest.mark.parametrize("steps", [(0.03, 11), (0.02, -7)])
def test_average_pool_is_a_convolution_whatever_its_steps(steps):
    graph = graph_of([Node("AveragePool", ["image"], ["y"], "y", POOL)])
    assert_integer(with_steps(graph, {"image": (0.03, 11), "y": steps}), "DEPTHWISE_CONV_2D")


def test_average_pool_that_counts_its_padding():
    attributes = {"kernel_shape": [3, 3], "strides": [1, 1], "pads": [1] * 4, "count_include_pad": 1}
    graph = with_steps(graph_of([Node("AveragePool", ["image"], ["y"], "y", attributes)]))
    assert_integer(graph, "DEPTHWISE_CONV_2D", "PAD")


def test_average_pool_that_leaves_padding_out_is_refused():
    attributes = {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}
    graph = with_steps(graph_of([Node("AveragePool", ["image"], ["y"], "pool", attributes)]))
    with pytest.raises(ConversionError, match=r"AveragePool node 'pool' .* leaves padding out"):
        lower_onnx_to_tflite(graph.to_bytes())


def _clip(source: str, low: float, high: float) -> tuple[Node, dict]:
    return Node("Clip", [source, "low", "high"], ["y"], "clip"), {"low": np.float32(low), "high": np.float32(high)}


PRODUCERS = {
    "CONV_2D": conv("x", "image", "w", kernel_shape=[1, 1]),
    "DEPTHWISE_CONV_2D": conv("x", "image", "d", kernel_shape=[3, 3], pads=[1] * 4, group=4),
    "ADD": Node("Add", ["image", "image"], ["x"], "x"),
    "MUL": Node("Mul", ["image", "image"], ["x"], "x"),
}


@pytest.mark.parametrize(("low", "high"), [(0.0, 6.0), (0.0, np.inf), (-1.0, 1.0)])
@pytest.mark.parametrize("producer", list(PRODUCERS))
def test_clips_are_fused(low, high, producer):
    clip, constants = _clip("x", low, high)
    constants |= {"w": 5 * noise(4, 4, 1, 1), "d": 5 * noise(4, 1, 3, 3)}
    graph = graph_of([PRODUCERS[producer], clip], constants)
    graph.prune()
    # Wider than the clip on both sides: saturation alone would not clip.
    assert_integer(with_steps(graph, {"image": (0.03, 2), "y": (0.1, 10)}), producer)


def test_clips_of_average_pools_are_fused():
    clip, constants = _clip("x", 0.0, 6.0)
    graph = graph_of([Node("AveragePool", ["image"], ["x"], "x", POOL), clip], constants)
    assert_integer(with_steps(graph, {"image": (0.06, 11), "y": (0.1, -7)}), "DEPTHWISE_CONV_2D")


@pytest.mark.parametrize(("high", "operator"), [(6.0, "RELU6"), (np.inf, "RELU")])
@pytest.mark.parametrize("steps", [(0.06, 11), (0.03, -128)])
def test_a_clip_alone(high, operator, steps):
    clip, constants = _clip("image", 0.0, high)
    graph = with_steps(graph_of([clip], constants), {"image": (0.06, 11), "y": steps})
    tflite = assert_within_one_step(graph.to_bytes(), 3 * noise(2, 4, 8, 8, seed=1))
    # XNNPACK leaves these to the built-in kernels: every clip of the networks is fused.
    assert operator_versions(tflite) == {operator: VERSIONS[operator]}


def test_a_clip_alone_to_what_tflite_has_no_int8_kernel_for():
    clip, constants = _clip("image", -1.0, 1.0)
    graph = with_steps(graph_of([clip], constants), {"image": (0.06, 11), "y": (0.06, 11)})
    with pytest.raises(ConversionError, match=r"Clip node 'clip' .* \[-1, 1\]"):
        lower_onnx_to_tflite(graph.to_bytes())


def _rescaling(operator: str, ratio: float) -> OnnxGraph:
    """An ``operator`` that reads steps of ``ratio`` times those that it writes."""
    image = (0.03, 0)
    if operator == "Add":
        return with_steps(
            graph_of([Node("Add", ["image", "image"], ["y"], "y")]), {"image": image, "y": (0.03 / ratio, 0)}
        )
    if operator == "Mul":
        steps = {"image": image, "y": (0.03 * 0.03 / ratio, 0)}
        return with_steps(graph_of([Node("Mul", ["image", "image"], ["y"], "y")]), steps)
    if operator == "Concat":
        steps = {"image": image, "y": (0.03 / ratio, 0)}
        return with_steps(graph_of([Node("Concat", ["image", "image"], ["y"], "y", {"axis": 1})]), steps)
    weights = np.full((4, 4, 1, 1), 0.0127, np.float32)  # steps of 1e-4
    graph = graph_of([conv("y", "image", "w", kernel_shape=[1, 1])], {"w": weights})
    return with_steps(graph, {"image": image, "y": (0.03 * 1e-4 / ratio, 0)})


RESCALING = [
    ("Add", 2**-10, 2**8),
    ("Mul", 2**-16, 2**8),
    ("Concat", 2**-8, 2**7),
    ("Conv", 0, 2**8),
]


@pytest.mark.parametrize(("operator", "low", "high"), RESCALING)
def test_steps_as_far_apart_as_xnnpack_takes(operator, low, high):
    for ratio in (1.01 * low, 0.99 * high):
        if ratio:
            assert runs_whole_in_xnnpack(lower_onnx_to_tflite(_rescaling(operator, ratio).to_bytes()).data)


@pytest.mark.parametrize(("operator", "low", "high"), RESCALING)
def test_steps_further_apart_are_refused(operator, low, high):
    for ratio in (0.99 * low, 1.01 * high):
        if ratio:
            with pytest.raises(ConversionError, match=r"cannot compute 'y.*' in int8"):
                lower_onnx_to_tflite(_rescaling(operator, ratio).to_bytes())


def test_the_oracle_notices_a_wrong_bias():
    graph = graph_of([conv("y", "image", "w", "b", kernel_shape=[1, 1])], {"w": noise(4, 4, 1, 1), "b": noise(4)})
    graph = with_steps(graph)
    tflite = lower_onnx_to_tflite(graph.to_bytes()).data
    graph.constants["b"] = graph.constants["b"] + 0.1
    image = noise(4, 8, 8, seed=1)
    for back_end in ("builtin", "xnnpack"):
        (found,) = deviations(graph.to_bytes(), image, observe(tflite, image, back_end))
        assert (found.operator, found.name) == ("Conv", "y_float")
        assert found.steps > 1.5
