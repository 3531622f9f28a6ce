"""Graphs of a few operators, and the comparison of their lowering with ONNX Runtime."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from edgepose.conversion.gates import run_tflite
from edgepose.conversion.lower_onnx_to_tflite import TfliteModel, lower_onnx_to_tflite
from edgepose.conversion.onnx_graph import Node, OnnxGraph, Value
from edgepose.conversion.run_onnx import run_onnx


def graph_of(nodes: list[Node], constants: dict | None = None, shape=(1, 4, 8, 8), opset: int = 13) -> OnnxGraph:
    """A graph from ``image`` (NCHW ``shape``) to the output of the last node."""
    arrays = {name: np.asarray(array) for name, array in (constants or {}).items()}
    return OnnxGraph(nodes, arrays, [Value("image", tuple(shape))], [nodes[-1].output], opset)


def conv(name: str, source: str, weights: str, bias: str = "", **attributes) -> Node:
    return Node("Conv", [source, weights, bias][: 3 if bias else 2], [name], name, attributes)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def assert_lowers(graph: OnnxGraph, weights: str = "float32", tolerance: float = 1e-5) -> TfliteModel:
    """Lower ``graph``; LiteRT must compute what ONNX Runtime does, in one piece that XNNPACK took whole."""
    onnx = graph.to_bytes()
    model = lower_onnx_to_tflite(onnx, weights)
    images = noise(2, *graph.inputs[0].shape[1:], seed=1)
    expected, actual = run_onnx(onnx, images), run_tflite(model.data, images)
    assert actual.shape == expected.shape
    assert np.abs(actual - expected).max() <= tolerance * max(1.0, np.abs(expected).max())
    assert model.output_shape == tuple(np.moveaxis(expected[:1], 1, 3).shape)
    assert runs_whole_in_xnnpack(model.data)
    return model


def runs_whole_in_xnnpack(tflite: bytes) -> bool:
    """Whether nothing is left to LiteRT's own kernels.

    LiteRT lists delegates beside the operators that they took over: there must be one, which writes the outputs and
    reads what no operator computes.
    """
    interpreter = Interpreter(model_content=tflite, num_threads=1)
    interpreter.allocate_tensors()
    operators = interpreter._get_ops_details()
    delegates = [operator for operator in operators if operator["op_name"] == "DELEGATE"]
    if len(delegates) != 1:
        return False
    read, written = set(delegates[0]["inputs"]), set(delegates[0]["outputs"])
    computed = {tensor for operator in operators for tensor in operator["outputs"]}
    inputs = {detail["index"] for detail in interpreter.get_input_details()}
    outputs = {detail["index"] for detail in interpreter.get_output_details()}
    return outputs <= written and inputs <= read and not read & computed


def parsed(tflite: bytes) -> schema.ModelT:
    return schema.ModelT.InitFromPackedBuf(tflite, 0)


def operator_versions(tflite: bytes) -> dict[str, int]:
    """Version of every operator in the file, by name."""
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if name.isupper()}
    return {names[entry.builtinCode]: entry.version for entry in parsed(tflite).operatorCodes}
