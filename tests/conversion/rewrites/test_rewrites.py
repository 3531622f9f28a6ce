"""Every rewrite keeps the function: in ONNX Runtime, where it acts and where it must not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_graphs import conv, graph_of, noise

from edgepose.conversion.onnx_graph import Node, OnnxGraph
from edgepose.conversion.optimise_onnx import optimise_onnx
from edgepose.conversion.rewrites import drop_reshapes, fold_batch_norm, fold_scales, merge_padding, tidy_names
from edgepose.conversion.run_onnx import run_onnx


def _assert_rewrites(rewrite, graph: OnnxGraph, places: int, operators: list[str], tolerance: float = 1e-5) -> None:
    images = noise(1, *graph.inputs[0].shape[1:], seed=9)
    expected = run_onnx(graph.to_bytes(), images)
    assert rewrite(graph) == places
    graph.prune()
    assert [node.operator for node in graph.nodes] == operators
    actual = run_onnx(graph.to_bytes(), images)
    assert actual.shape == expected.shape
    assert np.abs(actual - expected).max() <= tolerance * max(1.0, np.abs(expected).max())


def _e_swish(source: str, name: str) -> list[Node]:
    return [
        Node("Sigmoid", [source], [f"{name}_s"], f"{name}_s"),
        Node("Mul", [source, f"{name}_s"], [f"{name}_p"], f"{name}_p"),
        Node("Mul", [f"{name}_p", "beta"], [name], name),
    ]


BETA = {"beta": np.float32(1.25)}


class TestFoldScales:
    """Folding of constant factors into later weights."""

    def test_a_convolution_absorbs_the_factor(self):
        nodes = [*_e_swish("image", "a"), conv("y", "a", "w", kernel_shape=[3, 3], pads=[1] * 4)]
        _assert_rewrites(
            fold_scales.rewrite, graph_of(nodes, BETA | {"w": noise(5, 4, 3, 3)}), 1, ["Sigmoid", "Mul", "Conv"]
        )

    def test_squeeze_and_excitation_passes_the_factor_on(self):
        nodes = [
            conv("x", "image", "dw", kernel_shape=[3, 3], pads=[1] * 4, group=4),
            *_e_swish("x", "a"),
            Node("ReduceMean", ["a"], ["m"], "m", {"axes": [2, 3], "keepdims": 1}),
            conv("r", "m", "reduce", "rb", kernel_shape=[1, 1]),
            *_e_swish("r", "b"),
            conv("e", "b", "expand", kernel_shape=[1, 1]),
            Node("Sigmoid", ["e"], ["g"], "g"),
            Node("Mul", ["g", "a"], ["scaled"], "scaled"),
            conv("y", "scaled", "project", kernel_shape=[1, 1]),
        ]
        constants = {
            "dw": noise(4, 1, 3, 3),
            "reduce": noise(2, 4, 1, 1),
            "rb": noise(2),
            "expand": noise(4, 2, 1, 1),
            "project": noise(3, 4, 1, 1),
        }
        graph = graph_of(nodes, BETA | constants)
        operators = ["Conv", "Sigmoid", "Mul", "ReduceMean", "Conv", "Sigmoid", "Mul", "Conv", "Sigmoid", "Mul", "Conv"]
        _assert_rewrites(fold_scales.rewrite, graph, 2, operators)

    @pytest.mark.parametrize("shape", [(), (1,), (1, 4, 1, 1), (4, 1, 1)])
    def test_factors_of_every_shape_through_a_concat(self, shape):
        nodes = [
            Node("Mul", ["c", "image"], ["a"], "a"),
            Node("Concat", ["image", "a", "a"], ["cat"], "cat", {"axis": 1}),
            Node("AveragePool", ["cat"], ["pool"], "pool", {"kernel_shape": [2, 2], "strides": [2, 2]}),
            conv("y", "pool", "w", kernel_shape=[1, 1]),
        ]
        graph = graph_of(nodes, {"c": noise(*shape), "w": noise(5, 12, 1, 1)})
        _assert_rewrites(fold_scales.rewrite, graph, 1, ["Concat", "AveragePool", "Conv"])

    def test_weights_that_others_share_are_not_changed_for_them(self):
        nodes = [
            Node("Mul", ["image", "beta"], ["a"], "a"),
            conv("x", "a", "w", kernel_shape=[1, 1]),
            conv("z", "image", "w", kernel_shape=[1, 1]),
            Node("Add", ["x", "z"], ["y"], "y"),
        ]
        _assert_rewrites(
            fold_scales.rewrite, graph_of(nodes, BETA | {"w": noise(4, 4, 1, 1)}), 1, ["Conv", "Conv", "Add"]
        )

    @settings(max_examples=20, deadline=None)
    @given(group=st.sampled_from([1, 2, 4]), multiplier=st.integers(1, 3))
    def test_grouped_weights(self, group, multiplier):
        nodes = [
            Node("Mul", ["image", "c"], ["a"], "a"),
            conv("y", "a", "w", kernel_shape=[1, 1], group=group),
        ]
        constants = {"c": noise(1, 4, 1, 1), "w": noise(4 * multiplier, 4 // group, 1, 1)}
        _assert_rewrites(fold_scales.rewrite, graph_of(nodes, constants), 1, ["Conv"])

    @pytest.mark.parametrize("reader", ["Sigmoid", "Add", "output"])
    def test_a_reader_that_is_not_linear_in_it_keeps_the_factor(self, reader):
        nodes = [Node("Mul", ["image", "beta"], ["a"], "a"), conv("x", "a", "w", kernel_shape=[1, 1])]
        if reader == "Sigmoid":
            nodes += [Node("Sigmoid", ["a"], ["s"], "s"), Node("Mul", ["x", "s"], ["y"], "y")]
        elif reader == "Add":
            nodes += [Node("Add", ["x", "a"], ["y"], "y")]
        graph = graph_of(nodes, BETA | {"w": noise(4, 4, 1, 1)})
        if reader == "output":
            graph.outputs = ["a"]
            graph.prune()
        _assert_rewrites(fold_scales.rewrite, graph, 0, [node.operator for node in graph.nodes])

    def test_a_factor_that_varies_over_the_map_stays(self):
        nodes = [Node("Mul", ["image", "c"], ["a"], "a"), conv("y", "a", "w", kernel_shape=[1, 1])]
        graph = graph_of(nodes, {"c": noise(1, 1, 8, 8), "w": noise(4, 4, 1, 1)})
        _assert_rewrites(fold_scales.rewrite, graph, 0, ["Mul", "Conv"])


class TestFoldBatchNorm:
    """Folding of batch normalisation."""

    @staticmethod
    def _graph(bias: bool, extra: list[Node] | None = None) -> OnnxGraph:
        nodes = [
            conv("x", "image", "w", "b" if bias else "", kernel_shape=[1, 1]),
            Node("BatchNormalization", ["x", "gamma", "beta", "mean", "var"], ["y"], "y", {"epsilon": 1e-3}),
            *(extra or []),
        ]
        constants = {"w": noise(4, 4, 1, 1), "var": np.abs(noise(4, seed=5))} | (
            {"b": noise(4, seed=6)} if bias else {}
        )
        return graph_of(nodes, constants | {name: noise(4, seed=i) for i, name in enumerate(("gamma", "beta", "mean"))})

    @pytest.mark.parametrize("bias", [False, True])
    def test_it_goes_into_the_convolution(self, bias):
        _assert_rewrites(fold_batch_norm.rewrite, self._graph(bias), 1, ["Conv"])

    def test_it_stays_where_something_else_reads_the_convolution(self):
        graph = self._graph(False, [Node("Add", ["x", "y"], ["z"], "z")])
        _assert_rewrites(fold_batch_norm.rewrite, graph, 0, ["Conv", "BatchNormalization", "Add"])

    def test_it_stays_after_anything_but_a_convolution(self):
        graph = self._graph(False)
        graph.nodes[0] = Node("Sigmoid", ["image"], ["x"], "x")
        _assert_rewrites(fold_batch_norm.rewrite, graph, 0, ["Sigmoid", "BatchNormalization"])


class TestMergePadding:
    """Moving of padding into convolutions."""

    @staticmethod
    def _graph(pads: list[int], value: float = 0.0, mode: str = "constant", auto_pad: str = "NOTSET") -> OnnxGraph:
        nodes = [
            Node(
                "Pad",
                ["image", "pads", "value"] if mode == "constant" else ["image", "pads"],
                ["p"],
                "p",
                {"mode": mode},
            ),
            conv("y", "p", "w", kernel_shape=[3, 3], strides=[2, 2], auto_pad=auto_pad),
        ]
        constants = {"pads": np.array(pads), "value": np.float32(value), "w": noise(5, 4, 3, 3)}
        return OnnxGraph.from_bytes(graph_of(nodes, constants).to_bytes())

    @pytest.mark.parametrize("auto_pad", ["NOTSET", "VALID"])
    def test_zeros_around_the_image_move(self, auto_pad):
        graph = self._graph([0, 0, 0, 0, 0, 0, 1, 1], auto_pad=auto_pad)
        _assert_rewrites(merge_padding.rewrite, graph, 1, ["Conv"])
        assert graph.nodes[0].attributes["pads"] == [0, 0, 1, 1]

    @pytest.mark.parametrize(
        "arguments",
        [
            {"pads": [0, 0, 0, 0, 0, 0, 1, 1], "value": 1.0},
            {"pads": [0, 0, 0, 0, 0, 0, 1, 1], "mode": "reflect"},
            {"pads": [0, 0, -1, 0, 0, 0, 1, 1]},
            {"pads": [0, 0, 0, 0, 0, 0, 1, 1], "auto_pad": "SAME_UPPER"},
        ],
    )
    def test_anything_else_stays(self, arguments):
        _assert_rewrites(merge_padding.rewrite, self._graph(**arguments), 0, ["Pad", "Conv"])

    def test_padding_of_channels_stays(self):
        graph = self._graph([0, 1, 0, 0, 0, 0, 0, 0])
        graph.constants["w"] = noise(5, 5, 3, 3)
        _assert_rewrites(merge_padding.rewrite, graph, 0, ["Pad", "Conv"])

    def test_padding_that_something_else_reads_stays(self):
        graph = self._graph([0, 0, 0, 0, 0, 0, 1, 1])
        graph.nodes.insert(1, Node("Sigmoid", ["p"], ["s"], "s"))
        graph.nodes[2].inputs[0] = "s"
        _assert_rewrites(merge_padding.rewrite, graph, 0, ["Pad", "Sigmoid", "Conv"])


class TestDropReshapes:
    """Removal of reshapes that move nothing."""

    def test_kerass_squeeze_and_excitation(self):
        nodes = [
            Node("ReduceMean", ["image"], ["m"], "m", {"axes": [2, 3], "keepdims": 0}),
            Node("Reshape", ["m", "last"], ["r"], "r"),
            Node("Transpose", ["r"], ["t"], "t", {"perm": [0, 3, 1, 2]}),
            conv("y", "t", "w", kernel_shape=[1, 1]),
        ]
        graph = graph_of(nodes, {"last": np.array([1, 1, 1, 4]), "w": noise(5, 4, 1, 1)})
        _assert_rewrites(drop_reshapes.rewrite, graph, 2, ["ReduceMean", "Conv"])

    def test_squeezes_that_are_taken_back_and_read_twice(self):
        nodes = [
            Node("GlobalAveragePool", ["image"], ["m"], "m"),
            Node("Flatten", ["m"], ["f"], "f"),
            Node("Unsqueeze", ["f", "axes"], ["u"], "u"),
            Node("Sigmoid", ["u"], ["s"], "s"),
            Node("Mul", ["u", "s"], ["y"], "y"),
        ]
        graph = graph_of(nodes, {"axes": np.array([2, 3])})
        _assert_rewrites(drop_reshapes.rewrite, graph, 2, ["GlobalAveragePool", "Sigmoid", "Mul"])

    def test_a_chain_that_ends_the_graph(self):
        nodes = [
            Node("GlobalAveragePool", ["image"], ["m"], "m"),
            Node("Flatten", ["m"], ["f"], "f"),
            Node("Reshape", ["f", "shape"], ["y"], "y"),
        ]
        graph = graph_of(nodes, {"shape": np.array([1, 4, 1, 1])})
        _assert_rewrites(drop_reshapes.rewrite, graph, 2, ["GlobalAveragePool"])

    def test_transposes_of_maps_stay(self):
        nodes = [
            conv("x", "image", "w", kernel_shape=[1, 1]),
            Node("Transpose", ["x"], ["y"], "y", {"perm": [0, 1, 3, 2]}),
        ]
        _assert_rewrites(drop_reshapes.rewrite, graph_of(nodes, {"w": noise(4, 4, 1, 1)}), 0, ["Conv", "Transpose"])

    def test_a_vector_that_stays_one_stays(self):
        nodes = [Node("ReduceMean", ["image"], ["y"], "y", {"axes": [2, 3], "keepdims": 0})]
        _assert_rewrites(drop_reshapes.rewrite, graph_of(nodes), 0, ["ReduceMean"])


class TestTidyNames:
    """Names of layers."""

    def test_names_follow_layers(self):
        nodes = [
            Node("Conv", ["image", "onnx::Conv_7", "onnx::Conv_8"], ["/a/a.0/conv/Conv_output_0"], "/a/a.0/conv/Conv"),
            Node("Clip", ["/a/a.0/conv/Conv_output_0", "7", "8"], ["x"], "/a/act/Clip"),
            Node("Conv", ["x", "onnx::Conv_9", "onnx::Conv_8"], ["heatmaps"], "a/act/Clip"),
        ]
        for node in (nodes[0], nodes[2]):
            node.attributes["kernel_shape"] = [1, 1]
        constants = {"onnx::Conv_7": noise(4, 4, 1, 1), "onnx::Conv_8": noise(4), "onnx::Conv_9": noise(4, 4, 1, 1)}
        graph = graph_of(nodes, constants | {"7": np.float32(0), "8": np.float32(6)})
        images = noise(1, 4, 8, 8)
        expected = run_onnx(graph.to_bytes(), images)
        tidy_names.rewrite(graph)
        assert [node.name for node in graph.nodes] == ["a.0/conv/Conv", "a/act/Clip", "a/act/Clip_2"]
        assert [node.output for node in graph.nodes] == ["a.0/conv/Conv", "a/act/Clip", "heatmaps"]
        assert list(graph.constants) == [
            *("a.0/conv/Conv/weight", "a.0/conv/Conv/bias", "a/act/Clip_2/weight", "a/act/Clip/low", "a/act/Clip/high")
        ]
        np.testing.assert_array_equal(run_onnx(graph.to_bytes(), images), expected)


def test_optimising_twice_changes_nothing_more():
    nodes = [*_e_swish("image", "a"), conv("y", "a", "w", kernel_shape=[3, 3], pads=[1] * 4)]
    first = optimise_onnx(graph_of(nodes, BETA | {"w": noise(5, 4, 3, 3)}).to_bytes())
    assert first.rewrites["scales folded"] == 1
    second = optimise_onnx(first.onnx)
    assert second.onnx == first.onnx
    assert not any(second.rewrites.values())
