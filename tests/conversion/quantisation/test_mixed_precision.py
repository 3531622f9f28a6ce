"""Layers that go to float: within their budget, and for less noise."""

import functools

import numpy as np
import pytest
from calibrated_graphs import IMAGES, float_graph, ranges_of
from small_graphs import conv, graph_of, noise

from edgepose.conversion.complexity import node_macs
from edgepose.conversion.onnx_graph import Node, OnnxGraph
from edgepose.conversion.quantisation import Calibration, calibrate, quantise
from edgepose.conversion.quantisation.mixed_precision import float_layers

SHARES = (0.0, 0.025, 0.05, 0.075, 0.1, 0.2)


@functools.cache
def calibration(variant: str) -> Calibration:
    return calibrate(float_graph(variant).to_bytes(), IMAGES)


def noise_left(calibration: Calibration, graph: OnnxGraph) -> float:
    """The noise of the values that the Q/DQ ``graph`` really rounds."""
    rounded = {node.inputs[0] for node in graph.nodes if node.operator == "QuantizeLinear"}
    restored = {node.output for node in graph.nodes if node.operator == "DequantizeLinear"}
    return sum(noise for name, noise in calibration.noise.items() if rounded & {name} or restored & {name})


@pytest.mark.parametrize("variant", ["RT", "RT_LITE"])
def test_more_float_is_less_noise_within_the_budget(variant):
    calibrated = calibration(variant)
    macs = node_macs(calibrated.graph)
    left = []
    for share in SHARES:
        chosen = float_layers(calibrated, share)
        assert len(set(chosen)) == len(chosen)
        spent = sum(macs.get(name, 0) for name in chosen) / sum(macs.values())
        assert spent <= share + 1e-9
        quantised = quantise(calibrated, chosen)
        assert quantised.integer_macs == pytest.approx(1 - spent)
        left.append(noise_left(calibrated, OnnxGraph.from_bytes(quantised.onnx)))
    assert left == sorted(left, reverse=True)
    assert left[-1] < left[0]
    assert float_layers(calibrated, 0.0) == []
    assert quantise(calibrated, float_layers(calibrated, 0.1)).integer_macs >= 0.9


def chain(noises: dict[str, float], symmetric: bool = False) -> Calibration:
    """image -> a -> b -> c -> y, of equally dear convolutions."""
    weights = {"w": noise(4, 4, 1, 1)}
    nodes = [conv(name, source, "w") for source, name in zip(["image", *"abc"], [*"abc", "y"], strict=True)]
    return Calibration(graph_of(nodes, weights), symmetric, {}, noises, {})


def test_noise_leaves_only_with_both_sides_of_a_value():
    noises = {"image": 1.0, "a": 2.0, "b": 5.0, "c": 1.0, "y": 1.0}
    # 'b' leaves with the two layers around it, and nothing but the image with the first alone.
    assert float_layers(chain(noises), 0.5) == ["b", "c"]
    assert float_layers(chain(noises), 0.25) in (["a"], ["y"])
    # Symmetric integers are not written, only read.
    assert float_layers(chain(noises, symmetric=True), 0.25) == ["c"]


def test_squeeze_and_excitation_goes_with_its_block():
    mean = Node("ReduceMean", ["a"], ["m"], "m", {"axes": [2, 3]})
    nodes = [conv("a", "image", "w"), mean, conv("s", "m", "w"), Node("Mul", ["a", "s"], ["y"], "y")]
    graph = graph_of(nodes, {"w": noise(4, 4, 1, 1)})
    assert float_layers(Calibration(graph, False, {}, {"a": 1.0}, {}), 1.0) == ["a", "m", "s", "y"]


def test_the_same_calibration_gives_the_same_bytes():
    calibrated = calibration("RT_LITE")
    again = calibrate(float_graph("RT_LITE").to_bytes(), IMAGES)
    assert again.graph.to_bytes() == calibrated.graph.to_bytes()
    assert (again.ranges, again.noise, again.record) == (calibrated.ranges, calibrated.noise, calibrated.record)
    assert quantise(again).onnx == quantise(calibrated).onnx == quantise(calibrated).onnx
    assert np.isfinite(list(again.noise.values())).all()
    assert set(ranges_of(again.graph)) == set(again.ranges)
