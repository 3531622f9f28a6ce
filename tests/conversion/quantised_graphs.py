"""Q/DQ graphs for tests: small ones with steps of one's choice, and whole networks by the ranges of a few images."""

import numpy as np
import onnx
import onnxruntime

from edgepose.conversion.onnx_graph import Node, OnnxGraph

# int8 steps of the values that a test names: scale and zero point.
Steps = dict[str, tuple[float, int]]
SIGMOID_STEPS = (1 / 256, -128)


def steps_between(low: float, high: float) -> tuple[float, int]:
    """Scale and zero point of int8 that spans [low, high] and zero."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max(high - low, 1e-8) / 255
    return scale, round(-128 - low / scale)


def with_steps(graph: OnnxGraph, steps: Steps | None = None, float_weights: bool = False) -> OnnxGraph:
    """Put QuantizeLinear and DequantizeLinear behind the values named in ``steps``, and around constant operands.

    Without ``steps``: behind every value, by its range over two images of noise.
    """
    chosen = _steps_of_noise(graph) if steps is None else steps
    for name, (scale, zero_point) in chosen.items():
        _insert(graph, name, scale, zero_point)
    if not float_weights:
        for node in list(graph.nodes):
            for operand, axis in _quantised_operands(node, graph):
                _store_as_integers(graph, node, operand, axis)
    return graph


def _steps_of_noise(graph: OnnxGraph) -> Steps:
    images = np.random.default_rng(3).standard_normal((2, *graph.inputs[0].shape[1:]), dtype=np.float32)
    steps = {name: steps_between(low, high) for name, (low, high) in ranges_of(graph, images).items()}
    fused = {node.inputs[0] for node in graph.nodes if node.operator in ("Clip", "Relu")} - {graph.inputs[0].name}
    for node in graph.nodes:
        if node.operator == "Sigmoid":
            steps[node.output] = SIGMOID_STEPS
    return {name: step for name, step in steps.items() if name not in fused}


def ranges_of(graph: OnnxGraph, images: np.ndarray) -> dict[str, tuple[float, float]]:
    """Least and greatest number of every activation over ``images`` (float32 [n, 3, S, S])."""
    model = onnx.load_from_string(graph.to_bytes())
    del model.graph.output[:]
    for node in graph.nodes:
        model.graph.output.append(onnx.helper.make_tensor_value_info(node.output, onnx.TensorProto.FLOAT, None))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    source = graph.inputs[0].name
    runs = [dict(zip(names, session.run(None, {source: image[None]}), strict=True)) for image in images]
    ranges = {name: (min(run[name].min() for run in runs), max(run[name].max() for run in runs)) for name in names}
    ranges[source] = images.min(), images.max()
    return {name: (float(low), float(high)) for name, (low, high) in ranges.items()}


def _insert(graph: OnnxGraph, name: str, scale: float, zero_point: int) -> None:
    """Put a QuantizeLinear and a DequantizeLinear between the value ``name`` and all that reads it."""
    parameters = [
        graph.add_constant(f"{name}_scale", np.array(scale, np.float32)),
        graph.add_constant(f"{name}_zero_point", np.array(zero_point, np.int8)),
    ]
    if name in graph.outputs:
        inner = f"{name}_float"
        graph.producers()[name].outputs = [inner]
        restored = name
    else:
        inner, restored = name, f"{name}_restored"
    for node in graph.nodes:
        node.inputs = [restored if read == name else read for read in node.inputs]
    pair = [
        Node("QuantizeLinear", [inner, *parameters], [f"{name}_integers"], f"{name}_quantise"),
        Node("DequantizeLinear", [f"{name}_integers", *parameters], [restored], f"{name}_dequantise"),
    ]
    place = next((index + 1 for index, node in enumerate(graph.nodes) if inner in node.outputs), 0)
    graph.nodes[place:place] = pair


def _quantised_operands(node: Node, graph: OnnxGraph) -> list[tuple[str, int | None]]:
    """The constants that ``node`` wants as integers, and the axis of their scales (None: one scale)."""
    if node.operator in ("Conv", "ConvTranspose"):
        channel_wise = node.attributes.get("group", 1) > 1
        return [(node.inputs[1], 0 if node.operator == "Conv" or channel_wise else 1)]
    if node.operator in ("Add", "Mul", "Concat"):
        return [(name, None) for name in node.inputs if name in graph.constants]
    return []


def _store_as_integers(graph: OnnxGraph, node: Node, name: str, axis: int | None) -> None:
    array = graph.constants.pop(name)
    if axis is None:
        scale, zero_point = (np.array(value) for value in steps_between(array.min(), array.max()))
        shape, attributes = [1] * array.ndim, {}
    else:
        scale = np.abs(np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)).max(axis=1) / 127
        zero_point, attributes = np.zeros(len(scale)), {"axis": axis}
        shape = [-1 if index == axis else 1 for index in range(array.ndim)]
    steps = np.round(array / scale.reshape(shape)) + zero_point.reshape(shape)
    inputs = [
        graph.add_constant(f"{name}_integers", np.clip(steps, -128, 127).astype(np.int8)),
        graph.add_constant(f"{name}_scale", scale.astype(np.float32)),
        graph.add_constant(f"{name}_zero_point", zero_point.astype(np.int8)),
    ]
    graph.nodes.insert(graph.nodes.index(node), Node("DequantizeLinear", inputs, [name], f"{name}_restore", attributes))
