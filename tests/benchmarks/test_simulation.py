import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks.simulation import SimulatedEstimator
from edgepose import PoseEstimator
from edgepose.conversion.manifest_writer import manifest_document
from edgepose.conversion.probe_writer import bundle_in_memory
from edgepose.conversion.run_onnx import run_onnx
from edgepose.network.variants import get_variant
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.decoder import HeatmapDecoder
from edgepose.runtime.errors import EngineError
from edgepose.runtime.preprocess import Preprocessor


def float_weights_between_integers() -> bytes:
    """One convolution [1, 3, 224, 224] to [1, 16, 28, 28], its weights float, its input and output as integers."""
    rng = np.random.Generator(np.random.PCG64(0))
    weights = rng.normal(0, 0.02, (16, 3, 8, 8)) * np.geomspace(0.05, 1, 16)[:, None, None, None]
    constants = {
        "weights": weights.astype(np.float32),
        "in_scale": np.float32(0.02),
        "out_scale": np.float32(0.002),
        "zero": np.int8(0),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "in_scale", "zero"], ["a"]),
        helper.make_node("DequantizeLinear", ["a", "in_scale", "zero"], ["b"]),
        helper.make_node("Conv", ["b", "weights"], ["c"], strides=[8, 8]),
        helper.make_node("QuantizeLinear", ["c", "out_scale", "zero"], ["d"]),
        helper.make_node("DequantizeLinear", ["d", "out_scale", "zero"], ["heatmaps"]),
    ]
    graph = helper.make_graph(
        nodes,
        "simulated",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 224, 224])],
        [helper.make_tensor_value_info("heatmaps", TensorProto.FLOAT, [1, 16, 28, 28])],
        [numpy_helper.from_array(np.array(array), name) for name, array in constants.items()],
    )
    return onnx.helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8).SerializeToString()


def as_bundle(model: bytes) -> Bundle:
    document = manifest_document(
        name="simulated", variant=get_variant("RT"), target="host", precision="int8", engine_format="onnx",
        upsampling=8, macs=0, provenance={}, measured={},
    )  # fmt: skip
    return bundle_in_memory(document, model)


def test_a_graph_is_computed_as_written_and_not_as_onnx_runtime_would_have_it():
    model = float_weights_between_integers()
    bundle = as_bundle(model)
    frame = np.random.Generator(np.random.PCG64(1)).integers(0, 256, (300, 200, 3), np.uint8)
    tensor, transform = Preprocessor(bundle.manifest).prepare(frame)
    heatmaps = run_onnx(model, tensor)[0].transpose(1, 2, 0)
    peaks, scores = HeatmapDecoder(28, 28, 8, 1.0).decode(heatmaps)
    with SimulatedEstimator(bundle, threads=1) as estimator:
        pose = estimator(frame)
    np.testing.assert_array_equal(pose.scores, scores)
    np.testing.assert_array_equal(pose.keypoints, transform.to_frame(peaks))
    with PoseEstimator(bundle, threads=1) as optimised:
        assert not np.array_equal(optimised(frame).scores, scores)


def test_it_closes_as_any_estimator():
    estimator = SimulatedEstimator(as_bundle(float_weights_between_integers()), threads=1)
    estimator.close()
    with pytest.raises(EngineError, match="closed"):
        estimator(np.zeros((8, 8, 3), np.uint8))
