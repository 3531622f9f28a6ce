"""Reading ONNX that nobody vouches for, and writing it canonically."""

import contextlib

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from small_graphs import conv, graph_of, noise

from edgepose.conversion import onnx_graph
from edgepose.conversion.onnx_graph import Node, OnnxGraph
from edgepose.conversion.run_onnx import run_onnx
from edgepose.runtime.errors import ConversionError


def _bytes() -> bytes:
    nodes = [conv("y", "image", "w", "b", kernel_shape=[3, 3], pads=[1] * 4), Node("Sigmoid", ["y"], ["z"], "z")]
    return graph_of(nodes, {"w": noise(4, 4, 3, 3), "b": noise(4)}).to_bytes()


def _model() -> onnx.ModelProto:
    return onnx.load_from_string(_bytes())


def _untyped(graph: OnnxGraph) -> bytes:
    """As exporters write graphs whose shapes they did not infer."""
    model = graph._to_proto()
    for name in ("batch", "channels", "height", "width"):
        model.graph.output[0].type.tensor_type.shape.dim.add(dim_param=name)
    return model.SerializeToString()


def _refused(model: onnx.ModelProto, match: str) -> None:
    with pytest.raises(ConversionError, match=match):
        OnnxGraph.from_bytes(model.SerializeToString(), "own.onnx")


def test_reading_and_writing_is_the_identity():
    assert OnnxGraph.from_bytes(_bytes()).to_bytes() == _bytes()


def test_the_exporters_traces_are_dropped():
    model = _model()
    model.producer_name, model.producer_version, model.doc_string = "somebody", "1.2", "/home/somebody/train.py"
    model.graph.name, model.graph.doc_string = "main_graph", "more"
    model.metadata_props.add(key="path", value="/home/somebody")
    for node in model.graph.node:
        node.doc_string = 'File "/home/somebody/train.py", line 3'
        node.metadata_props.add(key="stack", value="trace")
    assert OnnxGraph.from_bytes(model.SerializeToString()).to_bytes() == _bytes()


def test_constant_nodes_and_identities_become_constants_and_nothing():
    scale = numpy_helper.from_array(np.float32(2).reshape(()), "value")
    nodes = [
        Node("Constant", [], ["two"], "two", {"value": scale}),
        Node("Constant", [], ["three"], "three", {"value_float": 3.0}),
        Node("Identity", ["two"], ["also_two"], "also"),
        Node("Identity", ["image"], ["same"], "same"),
        Node("Mul", ["same", "also_two"], ["doubled"], "double"),
        Node("Mul", ["doubled", "three"], ["y"], "triple"),
        Node("Identity", ["y"], ["z"], "last"),
    ]
    graph = OnnxGraph.from_bytes(graph_of(nodes).to_bytes())
    assert [node.operator for node in graph.nodes] == ["Mul", "Mul", "Identity"]
    images = noise(1, 4, 8, 8)
    np.testing.assert_allclose(run_onnx(graph.to_bytes(), images), 6 * images, rtol=1e-6)


def test_shape_arithmetic_is_folded_and_shapes_are_inferred():
    nodes = [
        Node(
            "ConstantOfShape", ["four"], ["zeros"], "zeros", {"value": numpy_helper.from_array(np.zeros(1, np.int64))}
        ),
        Node("Concat", ["ends", "zeros"], ["pads"], "pads", {"axis": 0}),
        Node("Reshape", ["pads", "pairs"], ["table"], "table"),
        Node("Slice", ["table", "last", "start", "first", "back"], ["flipped"], "flipped"),
        Node("Transpose", ["flipped"], ["columns"], "columns", {"perm": [1, 0]}),
        Node("Reshape", ["columns", "flat"], ["amounts"], "amounts"),
        Node("Pad", ["image", "amounts"], ["y"], "y"),
    ]
    constants = {
        "four": np.array([4]),
        "ends": np.array([0, 1, 0, 1]),
        "pairs": np.array([-1, 2]),
        "last": np.array([-1]),
        "start": np.array([-(2**63) + 1]),
        "first": np.array([0]),
        "back": np.array([-1]),
        "flat": np.array([-1]),
    }
    graph = OnnxGraph.from_bytes(_untyped(graph_of(nodes, constants)))
    assert [node.operator for node in graph.nodes] == ["Pad"]
    assert graph.shapes()["y"] == (1, 4, 9, 9)


def test_folding_does_not_make_large_tensors_of_small_ones():
    nodes = [
        Node(
            "ConstantOfShape", ["sides"], ["ones"], "ones", {"value": numpy_helper.from_array(np.ones(1, np.float32))}
        ),
        Node("Mul", ["image", "ones"], ["y"], "y"),
    ]
    graph = OnnxGraph.from_bytes(_untyped(graph_of(nodes, {"sides": np.array([1, 4, 4096, 4096])})))
    assert "ones" not in graph.constants


@pytest.mark.parametrize("opset", [13, 17, 18])
def test_axes_of_means_are_one_attribute_in_every_opset(opset):
    node = Node("ReduceMean", ["image"], ["y"], "y", {"axes": [2, 3], "keepdims": 1})
    graph = OnnxGraph.from_bytes(graph_of([node], opset=opset).to_bytes())
    assert graph.nodes[0].attributes == {"axes": [2, 3], "keepdims": 1}
    assert graph.nodes[0].inputs == ["image"]


def test_portable_graphs_are_declared_as_opset_13():
    node = Node("ReduceMean", ["image"], ["y"], "y", {"axes": [2, 3], "keepdims": 1})
    graph = OnnxGraph.from_bytes(graph_of([node], opset=18).to_bytes())
    graph.make_portable()
    model = onnx.load_from_string(graph.to_bytes())
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 13)]
    assert model.ir_version == 8


def test_newer_operators_keep_their_opset():
    graph = graph_of([Node("HardSwish", ["image"], ["y"], "y")], opset=14)
    graph.make_portable()
    assert graph.opset == 14


def test_renaming_to_a_taken_name_moves_the_other_value():
    nodes = [Node("Sigmoid", ["image"], ["heatmaps"], "a"), Node("Sigmoid", ["heatmaps"], ["out"], "b")]
    graph = graph_of(nodes)
    images = noise(1, 4, 8, 8)
    expected = run_onnx(graph.to_bytes(), images)
    graph.rename("out", "heatmaps")
    assert graph.outputs == ["heatmaps"]
    np.testing.assert_array_equal(run_onnx(graph.to_bytes(), images), expected)


def test_pruning_leaves_what_the_output_needs():
    graph = OnnxGraph.from_bytes(_bytes())
    graph.nodes.append(Node("Sigmoid", ["z"], ["unused"], "unused"))
    graph.constants["forgotten"] = noise(3)
    graph.prune()
    assert graph.to_bytes() == _bytes()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not onnx", b"\xff" * 100, b"<html></html>"])
def test_what_is_not_onnx_is_refused(content):
    with pytest.raises(ConversionError, match=r"own\.onnx"):
        OnnxGraph.from_bytes(content, "own.onnx")


def test_what_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(onnx_graph, "MAX_ONNX_BYTES", 100)
    with pytest.raises(ConversionError, match="at most 100 are read"):
        OnnxGraph.from_bytes(_bytes())


def test_too_many_nodes_are_refused(monkeypatch):
    monkeypatch.setattr(onnx_graph, "MAX_NODES", 1)
    with pytest.raises(ConversionError, match="2 nodes"):
        OnnxGraph.from_bytes(_bytes())


def test_external_data_is_refused_and_never_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.bin").write_bytes(bytes(4 * 4 * 9 * 4))
    model = _model()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="w.bin")
    _refused(model, "'w' in another file")


def test_a_tensor_that_claims_terabytes_is_refused():
    model = _model()
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend([1 << 20, 1 << 20])
    _refused(model, "'w' claims")


def test_a_tensor_with_fewer_data_than_claimed_is_refused():
    model = _model()
    model.graph.initializer[0].raw_data = b"\0" * 8
    _refused(model, "w")


def test_foreign_domains_are_refused():
    model = _model()
    model.graph.node[1].domain = "com.microsoft"
    model.opset_import.add(domain="com.microsoft", version=1)
    _refused(model, r"com\.microsoft\.Sigmoid")


def test_functions_are_refused():
    model = _model()
    function = helper.make_function(
        "own", "F", ["x"], ["y"], [helper.make_node("Sigmoid", ["x"], ["y"])], model.opset_import
    )
    model.functions.append(function)
    _refused(model, "functions of its own")


def test_subgraphs_are_refused():
    model = _model()
    model.graph.node[1].attribute.append(helper.make_attribute("body", model.graph))
    _refused(model, "subgraph")


@pytest.mark.parametrize("opset", [7, 99])
def test_opsets_out_of_range_are_refused(opset):
    model = _model()
    model.opset_import[0].version = opset
    _refused(model, "opset")


def test_a_free_dimension_is_refused():
    model = _model()
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    _refused(model, "'height'.* not static")


def test_half_precision_inputs_are_refused():
    model = _model()
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    _refused(model, "not a float32")


def test_an_unsound_edit_does_not_reach_the_bytes():
    graph = OnnxGraph.from_bytes(_bytes())
    graph.nodes[1].inputs = ["nobody"]
    with pytest.raises(ConversionError, match="not sound"):
        graph.to_bytes()


@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, 10**6), value=st.integers(0, 255), length=st.integers(0, 10**6))
def test_damaged_bytes_are_read_or_refused_with_one_error(place, value, length):
    data = bytearray(_bytes())
    data[place % len(data)] = value
    with contextlib.suppress(ConversionError):
        OnnxGraph.from_bytes(bytes(data[: len(data) - (length % len(data)) // 8]))
