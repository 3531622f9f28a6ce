"""Q/DQ graphs for tests: with steps of one's choice, or by the ranges of a few images."""

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
    """A copy with QuantizeLinear and DequantizeLinear behind the values named in ``steps``, and int8 weights.

    Without ``steps``: behind every value, by its range over two images of noise.
    """
    graph = OnnxGraph.from_bytes(graph.to_bytes())
    steps = _steps_of_noise(graph) if steps is None else steps
    nodes = []
    restored = {}  # value -> what is read in its place
    for value in graph.inputs:
        if value.name in steps:
            restored[value.name] = f"{value.name}_restored"
            nodes += _quantised(graph, value.name, value.name, restored[value.name], *steps[value.name])
    for node in graph.nodes:
        if not float_weights:
            nodes += [_restored_constant(graph, *operand) for operand in _quantised_operands(node, graph)]
        node.inputs = [restored.get(name, name) for name in node.inputs]
        nodes.append(node)
        if (name := node.output) in steps:
            if name in graph.outputs:
                node.outputs = [f"{name}_float"]
            else:
                restored[name] = f"{name}_restored"
            nodes += _quantised(graph, name, node.output, restored.get(name, name), *steps[name])
    graph.nodes = nodes
    return graph


def _steps_of_noise(graph: OnnxGraph) -> Steps:
    images = np.random.default_rng(3).standard_normal((2, *graph.inputs[0].shape[1:]), dtype=np.float32)
    steps = _steps_of(graph, images)
    fused = {node.inputs[0] for node in graph.nodes if node.operator in ("Clip", "Relu")} - {graph.inputs[0].name}
    return {name: step for name, step in steps.items() if name not in fused}


def _steps_of(graph: OnnxGraph, images: np.ndarray) -> Steps:
    steps = {name: steps_between(low, high) for name, (low, high) in ranges_of(graph, images).items()}
    return steps | {node.output: SIGMOID_STEPS for node in graph.nodes if node.operator == "Sigmoid"}


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


def _quantised(
    graph: OnnxGraph, name: str, source: str, restored: str, scale: float, zero_point: int
) -> tuple[Node, Node]:
    """A QuantizeLinear and a DequantizeLinear from ``source`` to ``restored``, called after the value ``name``."""
    parameters = [f"{name}_scale", f"{name}_zero_point"]
    graph.constants[parameters[0]] = np.array(scale, np.float32)
    graph.constants[parameters[1]] = np.array(zero_point, np.int8)
    return (
        Node("QuantizeLinear", [source, *parameters], [f"{name}_integers"], f"{name}_quantise"),
        Node("DequantizeLinear", [f"{name}_integers", *parameters], [restored], f"{name}_dequantise"),
    )


def _quantised_operands(node: Node, graph: OnnxGraph) -> list[tuple[str, int | None]]:
    """The constants that ``node`` wants as integers, and the axis of their scales (None: one scale)."""
    if node.operator in ("Conv", "ConvTranspose"):
        channel_wise = node.attributes.get("group", 1) > 1
        return [(node.inputs[1], 0 if node.operator == "Conv" or channel_wise else 1)]
    if node.operator in ("Add", "Mul", "Concat"):
        return [(name, None) for name in node.inputs if name in graph.constants]
    return []


def _restored_constant(graph: OnnxGraph, name: str, axis: int | None) -> Node:
    """The DequantizeLinear that restores the constant ``name``, whose int8 take its place."""
    array = graph.constants.pop(name)
    if axis is None:
        scale, zero_point = (np.array(value) for value in steps_between(array.min(), array.max()))
        shape, attributes = [1] * array.ndim, {}
    else:
        scale = np.abs(np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)).max(axis=1) / 127
        zero_point, attributes = np.zeros(len(scale)), {"axis": axis}
        shape = [-1 if index == axis else 1 for index in range(array.ndim)]
    steps = np.round(array / scale.reshape(shape)) + zero_point.reshape(shape)
    inputs = [f"{name}_integers", f"{name}_scale", f"{name}_zero_point"]
    graph.constants[inputs[0]] = np.clip(steps, -128, 127).astype(np.int8)
    graph.constants[inputs[1]] = scale.astype(np.float32)
    graph.constants[inputs[2]] = zero_point.astype(np.int8)
    return Node("DequantizeLinear", inputs, [name], f"{name}_restore", attributes)
