"""Channel groups keep the function, part the channels, and leave graphs of another form alone."""

import numpy as np
import pytest
from calibrated_graphs import assert_same_outputs, extremes_of, float_graph, outputs_of

from edgepose.conversion.onnx_graph import Node, OnnxGraph
from edgepose.conversion.quantisation.group_channels import MULTIPLE, group_channels, plan_groups
from edgepose.conversion.quantisation.structure import inverted_bottlenecks, quantised_values


def even_sensitivities(graph: OnnxGraph) -> dict[str, np.ndarray]:
    shapes = graph.shapes()
    return {name: np.ones(shapes[name][1]) for name in quantised_values(graph)}


def every_other_block(graph: OnnxGraph, seed: int = 0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Random channels in the first group of half of the blocks."""
    plans = {}
    for number, block in enumerate(inverted_bottlenecks(graph)[::2]):
        channels = np.random.default_rng(seed + number).permutation(len(graph.constants[block.expand.inputs[1]]))
        plans[block.depthwise.name] = (np.sort(channels[:MULTIPLE]), np.sort(channels[MULTIPLE:]))
    return plans


def test_plans_part_the_channels():
    graph = float_graph("RT")
    plans = plan_groups(graph, extremes_of(graph), even_sensitivities(graph))
    assert plans
    depthwise = {block.depthwise.name: block.depthwise for block in inverted_bottlenecks(graph)}
    for name, groups in plans.items():
        channels = len(graph.constants[depthwise[name].inputs[1]])
        np.testing.assert_array_equal(np.sort(np.concatenate(groups)), np.arange(channels))
        assert all(len(group) % MULTIPLE == channels % MULTIPLE == 0 for group in groups)


def test_a_plan_takes_apart_what_differs_in_range():
    graph = float_graph("RT")
    extremes, sensitivities = extremes_of(graph), even_sensitivities(graph)
    block = inverted_bottlenecks(graph)[0]
    wide = np.arange(3, 3 + MULTIPLE)
    for value in (block.first.product.output, block.second.product.output):
        extremes.high[value][:] = 1
        extremes.low[value][:] = 0
        extremes.high[value][:, wide] = 1000
    first, second = plan_groups(graph, extremes, sensitivities)[block.depthwise.name]
    np.testing.assert_array_equal(first, wide)
    assert len(second) == len(sensitivities[block.first.value]) - MULTIPLE


@pytest.mark.parametrize("variant", ["RT", "I"])
def test_a_network_computes_what_it_did(variant):
    graph = float_graph(variant)
    expected, plans = outputs_of(graph), every_other_block(graph)
    shapes = graph.shapes()
    parts = group_channels(graph, plans)
    assert_same_outputs(graph, expected)
    # Every part has the shape of its whole, but for the channels.
    grouped = graph.shapes()
    assert len(parts) == len(plans) * 2 * 10  # all of a block but the two convolutions that read all channels at once
    for name, (whole, channels) in parts.items():
        assert grouped[name] == (1, len(channels), *shapes[whole][2:])


def test_the_parts_hold_the_channels_that_they_say():
    graph = float_graph("RT")
    before = extremes_of(graph)
    parts = group_channels(graph, every_other_block(graph, seed=5))
    after = extremes_of(graph)
    for name, (whole, channels) in parts.items():
        for ours, theirs in ((after.low, before.low), (after.high, before.high)):
            scale = max(1.0, float(np.abs(theirs[whole]).max()))
            np.testing.assert_allclose(ours[name], theirs[whole][:, channels], atol=1e-5 * scale)


def test_a_lite_network_has_no_groups():
    graph = float_graph("RT_LITE")
    assert plan_groups(graph, extremes_of(graph), even_sensitivities(graph)) == {}


@pytest.mark.parametrize("spoil", ["another reader of the gate", "another reader of the map", "two channels a filter"])
def test_blocks_of_another_form_are_left_alone(spoil):
    graph = float_graph("RT")
    blocks = inverted_bottlenecks(graph)
    block = blocks[0]
    if spoil == "two channels a filter":
        weights = graph.constants[block.depthwise.inputs[1]]
        graph.constants[block.depthwise.inputs[1]] = np.repeat(weights, 2, axis=1)
        block.depthwise.attributes["group"] = len(weights) // 2
    else:
        value = block.restore.output if spoil == "another reader of the gate" else block.second.product.output
        graph.nodes.append(Node("Relu", [value], ["aside"], "aside"))
    assert [one.depthwise.name for one in inverted_bottlenecks(graph)] == [one.depthwise.name for one in blocks[1:]]
