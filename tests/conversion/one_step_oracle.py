"""The oracle of INT8 lowering: each operator against its float self on the very integers that it read.

Rounding ties grow with depth, so the steps by which two right engines differ at their outputs say nothing. Here every
int8 value that a TFLite engine computed becomes an input of the Q/DQ graph: ONNX Runtime computes the float result of
each operator from them in one run, and no error travels further than one operator.
"""

import functools
from typing import NamedTuple

import flatbuffers
import numpy as np
import onnx
import onnxruntime
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from edgepose.conversion.lower_onnx_to_tflite import lower_onnx_to_tflite
from edgepose.conversion.onnx_graph import OnnxGraph

BACK_ENDS = ("builtin", "xnnpack")
ERRORS_ONLY = 3
# Float results are compared in steps of this share of their largest value.
FLOAT_STEP = 1e-5
# LiteRT's own MEAN truncates after a rounding: 1.011 steps were seen, where XNNPACK stays below 0.51.
TRUNCATING = {("builtin", "ReduceMean"): 1.05, ("builtin", "GlobalAveragePool"): 1.05}


class Deviation(NamedTuple):
    """How far what ``operator`` computed for the value ``name`` is from its float result, in steps, at most."""

    operator: str
    name: str
    steps: float


def assert_within_one_step(qdq: bytes, images: np.ndarray, repeats_gates: bool = False) -> bytes:
    """Lower the Q/DQ graph ``qdq``; on both back ends every value must be within one step. Returns the TFLite file."""
    tflite = lower_onnx_to_tflite(qdq, repeats_gates=repeats_gates).data
    for back_end in BACK_ENDS:
        for image in images:
            found = deviations(qdq, image, observe(tflite, image, back_end))
            assert found, "the graph has no value to compare"
            assert not beyond_one_step(found, back_end), f"{back_end}: {beyond_one_step(found, back_end)}"
    return tflite


def beyond_one_step(found: list[Deviation], back_end: str) -> list[Deviation]:
    """Those that are too large for ``back_end``."""
    return [one for one in found if not one.steps <= TRUNCATING.get((back_end, one.operator), 1.0)]


def deviations(qdq: bytes, image: np.ndarray, observed: dict[str, np.ndarray]) -> list[Deviation]:
    """The deviation of every value that was ``observed`` when an engine lowered from ``qdq`` ran on ``image``."""
    graph = OnnxGraph.from_bytes(qdq)
    makers = graph.producers()
    quantisers = [node for node in graph.nodes if node.operator == "QuantizeLinear"]
    integers = _integers(graph, observed)
    floats = [name for name in graph.outputs if makers[name].operator != "DequantizeLinear"]
    wanted = {node.inputs[0]: None for node in quantisers} | dict.fromkeys(floats)
    real = _run_from_integers(qdq, image, integers, list(wanted))
    given = {value.name for value in graph.inputs}
    found = []
    for node in quantisers:
        name = node.inputs[0]
        if name in given and name in observed and observed[name].dtype == np.int8:
            continue  # whoever feeds the engine quantises its input
        scale, zero_point = (graph.constants[parameter].reshape(()) for parameter in node.inputs[1:])
        steps = np.clip(real[name].astype(np.float64) / scale + zero_point, -128, 127)
        operator = "image" if name in given else makers[name].operator
        found.append(Deviation(operator, name, float(np.abs(steps - integers[node.output]).max())))
    for name in floats:
        step = FLOAT_STEP * max(1.0, float(np.abs(real[name]).max()))
        found.append(Deviation(makers[name].operator, name, float(np.abs(real[name] - observed[name]).max() / step)))
    return found


def observe(tflite: bytes, image: np.ndarray, back_end: str) -> dict[str, np.ndarray]:
    """Every activation that the engine computes for ``image`` (float32 [3, S, S]), as NCHW by tensor name."""
    interpreter = interpreter_of(with_every_tensor_as_output(tflite), back_end)
    set_image(interpreter, image)
    interpreter.invoke()
    details = interpreter.get_input_details() + interpreter.get_output_details()
    return {detail["name"]: np.moveaxis(interpreter.get_tensor(detail["index"]), 3, 1) for detail in details}


def interpreter_of(tflite: bytes, back_end: str) -> Interpreter:
    """LiteRT on one thread: with XNNPACK as by default, or with its ``builtin`` or ``reference`` kernels alone."""
    resolver = {
        "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        "reference": OpResolverType.BUILTIN_REF,
        "xnnpack": OpResolverType.AUTO,
    }[back_end]
    interpreter = Interpreter(model_content=tflite, num_threads=1, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    return interpreter


def set_image(interpreter: Interpreter, image: np.ndarray) -> None:
    """Feed ``image`` (float32 [3, S, S]), quantised where the engine reads int8."""
    source = interpreter.get_input_details()[0]
    values = np.ascontiguousarray(image.transpose(1, 2, 0)[None])
    if source["dtype"] == np.int8:
        scale, zero_point = source["quantization"]
        values = np.clip(np.round(values / scale) + zero_point, -128, 127).astype(np.int8)
    interpreter.set_tensor(source["index"], values)


@functools.lru_cache(maxsize=1)
def with_every_tensor_as_output(tflite: bytes) -> bytes:
    """The same engine with all that it computes among its outputs: even a delegate must then write it down."""
    model = schema.ModelT.InitFromPackedBuf(tflite, 0)
    subgraph = model.subgraphs[0]
    subgraph.outputs = [tensor for operator in subgraph.operators for tensor in operator.outputs]
    builder = flatbuffers.Builder(len(tflite))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _integers(graph: OnnxGraph, observed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What the engine computed for the output of every QuantizeLinear node.

    Its tensor is named after the node's output, or after what the node reads, or after the graph output that it
    becomes; integers that are requantised to the same steps stay the tensor that they are.
    """
    restored = {node.inputs[0]: node.output for node in graph.nodes if node.operator == "DequantizeLinear"}
    integers: dict[str, np.ndarray] = {}
    for node in graph.nodes:
        if node.operator != "QuantizeLinear":
            continue
        names = (node.output, node.inputs[0], restored.get(node.output, ""))
        tensors = [observed[name] for name in names if name in observed and observed[name].dtype == np.int8]
        sources = [integers[name] for name, output in restored.items() if output == node.inputs[0]]
        assert tensors or sources, f"the engine computes no int8 '{node.inputs[0]}'"
        integers[node.output] = (tensors or sources)[0]
    return integers


def _run_from_integers(
    qdq: bytes, image: np.ndarray, integers: dict[str, np.ndarray], wanted: list[str]
) -> dict[str, np.ndarray]:
    """The float values ``wanted`` of the graph, every QuantizeLinear output replaced by the given integers."""
    model = onnx.load_from_string(qdq)
    kept = [node for node in model.graph.node if node.op_type != "QuantizeLinear"]
    del model.graph.node[:], model.graph.output[:]
    model.graph.node.extend(kept)
    for name, array in integers.items():
        model.graph.input.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.INT8, array.shape))
    for name in wanted:
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = ERRORS_ONLY
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = {model.graph.input[0].name: image[None]} | integers
    results = session.run(wanted, {value.name: feed[value.name] for value in session.get_inputs()})
    return dict(zip(wanted, results, strict=True))
