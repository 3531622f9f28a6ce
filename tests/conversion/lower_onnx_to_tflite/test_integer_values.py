"""Where int8 begins and ends in a Q/DQ graph, what its borders lower to, and what is refused."""

import numpy as np
import pytest
from one_step_oracle import BACK_ENDS, assert_within_one_step, interpreter_of, observe, set_image
from quantised_graphs import with_steps
from small_graphs import conv, graph_of, noise, parsed, runs_whole_in_xnnpack

from edgepose.conversion.lower_onnx_to_tflite import lower_onnx_to_tflite
from edgepose.conversion.lower_onnx_to_tflite.lowering import MAX_BIAS
from edgepose.conversion.lower_onnx_to_tflite.tflite_writer import OPERATOR_NAMES
from edgepose.conversion.onnx_graph import Node, OnnxGraph
from edgepose.runtime.errors import ConversionError

IMAGE, X, Y = (0.03, -5), (0.05, 12), (0.1, 40)
FLOAT, INTEGER = np.float32, np.int8


def _two_convolutions() -> OnnxGraph:
    nodes = [
        conv("x", "image", "w", "b", kernel_shape=[3, 3], pads=[1] * 4),
        conv("y", "x", "v", kernel_shape=[1, 1]),
    ]
    return graph_of(nodes, {"w": noise(4, 4, 3, 3), "b": noise(4), "v": noise(5, 4, 1, 1, seed=1)})


def _lower(graph: OnnxGraph) -> bytes:
    """Within one step on both back ends, and whole in XNNPACK."""
    tflite = assert_within_one_step(graph.to_bytes(), noise(2, *graph.inputs[0].shape[1:], seed=1))
    assert runs_whole_in_xnnpack(tflite)
    return tflite


def _operators(tflite: bytes) -> list[tuple[str, int]]:
    """Name and version of every operator, in order."""
    model = parsed(tflite)
    codes = [model.operatorCodes[operator.opcodeIndex] for operator in model.subgraphs[0].operators]
    return [(OPERATOR_NAMES[code.builtinCode], code.version) for code in codes]


def _ends(tflite: bytes) -> list[tuple]:
    interpreter = interpreter_of(tflite, "builtin")
    details = interpreter.get_input_details() + interpreter.get_output_details()
    return [(detail["name"], detail["dtype"], pytest.approx(detail["quantization"], rel=1e-6)) for detail in details]


def test_an_engine_is_int8_from_its_input_to_its_output():
    tflite = _lower(with_steps(_two_convolutions(), {"image": IMAGE, "x": X, "y": Y}))
    assert _ends(tflite) == [("image", INTEGER, IMAGE), ("y", INTEGER, Y)]
    assert _operators(tflite) == [("CONV_2D", 3), ("CONV_2D", 3)]


def test_a_float_end():
    tflite = _lower(with_steps(_two_convolutions(), {"image": IMAGE, "x": X}))
    assert _ends(tflite) == [("image", INTEGER, IMAGE), ("y", FLOAT, (0.0, 0))]
    assert _operators(tflite) == [("CONV_2D", 3), ("DEQUANTIZE", 2), ("CONV_2D", 1)]


def test_a_float_beginning():
    tflite = _lower(with_steps(_two_convolutions(), {"x": X, "y": Y}))
    assert _ends(tflite) == [("image", FLOAT, (0.0, 0)), ("y", INTEGER, Y)]
    assert _operators(tflite) == [("CONV_2D", 1), ("QUANTIZE", 1), ("CONV_2D", 3)]


def test_a_beginning_with_float16_weights():
    graph = with_steps(_two_convolutions(), {"x": X, "y": Y})
    tflite = lower_onnx_to_tflite(graph.to_bytes(), "float16").data
    assert _operators(tflite) == [("DEQUANTIZE", 3), ("CONV_2D", 1), ("QUANTIZE", 1), ("CONV_2D", 3)]
    assert runs_whole_in_xnnpack(tflite)


def test_weights_alone_in_int8_are_computed_with_in_float():
    graph = with_steps(_two_convolutions(), {})
    assert [node.operator for node in graph.nodes].count("DequantizeLinear") == 2
    assert _operators(_lower(graph)) == [("CONV_2D", 1), ("CONV_2D", 1)]


def test_float_weights_between_integers_are_computed_with_in_float():
    tflite = _lower(with_steps(_two_convolutions(), {"image": IMAGE, "x": X}, float_weights=True))
    assert _operators(tflite) == [
        ("DEQUANTIZE", 2),
        ("CONV_2D", 1),
        ("QUANTIZE", 1),
        ("DEQUANTIZE", 2),
        ("CONV_2D", 1),
    ]


def test_a_value_that_integers_and_floats_read_is_restored_once():
    nodes = [
        conv("x", "image", "w", kernel_shape=[1, 1]),
        Node("Mul", ["image", "image"], ["square"], "square"),
        Node("Add", ["x", "square"], ["sum"], "sum"),
        Node("Mul", ["sum", "x"], ["y"], "y"),
    ]
    tflite = _lower(with_steps(graph_of(nodes, {"w": noise(4, 4, 1, 1)}), {"image": IMAGE, "x": X}))
    assert _operators(tflite) == [
        ("CONV_2D", 3),
        ("DEQUANTIZE", 2),
        ("MUL", 1),
        ("DEQUANTIZE", 2),
        ("ADD", 1),
        ("MUL", 1),
    ]


def test_a_value_that_is_read_before_it_is_quantised_is_computed_in_float():
    nodes = [
        conv("x", "image", "w", kernel_shape=[1, 1]),
        conv("z", "x", "v", kernel_shape=[1, 1]),
        Node("Mul", ["x", "z"], ["y"], "product"),
    ]
    graph = graph_of(nodes, {"w": noise(4, 4, 1, 1), "v": noise(4, 4, 1, 1, seed=1)})
    graph = with_steps(graph, {"image": IMAGE, "x": X, "z": Y})
    next(node for node in graph.nodes if node.name == "product").inputs[0] = "x"
    assert _operators(_lower(graph)) == [
        ("DEQUANTIZE", 2),
        ("CONV_2D", 1),
        ("QUANTIZE", 1),
        ("CONV_2D", 3),
        ("DEQUANTIZE", 2),
        ("MUL", 1),
    ]


@pytest.mark.parametrize(("again", "operators"), [(Y, ["CONV_2D", "QUANTIZE", "CONV_2D"]), (X, ["CONV_2D", "CONV_2D"])])
def test_integers_of_other_steps_are_requantised(again, operators):
    graph = with_steps(_two_convolutions(), {"image": IMAGE, "x": X, "y": Y})
    graph = with_steps(graph, {"x_restored": again}, float_weights=True)
    assert [name for name, _ in _operators(_lower(graph))] == operators


def test_an_image_of_two_steps_is_fed_as_floats():
    nodes = [
        conv("x", "image", "w", kernel_shape=[1, 1]),
        Node("Add", ["x", "image"], ["y"], "y"),
    ]
    graph = with_steps(graph_of(nodes, {"w": noise(4, 4, 1, 1)}), {"image": IMAGE, "x": X, "y": Y})
    parameters = [graph.add_constant("scale", np.float32(0.02)), graph.add_constant("zero", np.int8(9))]
    graph.nodes[2:2] = [
        Node("QuantizeLinear", ["image", *parameters], ["image_2"], "quantise"),
        Node("DequantizeLinear", ["image_2", *parameters], ["image_2_restored"], "dequantise"),
    ]
    next(node for node in graph.nodes if node.name == "y").inputs[1] = "image_2_restored"
    tflite = _lower(graph)
    assert _ends(tflite)[0] == ("image", FLOAT, (0.0, 0))
    assert [name for name, _ in _operators(tflite)] == ["QUANTIZE", "QUANTIZE", "CONV_2D", "ADD"]


@pytest.mark.parametrize("back_end", BACK_ENDS)
def test_what_the_oracle_observes_is_what_the_engine_computes(back_end):
    image = noise(4, 8, 8, seed=1)
    tflite = _lower(with_steps(_two_convolutions(), {"image": IMAGE, "x": X, "y": Y}))
    interpreter = interpreter_of(tflite, back_end)
    set_image(interpreter, image)
    interpreter.invoke()
    heatmaps = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_array_equal(np.moveaxis(observe(tflite, image, back_end)["y"], 1, 3), heatmaps)


def test_integer_engines_are_the_same_bytes_again():
    onnx = with_steps(_two_convolutions(), {"image": IMAGE, "x": X, "y": Y}).to_bytes()
    assert lower_onnx_to_tflite(onnx).data == lower_onnx_to_tflite(onnx).data


def _whole() -> OnnxGraph:
    return with_steps(_two_convolutions(), {"image": IMAGE, "x": X, "y": Y})


def _set(name: str, value: np.ndarray) -> OnnxGraph:
    """The integer graph with another value of one of its constants."""
    graph = _whole()
    assert name in graph.constants
    graph.constants[name] = value
    return graph


def _refused(graph: OnnxGraph, match: str) -> None:
    with pytest.raises(ConversionError, match=match):
        lower_onnx_to_tflite(graph.to_bytes())


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_bias_that_would_saturate_is_refused(sign):
    graph = _whole()
    step = float(graph.constants["image_scale"] * graph.constants["w_scale"][2])
    largest = sign * MAX_BIAS * step * np.array([0, 0, 1, 0], np.float32)
    graph.constants["b"] = largest * np.float32(0.99)
    lower_onnx_to_tflite(graph.to_bytes())
    graph.constants["b"] = largest * np.float32(1.01)
    _refused(graph, r"Conv node 'x' .* its bias is 1.1e\+09 steps")


def test_bytes_from_zero_on_are_refused():
    graph = _whole()
    for node in graph.nodes:
        if node.name in ("x_quantise", "x_dequantise"):
            node.inputs[2] = "unsigned"
    graph.constants["unsigned"] = np.array(128, np.uint8)
    _refused(graph, r"x_.*quantise' is of uint8; TFLite engines compute in int8")


@pytest.mark.parametrize("name", ["x_quantise", "w_restore"])
def test_a_missing_zero_point_is_refused(name):
    graph = _whole()
    for node in graph.nodes:
        if node.name in (name, "x_dequantise" if name == "x_quantise" else ""):
            node.inputs.pop()
    _refused(graph, f"'{name[0]}_(de|)(quantise|restore)' has no constant scale and zero point")


def test_a_scale_that_is_computed_is_refused():
    graph = _whole()
    graph.nodes.insert(0, Node("Relu", ["image_scale"], ["computed"], "relu"))
    for node in graph.nodes:
        node.inputs = ["computed" if name == "x_scale" else name for name in node.inputs]
    _refused(graph, "no constant scale and zero point")


def test_integers_that_are_restored_with_another_scale_are_refused():
    graph = _whole()
    graph.constants["other"] = np.float32(0.07)
    next(node for node in graph.nodes if node.name == "x_dequantise").inputs[1] = "other"
    _refused(graph, r"'x_dequantise' does not restore what .*'x_quantise' wrote")


@pytest.mark.parametrize("scale", [0.0, -0.1, np.inf, np.nan])
def test_scales_that_are_not_positive_numbers_are_refused(scale):
    _refused(_set("x_scale", np.float32(scale)), "not positive numbers")


def test_activations_of_a_scale_a_channel_are_refused():
    graph = _set("x_scale", np.full(4, 0.05, np.float32))
    graph.constants["x_zero_point"] = np.zeros(4, np.int8)
    _refused(graph, "4 scales; TFLite activations have one")


def test_filters_around_another_zero_are_refused():
    _refused(_set("w_zero_point", np.array([0, 0, 3, 0], np.int8)), "zero points of its weights 'w' are not all 0")


def test_scales_of_filters_along_their_input_channels_are_refused():
    graph = _whole()
    next(node for node in graph.nodes if node.name == "w_restore").attributes["axis"] = 1
    _refused(graph, "'w' do not lie along the output channels")


def test_constants_of_other_integers_are_refused():
    graph = _whole()
    graph.constants["b_integers"] = np.zeros(4, np.int32)
    restore = Node("DequantizeLinear", ["b_integers", "w_scale"], ["b_restored"], "b_restore", {"axis": 0})
    graph.nodes.insert(0, restore)
    next(node for node in graph.nodes if node.name == "x").inputs[2] = "b_restored"
    _refused(graph, "'b_restore' restores int32; constants are stored as int8")


def test_a_float_factor_of_integers_is_refused():
    graph = graph_of([Node("Mul", ["image", "c"], ["y"], "scaled")], {"c": noise(1, 4, 1, 1)})
    _refused(with_steps(graph, {"image": IMAGE, "y": Y}, float_weights=True), r"Mul node 'scaled' .* 'c' is a float")


def test_a_factor_of_a_scale_a_channel_is_refused():
    graph = with_steps(graph_of([Node("Mul", ["image", "c"], ["y"], "y")], {"c": noise(1, 4, 1, 1)}))
    graph.constants["c_scale"], graph.constants["c_zero_point"] = np.ones(4, np.float32), np.zeros(4, np.int8)
    _refused(graph, "'c' has 4 scales; only filters have more than one")
