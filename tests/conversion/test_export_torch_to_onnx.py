"""PyTorch to ONNX: names, shapes, silence, determinism."""

import warnings

import onnx
import pytest
import torch
from random_networks import random_network
from small_graphs import noise
from torch import nn

from edgepose.conversion.export_torch_to_onnx import export_torch_to_onnx
from edgepose.conversion.gates import gate_torch_to_onnx
from edgepose.conversion.onnx_graph import OnnxGraph
from edgepose.runtime.errors import ConversionError


@pytest.fixture(scope="module")
def exported(rt) -> bytes:
    return export_torch_to_onnx(rt, 64)


def test_one_named_input_and_output_of_fixed_shape(exported):
    graph = OnnxGraph.from_bytes(exported)
    assert graph.inputs == [("image", (1, 3, 64, 64))]
    assert graph.outputs == ["heatmaps"]
    assert graph.shapes()["heatmaps"] == (1, 16, 8, 8)


def test_a_kept_head_gives_maps_of_the_images_size(rt):
    graph = OnnxGraph.from_bytes(export_torch_to_onnx(rt, 64, keep_head=True))
    assert graph.shapes()["heatmaps"] == (1, 16, 64, 64)


def test_the_export_equals_the_network(rt, images):
    record = gate_torch_to_onnx(rt, export_torch_to_onnx(rt, 224), images)
    assert record.max_abs < 2e-5


def test_only_what_tensorrt_8_2_reads(exported):
    model = onnx.load_from_string(exported)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 13)]
    assert {node.op_type for node in model.graph.node} <= {
        *("Add", "AveragePool", "Concat", "Conv", "Mul", "Pad", "ReduceMean", "Sigmoid")
    }


def test_bytes_repeat_without_paths_in_silence(rt, exported, capfd):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert export_torch_to_onnx(rt, 64) == exported
    assert b".py" not in exported
    assert not caught
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("training", [False, True])
def test_the_network_keeps_its_mode_and_is_exported_in_evaluation(training):
    network = random_network("RT_LITE").train(training)
    onnx_bytes = export_torch_to_onnx(network, 64)
    assert network.training == training
    gate_torch_to_onnx(network, onnx_bytes, noise(1, 3, 64, 64))
    assert network.training == training


def test_what_torch_cannot_export_is_a_conversion_error():
    network = random_network("RT_LITE")

    class Sorted(nn.Module):
        def forward(self, maps: torch.Tensor) -> torch.Tensor:
            return torch.special.bessel_j0(maps)

    network.upscaling = Sorted()
    with pytest.raises(ConversionError, match="cannot export"):
        export_torch_to_onnx(network, 64, keep_head=True)
