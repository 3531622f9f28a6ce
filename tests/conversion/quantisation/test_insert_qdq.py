"""What is asked to be integer is, and means what it must."""

import numpy as np
import onnx
import pytest
from calibrated_graphs import float_graph, outputs_of, ranges_of
from one_step_oracle import interpreter_of, set_image
from small_graphs import conv, graph_of, noise, parsed

from edgepose.conversion.lower_onnx_to_tflite import lower_onnx_to_tflite
from edgepose.conversion.onnx_graph import Node, OnnxGraph
from edgepose.conversion.quantisation.insert_qdq import MAX_BIAS_STEPS, insert_qdq
from edgepose.conversion.quantisation.structure import INTEGER_OPERATORS, quantised_values
from edgepose.conversion.run_onnx import run_onnx

INT32 = 2


def quantised(variant: str, symmetric: bool, float_nodes: list[str] | None = None) -> tuple[OnnxGraph, OnnxGraph]:
    graph = float_graph(variant)
    return graph, insert_qdq(graph, ranges_of(graph), symmetric, float_nodes or ())


def integers_behind(graph: OnnxGraph, value: str) -> np.ndarray:
    """The int8 constant that ``value`` is restored from."""
    node = graph.producers()[value]
    assert node.operator == "DequantizeLinear"
    return graph.constants[node.inputs[0]]


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("variant", ["RT", "RT_LITE"])
def test_weights_biases_and_steps(variant, symmetric):
    before, graph = quantised(variant, symmetric)
    originals = {node.name: node for node in before.nodes}
    producers, integer_convolutions = graph.producers(), 0
    for node in graph.nodes:
        if node.operator == "Conv" and node.inputs[1] in producers:
            integer_convolutions += 1
            weights = integers_behind(graph, node.inputs[1])
            restore = producers[node.inputs[1]]
            scales, zero_points = (graph.constants[name] for name in restore.inputs[1:])
            assert (weights.dtype, restore.attributes["axis"]) == (np.int8, 0)
            assert scales.shape == (len(weights),)
            assert not np.any(zero_points)
            original = before.constants[originals[node.name].inputs[1]]
            steps = scales.reshape(-1, 1, 1, 1)
            assert np.abs(weights * steps - original).max() <= 0.51 * steps.max()
            assert graph.constants[node.inputs[2]].dtype == np.float32
            assert producers[node.inputs[0]].operator == "DequantizeLinear"
        if node.operator == "QuantizeLinear":
            zero_point = graph.constants[node.inputs[2]]
            assert zero_point.dtype == np.int8
            assert zero_point == 0 or not symmetric
    maps = before.shapes()
    # Symmetric, squeeze-and-excitation stays float.
    assert integer_convolutions == sum(
        node.operator == "Conv" and (not symmetric or maps[node.output][2:] != (1, 1)) for node in before.nodes
    )


@pytest.mark.parametrize("variant", ["RT", "RT_LITE"])
def test_asymmetric_all_is_read_and_written_as_integers(variant):
    before, graph = quantised(variant, symmetric=False)
    producers, consumers = graph.producers(), graph.consumers()
    operators = {node.operator for node in graph.nodes}
    assert operators <= {*INTEGER_OPERATORS, "QuantizeLinear", "DequantizeLinear"}  # no clip is left
    for node in graph.nodes:
        if node.operator in INTEGER_OPERATORS:
            reads = node.inputs[:1] if node.operator == "Conv" else node.inputs
            assert all(producers[name].operator == "DequantizeLinear" for name in reads)
            assert [reader.operator for reader in consumers[node.output]] == ["QuantizeLinear"]
    quantised_nodes = [node for node in graph.nodes if node.operator == "QuantizeLinear"]
    assert len(quantised_nodes) == len(quantised_values(before))


def test_symmetric_only_what_convolutions_read_is_integer():
    _, graph = quantised("RT", symmetric=True)
    consumers = graph.consumers()
    for node in graph.nodes:
        if node.operator == "QuantizeLinear":
            (restore,) = consumers[node.output]
            assert "Conv" in {reader.operator for reader in consumers[restore.output]}


@pytest.mark.parametrize("symmetric", [False, True])
def test_old_readers_can_read_it(symmetric):
    _, graph = quantised("RT", symmetric)
    model = onnx.load_from_string(graph.to_bytes())
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 13)]
    assert model.ir_version == 8
    assert {node.domain for node in model.graph.node} == {""}


@pytest.mark.parametrize("symmetric", [False, True])
def test_integers_compute_nearly_what_floats_do(symmetric):
    before, graph = quantised("RT_LITE", symmetric)
    expected = outputs_of(before)
    error = outputs_of(graph) - expected
    assert 0 < np.sqrt((error**2).mean()) < 0.2 * expected.std()


@pytest.mark.parametrize("symmetric", [False, True])
def test_nodes_left_in_float_are_left_alone(symmetric):
    before = float_graph("RT")
    left = [node.name for node in before.nodes[:12]]
    graph = insert_qdq(before, ranges_of(before), symmetric, left)
    after, producers = {node.name: node for node in graph.nodes}, graph.producers()
    for original in before.nodes[:12]:
        node = after[original.name]
        assert node.operator == original.operator
        if node.operator == "Conv":
            np.testing.assert_array_equal(graph.constants[node.inputs[1]], before.constants[original.inputs[1]])
    # Between them, nothing is rounded.
    inside = {node.output for node in before.nodes[:11]}
    readers = before.consumers()
    for name in inside:
        if all(reader.name in left for reader in readers[name]):
            assert producers[name].name in left
            assert all(reader.operator != "QuantizeLinear" for reader in graph.consumers()[name])


def test_the_graph_that_was_given_stays_what_it_was():
    weights = {"w": noise(4, 4, 1, 1)}
    graph = graph_of([conv("a", "image", "w"), Node("Relu", ["a"], ["r"], "r"), conv("y", "r", "w")], weights)
    images, before = [noise(1, 4, 8, 8)], graph.to_bytes()
    result = insert_qdq(graph, ranges_of(graph, images))
    assert graph.to_bytes() == before
    # Each of two convolutions has its own integers of the weights they shared.
    readers = [node.inputs[1] for node in result.nodes if node.operator == "Conv"]
    assert len(set(readers)) == 2
    expected = outputs_of(graph, images)
    np.testing.assert_allclose(outputs_of(result, images), expected, atol=0.05 * np.abs(expected).max())


def test_what_a_clip_and_another_read_is_not_clipped_for_both():
    weights = {"w": noise(4, 4, 1, 1), "low": np.float32(0), "high": np.float32(0.5)}
    clip = Node("Clip", ["a", "low", "high"], ["b"], "b")
    graph = graph_of([conv("a", "image", "w"), clip, Node("Add", ["a", "b"], ["y"], "y")], weights)
    images = [noise(1, 4, 8, 8)]
    expected = outputs_of(graph, images)
    result = outputs_of(insert_qdq(graph, ranges_of(graph, images)), images)
    np.testing.assert_allclose(result, expected, atol=0.02 * np.abs(expected).max())


def test_dead_channels_with_a_bias_do_not_saturate_it():
    """Folding batch norms leaves channels of weights around 1e-11: in their steps, a bias has no room in int32."""
    weights, bias = noise(4, 4, 1, 1), np.array([0.5, -3.0, 0.0, 1.0], np.float32)
    weights[1:3] *= 1e-11
    graph = graph_of([conv("y", "image", "w", "b")], {"w": weights, "b": bias})
    images = [noise(1, 4, 8, 8)]
    qdq = insert_qdq(graph, ranges_of(graph, images)).to_bytes()
    tflite = lower_onnx_to_tflite(qdq).data
    model = parsed(tflite)
    (integers,) = (
        np.frombuffer(bytes(model.buffers[tensor.buffer].data), np.int32)
        for tensor in model.subgraphs[0].tensors
        if tensor.type == INT32
    )
    assert np.abs(integers.astype(np.int64)).max() <= 1.001 * MAX_BIAS_STEPS
    expected = run_onnx(graph.to_bytes(), images[0])
    for actual in (run_onnx(qdq, images[0]), _dequantised(tflite, images[0])):
        np.testing.assert_allclose(actual, expected, atol=0.03 * np.abs(expected).max())


def _dequantised(tflite: bytes, images: np.ndarray) -> np.ndarray:
    interpreter = interpreter_of(tflite, "xnnpack")
    set_image(interpreter, images[0])
    interpreter.invoke()
    (detail,) = interpreter.get_output_details()
    scale, zero_point = detail["quantization"]
    return (interpreter.get_tensor(detail["index"]).astype(float) - zero_point).transpose(0, 3, 1, 2) * scale
