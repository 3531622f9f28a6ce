"""Mixed precision: which layers to leave in float, so that most of the noise goes for the fewest multiply-adds.

A layer is a convolution over a map with what follows it up to the next. Noise leaves with a value once nothing reads
it as integers any more, so that a run of neighbouring layers is worth more than its members: the first layers of the
network, mostly.
"""

from __future__ import annotations

from edgepose.conversion.complexity import node_macs
from edgepose.conversion.onnx_graph import OnnxGraph
from edgepose.conversion.quantisation.quantise import Calibration
from edgepose.conversion.quantisation.structure import is_map_convolution

LONGEST_RUN = 3


def float_layers(calibration: Calibration, share: float) -> list[str]:
    """Names of the nodes to leave in float: at most ``share`` of the multiply-adds, chosen greedily.

    Each step takes the run of up to three neighbouring layers that removes the most noise for its multiply-adds.
    """
    graph = calibration.graph
    layers = _layers(graph)
    macs = node_macs(graph)
    costs = [sum(macs.get(name, 0) for name in layer) for layer in layers]
    budget = share * sum(costs)
    chosen: set[int] = set()
    while True:
        best = (0.0, frozenset[int]())
        before = _noise(calibration, layers, chosen)
        spent = sum(costs[index] for index in chosen)
        for start in range(len(layers)):
            for length in range(1, LONGEST_RUN + 1):
                run = frozenset(range(start, min(start + length, len(layers)))) - chosen
                cost = sum(costs[index] for index in run)
                if not run or spent + cost > budget:
                    continue
                gain = (before - _noise(calibration, layers, chosen | run)) / max(cost, 1)
                best = max(best, (gain, run), key=lambda option: option[0])
        if not best[1]:
            return [name for index in sorted(chosen) for name in layers[index]]
        chosen |= best[1]


def _layers(graph: OnnxGraph) -> list[list[str]]:
    shapes = graph.shapes()
    layers: list[list[str]] = []
    for node in graph.nodes:
        if not layers or is_map_convolution(node, shapes):
            layers.append([])
        layers[-1].append(node.name)
    return layers


def _noise(calibration: Calibration, layers: list[list[str]], chosen: set[int] | frozenset[int]) -> float:
    """What is left of the noise: that of the values that an integer operator still reads or computes.

    Symmetric integers are only read, and by convolutions alone.
    """
    in_float = {name for index in chosen for name in layers[index]}
    left = [node for node in calibration.graph.nodes if node.name not in in_float]
    if calibration.symmetric:
        integers = {node.inputs[0] for node in left if node.operator == "Conv"}
    else:
        integers = {name for node in left for name in (*node.inputs, *node.outputs)}
    return sum(noise for value, noise in calibration.noise.items() if value in integers)
