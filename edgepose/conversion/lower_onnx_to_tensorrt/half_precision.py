"""16-bit floats: a graph typed in them, as TensorRT 11 wants it, and what they round, computed on the host.

ONNX Runtime computes a graph that is typed in float16 on the CPU in float32 and leaves most roundings out: an output
of it is not even a 16-bit number. The simulation therefore rounds explicitly, every weight and every activation; sums
inside an operator stay in float32, as in tensor cores. A GPU without those (Jetson Nano, TX2) may sum in 16 bits.
"""

from __future__ import annotations

import numpy as np
import onnx

from edgepose.conversion.onnx_graph import Node, OnnxGraph
from edgepose.runtime.errors import ConversionError

LARGEST_HALF = float(np.finfo(np.float16).max)
FLOAT, HALF = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16


def require_within_half(graph: OnnxGraph) -> None:
    """Raise :class:`ConversionError` where a constant of ``graph`` is beyond 16 bits, and would be infinite in them."""
    for name, array in graph.constants.items():
        if array.dtype == np.float32 and array.size and np.abs(array).max() > LARGEST_HALF:
            raise ConversionError(
                f"the constant '{name}' reaches {np.abs(array).max():.3g}; 16-bit floats end at {LARGEST_HALF:.0f}",
                "convert at fp32",
            )


def type_in_half(onnx_bytes: bytes) -> bytes:
    """The float32 graph in float16, its input and output still float32 behind a Cast each."""
    graph = OnnxGraph.from_bytes(onnx_bytes)
    graph.constants = {name: _in_half(array) for name, array in graph.constants.items()}
    source, result = graph.inputs[0].name, graph.outputs[0]
    image, heatmaps = graph.free_name(f"{source}/half"), graph.free_name(f"{result}/half")
    for node in graph.nodes:
        node.inputs = [{source: image, result: heatmaps}.get(name, name) for name in node.inputs]
        node.outputs = [heatmaps if name == result else name for name in node.outputs]
    graph.nodes.insert(0, Node("Cast", [source], [image], image, {"to": HALF}))
    graph.nodes.append(Node("Cast", [heatmaps], [result], f"{result}/float", {"to": FLOAT}))
    return graph.to_bytes()


def simulate_half(onnx_bytes: bytes) -> bytes:
    """The float32 graph with every weight and every activation rounded to float16 and back."""
    graph = OnnxGraph.from_bytes(onnx_bytes)
    graph.constants = {name: _in_half(array).astype(array.dtype) for name, array in graph.constants.items()}
    nodes: list[Node] = []
    rounded: dict[str, str] = {}

    def round_to_half(value: str, result: str) -> None:
        half = f"{value}/half"
        nodes.append(Node("Cast", [value], [half], half, {"to": HALF}))
        nodes.append(Node("Cast", [half], [result], f"{value}/rounded", {"to": FLOAT}))

    for image in graph.inputs:
        rounded[image.name] = f"{image.name}/rounded"
        round_to_half(image.name, rounded[image.name])
    for node in graph.nodes:
        node.inputs = [rounded.get(name, name) for name in node.inputs]
        name = node.output
        if name in graph.outputs:
            node.outputs = [f"{name}/unrounded"]
        nodes.append(node)
        rounded[name] = name if name in graph.outputs else f"{name}/rounded"
        round_to_half(node.output, rounded[name])
    graph.nodes = nodes
    return graph.to_bytes()


def _in_half(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float16) if array.dtype == np.float32 else array
