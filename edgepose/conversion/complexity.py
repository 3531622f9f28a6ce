"""What an engine has to compute, counted on its ONNX graph."""

from __future__ import annotations

import math

from edgepose.conversion.onnx_graph import OnnxGraph


def count_macs(onnx: bytes) -> int:
    """Multiply-accumulate operations of all convolutions, dense, depthwise and transposed, for one image.

    Padding counts as if it were multiplied, as is usual; element-wise operators do not count. Twice this
    number are the FLOPs of the paper's Table 3.
    """
    return sum(node_macs(OnnxGraph.from_bytes(onnx)).values())


def node_macs(graph: OnnxGraph) -> dict[str, int]:
    """The same for each convolution, by its node's name."""
    shapes = graph.shapes()
    macs = {}
    for node in graph.nodes:
        if node.operator in ("Conv", "ConvTranspose"):
            weights = shapes[node.inputs[1]]
            # A convolution applies one filter per output element, a transposed one per input element.
            positions = shapes[node.output if node.operator == "Conv" else node.inputs[0]]
            macs[node.name] = math.prod(positions) * math.prod(weights[1:])
    return macs
