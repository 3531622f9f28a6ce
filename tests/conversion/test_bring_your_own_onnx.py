"""ONNX files that users bring: the ways in which a good one may look, and those that are none."""

import hashlib
import io
import os
import warnings

import onnx
import pytest
import torch
from small_graphs import conv, graph_of, noise
from torch import nn

from edgepose.conversion.bring_your_own_onnx import load_bring_your_own_onnx, read_bounded
from edgepose.conversion.export_torch_to_onnx import export_torch_to_onnx
from edgepose.conversion.gates import gate_onnx_to_onnx, gate_torch_to_onnx
from edgepose.conversion.onnx_graph import Node, OnnxGraph, Value
from edgepose.conversion.optimise_onnx import optimise_onnx
from edgepose.runtime.errors import ConversionError


class _AllOutputs(nn.Module):
    """The maps of the last pass at both sizes, as a training repository would export them."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, image):
        outputs = self.network(image)
        return (*outputs.confidence_maps, outputs.upscaled)


@pytest.fixture(scope="module")
def foreign(rt) -> bytes:
    """RT with two outputs, free sizes and names of its own, exported at opset 17."""
    exported = io.BytesIO()
    names = ["confs", "final"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _AllOutputs(rt).eval(),
            (torch.zeros(1, 3, 224, 224),),
            exported,
            dynamo=False,
            opset_version=17,
            input_names=["pixels"],
            output_names=names,
            dynamic_axes={name: {0: "batch", 2: "height", 3: "width"} for name in ["pixels", *names]},
        )
    return exported.getvalue()


@pytest.fixture(scope="module")
def plain(rt) -> bytes:
    """RT as edgepose itself exports it."""
    return export_torch_to_onnx(rt, 224)


@pytest.fixture
def save(tmp_path):
    """``save(content)`` writes bytes or a model to a file and returns its path."""

    def write(content: bytes | onnx.ModelProto):
        path = tmp_path / "own.onnx"
        path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
        return path

    return write


def test_a_training_export_is_cut_to_the_engines_graph(rt, foreign, save, images):
    own = load_bring_your_own_onnx(save(foreign), "RT")
    graph = OnnxGraph.from_bytes(own.onnx)
    assert (graph.inputs, graph.outputs) == ([("image", (1, 3, 224, 224))], ["heatmaps"])
    assert graph.shapes()["heatmaps"] == (1, 16, 28, 28)
    assert own.head[:3] == (True, True, 8)
    assert own.resolution == 224
    assert own.sha256 == hashlib.sha256(foreign).hexdigest()
    assert "of its 2 outputs 'final' is taken for the heatmaps" in own.notes
    assert "free dimensions of 'pixels' are now [1, 3, 224, 224]" in own.notes
    gate_torch_to_onnx(rt, own.onnx, images)
    gate_torch_to_onnx(rt, optimise_onnx(own.onnx).onnx, images)


def test_our_own_export_is_taken_as_it_is(plain, save, images):
    own = load_bring_your_own_onnx(save(plain), "RT")
    assert own.notes == ()
    assert own.head[:3] == (False, False, 8)
    gate_onnx_to_onnx(plain, own.onnx, images)


def test_channels_last_as_from_tensorflow(plain, save, images):
    graph = OnnxGraph.from_bytes(plain)
    graph.rename("image", "nchw")
    graph.rename("heatmaps", "maps")
    graph.inputs = [Value("input_res1", (1, 224, 224, 3))]
    graph.nodes.insert(0, Node("Transpose", ["input_res1"], ["nchw"], "first", {"perm": [0, 3, 1, 2]}))
    graph.nodes.append(Node("Transpose", ["maps"], ["confs"], "last", {"perm": [0, 2, 3, 1]}))
    graph.outputs = ["confs"]
    own = load_bring_your_own_onnx(save(graph.to_bytes()), "RT")
    assert all(node.operator != "Transpose" for node in OnnxGraph.from_bytes(own.onnx).nodes)
    gate_onnx_to_onnx(plain, own.onnx, images)


def test_a_trained_head_stays(rt, save, images):
    kernel = rt.upscaling[1].weight
    original = kernel.detach().clone()
    try:
        with torch.no_grad():
            kernel += 0.001
        own = load_bring_your_own_onnx(save(export_torch_to_onnx(rt, 224, keep_head=True)), "RT")
        assert own.head[:3] == (True, False, 8)
        assert OnnxGraph.from_bytes(own.onnx).shapes()["heatmaps"] == (1, 16, 224, 224)
        gate_torch_to_onnx(rt, own.onnx, images, keep_head=True)
    finally:
        with torch.no_grad():
            kernel.copy_(original)


@pytest.mark.parametrize(
    ("variant", "match"),
    [("I", r"takes images \[1, 3, 224, 224\]; I takes"), ("RT_LITE", "not a Lite network, unlike RT_LITE")],
)
def test_the_wrong_variant_is_refused(plain, save, variant, match):
    with pytest.raises(ConversionError, match=match):
        load_bring_your_own_onnx(save(plain), variant)


def _other_network(shape=(1, 3, 224, 224), maps=16, stride=8) -> bytes:
    nodes = [
        conv("x", "image", "w", kernel_shape=[stride, stride], strides=[stride, stride]),
        Node("Sigmoid", ["x"], ["y"], "y"),
    ]
    return graph_of(nodes, {"w": noise(maps, shape[1], stride, stride)}, shape).to_bytes()


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "no ONNX graph"),
        (b"\x00\x01rubbish", "own.onnx"),
        (_other_network(maps=17), "no output with 16 maps"),
        (_other_network(shape=(1, 1, 224, 224)), r"takes images \[1, 1, 224, 224\]; RT takes"),
        (_other_network(shape=(2, 3, 224, 224)), r"takes images \[2, 3, 224, 224\]"),
        (_other_network(stride=16), r"gives maps \[1, 16, 14, 14\], not \[1, 16, 28, 28\]"),
        (graph_of([Node("Sigmoid", ["image"], ["y"], "y")], shape=(1, 10)).to_bytes(), "has 2 dimensions"),
    ],
)
def test_other_networks_are_refused(content, match, save):
    with pytest.raises(ConversionError, match=match):
        load_bring_your_own_onnx(save(content), "RT")


def test_a_truncated_file_is_refused(plain, save):
    with pytest.raises(ConversionError, match=r"own\.onnx"):
        load_bring_your_own_onnx(save(plain[: len(plain) // 2]), "RT")


def test_two_inputs_are_refused(plain, save):
    model = onnx.load_from_string(plain)
    model.graph.input.append(onnx.helper.make_tensor_value_info("mask", onnx.TensorProto.FLOAT, [1]))
    with pytest.raises(ConversionError, match=r"2 inputs \(image, mask\)"):
        load_bring_your_own_onnx(save(model), "RT")


def test_weights_in_another_file_are_refused(plain, save):
    model = onnx.load_from_string(plain)
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    with pytest.raises(ConversionError, match="in another file"):
        load_bring_your_own_onnx(save(model), "RT")


def test_a_free_colour_dimension_is_refused(plain, save):
    model = onnx.load_from_string(plain)
    for side in model.graph.input[0].type.tensor_type.shape.dim:
        side.dim_param = "any"
    with pytest.raises(ConversionError, match="which dimension is colour"):
        load_bring_your_own_onnx(save(model), "RT")


def test_an_unknown_variant_is_a_usage_error(plain, save):
    with pytest.raises(Exception, match="RT") as error:
        load_bring_your_own_onnx(save(plain), "RTT")
    assert error.value.exit_code == 2


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConversionError, match=r"nowhere\.onnx"):
        read_bounded(tmp_path / "nowhere.onnx")
    with pytest.raises(ConversionError, match="cannot read"):
        read_bounded(tmp_path)


def test_a_file_beyond_the_bound_is_not_read_whole(tmp_path):
    path = tmp_path / "huge.onnx"
    path.touch()
    os.truncate(path, 10 << 30)
    with pytest.raises(ConversionError, match="no EfficientPose is that large"):
        read_bounded(path)
