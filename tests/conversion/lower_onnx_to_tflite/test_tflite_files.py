"""The files that lowering writes: layout, versions, alignment, names, float16, determinism, refusals."""

import os
import subprocess
import sys

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from small_graphs import assert_lowers, conv, graph_of, noise, operator_versions, parsed

from edgepose.conversion.lower_onnx_to_tflite import lower_onnx_to_tflite
from edgepose.conversion.lower_onnx_to_tflite.lowering import FLOAT_VERSIONS
from edgepose.conversion.onnx_graph import Node
from edgepose.runtime.errors import ConversionError


def _block():
    """A convolution, a swish and a head, as ``image`` to ``heatmaps``."""
    nodes = [
        conv("stem", "image", "stem/weight", "stem/bias", kernel_shape=[3, 3], pads=[1] * 4),
        Node("Sigmoid", ["stem"], ["gate"], "gate"),
        Node("Mul", ["stem", "gate"], ["swish"], "swish"),
        conv("heatmaps", "swish", "head/weight", kernel_shape=[1, 1]),
    ]
    weights = {"stem/weight": noise(33, 3, 3, 3), "stem/bias": noise(33), "head/weight": noise(16, 33, 1, 1)}
    return graph_of(nodes, weights, (1, 3, 16, 16))


@pytest.mark.parametrize("weights", ["float32", "float16"])
def test_input_and_output_are_named_float_images(weights):
    model = lower_onnx_to_tflite(_block().to_bytes(), weights)
    interpreter = Interpreter(model_content=model.data)
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert (source["name"], source["dtype"], tuple(source["shape"])) == ("image", np.float32, (1, 16, 16, 3))
    assert (result["name"], result["dtype"], tuple(result["shape"])) == ("heatmaps", np.float32, (1, 16, 16, 16))
    assert (model.input_shape, model.output_shape) == ((1, 16, 16, 3), (1, 16, 16, 16))


def test_tensors_keep_the_names_of_their_onnx_values():
    names = {
        tensor.name.decode() for tensor in parsed(lower_onnx_to_tflite(_block().to_bytes()).data).subgraphs[0].tensors
    }
    assert {"image", "stem", "stem/weight", "stem/bias", "gate", "swish", "head/weight", "heatmaps"} <= names


def test_operators_have_the_lowest_version_in_both_code_fields():
    model = parsed(lower_onnx_to_tflite(_block().to_bytes(), "float16").data)
    for entry in model.operatorCodes:
        assert entry.version == FLOAT_VERSIONS[entry.builtinCode]
        assert entry.deprecatedBuiltinCode == entry.builtinCode
    assert operator_versions(lower_onnx_to_tflite(_block().to_bytes(), "float16").data) == {
        "CONV_2D": 1,
        "DEQUANTIZE": 3,
        "LOGISTIC": 1,
        "MUL": 1,
    }


@pytest.mark.parametrize("weights", ["float32", "float16"])
def test_every_constant_lies_inline_on_a_16_byte_boundary(weights):
    data = lower_onnx_to_tflite(_block().to_bytes(), weights).data
    buffers = parsed(data).buffers
    assert buffers[0].data is None
    for buffer in buffers[1:]:
        assert buffer.offset == 0
        content = buffer.data.tobytes()
        place = data.find(content)
        while place % 16 and place >= 0:  # short contents may occur elsewhere by chance
            place = data.find(content, place + 1)
        assert place >= 0


def test_float16_halves_the_file_and_keeps_biases():
    graph = graph_of(
        [conv("y", "image", "w", "b", kernel_shape=[1, 1])],
        {"w": noise(256, 256, 1, 1), "b": noise(256)},
        (1, 256, 2, 2),
    )
    full, half = lower_onnx_to_tflite(graph.to_bytes()), lower_onnx_to_tflite(graph.to_bytes(), "float16")
    assert 0.49 < len(half.data) / len(full.data) < 0.53
    assert half.operators == {"CONV_2D": 1, "DEQUANTIZE": 1}


def test_float16_computes_with_rounded_weights():
    graph = _block()
    for name in ("stem/weight", "head/weight"):
        graph.constants[name] = graph.constants[name].astype(np.float16).astype(np.float32)
    assert_lowers(graph, "float16")


def test_weights_beyond_float16_are_refused():
    graph = graph_of([conv("y", "image", "big", kernel_shape=[1, 1])], {"big": noise(4, 4, 1, 1) * 1e5})
    with pytest.raises(ConversionError, match=r"'big' .* beyond float16"):
        lower_onnx_to_tflite(graph.to_bytes(), "float16")


def test_the_same_graph_gives_the_same_bytes_in_every_process(tmp_path):
    source = tmp_path / "block.onnx"
    source.write_bytes(_block().to_bytes())
    program = (
        "import sys, hashlib\n"
        "from edgepose.conversion.optimise_onnx import optimise_onnx\n"
        "from edgepose.conversion.lower_onnx_to_tflite import lower_onnx_to_tflite\n"
        "onnx = optimise_onnx(open(sys.argv[1], 'rb').read()).onnx\n"
        "print(hashlib.sha256(lower_onnx_to_tflite(onnx, 'float16').data).hexdigest())\n"
    )
    digests = set()
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        result = subprocess.run(
            [sys.executable, "-c", program, source], env=environment, capture_output=True, text=True, check=True
        )
        digests.add(result.stdout)
    assert len(digests) == 1


def test_an_unknown_operator_is_named_with_what_is_supported():
    graph = graph_of([Node("HardSwish", ["image"], ["y"], "activation")], opset=14)
    with pytest.raises(ConversionError, match=r"HardSwish node 'activation'.*HardSwish is not supported") as refusal:
        lower_onnx_to_tflite(graph.to_bytes())
    assert "Conv, ConvTranspose" in refusal.value.hint


def test_values_that_are_no_images_are_refused():
    nodes = [Node("Sigmoid", ["image"], ["y"], "gate")]
    with pytest.raises(ConversionError, match="image' has the shape"):
        lower_onnx_to_tflite(graph_of(nodes, shape=(1, 10)).to_bytes())


def test_two_outputs_are_refused():
    graph = _block()
    graph.outputs.append("swish")
    with pytest.raises(ConversionError, match="1 inputs and 2 outputs"):
        lower_onnx_to_tflite(graph.to_bytes())


def test_unknown_weights_are_a_programming_error():
    with pytest.raises(ValueError, match="int4"):
        lower_onnx_to_tflite(_block().to_bytes(), "int4")
