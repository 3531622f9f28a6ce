"""What travels to a Jetson: graphs that its parser takes, that compute what they computed, and bounded weights."""

import numpy as np
import onnx
import onnxruntime
import pytest
from calibrated_graphs import float_graph, ranges_of
from small_graphs import conv, graph_of, noise

from edgepose.conversion.lower_onnx_to_tensorrt import lower_onnx_to_tensorrt, require_parsable, simulate_half
from edgepose.conversion.lower_onnx_to_tensorrt.parser_rules import OPERATORS
from edgepose.conversion.onnx_graph import Node, OnnxGraph
from edgepose.conversion.quantisation.insert_qdq import insert_qdq
from edgepose.conversion.run_onnx import run_onnx
from edgepose.runtime.errors import ConversionError
from edgepose.targets import TensorRtStack, get_target

OLD = TensorRtStack((5, 3), (8, 0), (8, 2), 0)
NEW = TensorRtStack((11, 0), (10, 13), (11, 4), 0)
IMAGES = noise(2, 3, 64, 64, seed=5)


def quantised(variant: str) -> OnnxGraph:
    graph = float_graph(variant)
    return insert_qdq(graph, ranges_of(graph), symmetric=True)


@pytest.fixture(scope="module")
def rt() -> bytes:
    return float_graph("RT").to_bytes()


@pytest.mark.parametrize("variant", ["RT", "RT_LITE"])
def test_a_quantised_graph_computes_bit_by_bit_what_it_did_with_float_weights_and_biases(variant):
    before = quantised(variant).to_bytes()
    prepared = lower_onnx_to_tensorrt(before, "int8", OLD)
    np.testing.assert_array_equal(run_onnx(prepared.onnx, IMAGES), run_onnx(before, IMAGES))
    graph = OnnxGraph.from_bytes(prepared.onnx)
    integers = {name for name, array in graph.constants.items() if array.dtype == np.int8}
    assert integers == {
        node.inputs[2] for node in graph.nodes if node.operator in ("QuantizeLinear", "DequantizeLinear")
    }
    assert not any(graph.constants[name].any() for name in integers)
    biases = [node.inputs[2] for node in graph.nodes if node.operator == "Conv"]
    assert {graph.constants[name].dtype for name in biases} == {np.dtype(np.float32)}


@pytest.mark.parametrize(("precision", "stack"), [("fp32", OLD), ("fp16", OLD), ("fp32", NEW)])
def test_a_float_graph_stays_what_it_is(rt, precision, stack):
    prepared = lower_onnx_to_tensorrt(rt, precision, stack)
    np.testing.assert_array_equal(run_onnx(prepared.onnx, IMAGES), run_onnx(rt, IMAGES))
    assert not prepared.half


def test_where_types_decide_fp16_is_typed_and_its_input_and_output_stay_float32(rt):
    prepared = lower_onnx_to_tensorrt(rt, "fp16", NEW)
    assert prepared.half
    model = onnx.load_from_string(prepared.onnx)
    float32 = onnx.TensorProto.FLOAT
    assert [value.type.tensor_type.elem_type for value in (*model.graph.input, *model.graph.output)] == [float32] * 2
    assert {tensor.data_type for tensor in model.graph.initializer} == {onnx.TensorProto.FLOAT16}
    assert prepared.operators["Cast"] == 2
    assert len(prepared.onnx) < 0.65 * len(rt)
    assert np.abs(run_onnx(prepared.onnx, IMAGES) - run_onnx(rt, IMAGES)).max() < 0.05


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("stack", [OLD, NEW])
def test_what_travels_is_plain_onnx_of_opset_13(rt, precision, stack):
    model = onnx.load_from_string(
        lower_onnx_to_tensorrt(quantised("RT").to_bytes() if precision == "int8" else rt, precision, stack).onnx
    )
    onnx.checker.check_model(model)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 13)]
    assert model.ir_version == 7
    assert {node.domain for node in model.graph.node} == {""}
    assert not model.functions
    assert not model.metadata_props
    assert {node.op_type for node in model.graph.node} <= set(OPERATORS)


def test_the_same_graph_gives_the_same_bytes():
    before = quantised("RT_LITE").to_bytes()
    assert lower_onnx_to_tensorrt(before, "int8", OLD).onnx == lower_onnx_to_tensorrt(before, "int8", OLD).onnx


def test_every_jetson_gets_a_typed_graph_where_it_may_have_tensorrt_11_and_no_other(rt):
    typed = {
        name
        for name in ("nano", "tx2", "xavier-nx", "agx-xavier", "orin-nano", "orin-nx", "agx-orin", "thor")
        if lower_onnx_to_tensorrt(rt, "fp16", get_target(f"jetson-{name}").tensorrt).half
    }
    assert typed == {"orin-nano", "orin-nx", "agx-orin", "thor"}


def qdq_graph(**changes) -> OnnxGraph:
    """An image quantised and restored, and a convolution over it."""
    constants = {
        "scale": np.float32(0.5),
        "zero": np.int8(0),
        "weights": noise(4, 3, 1, 1),
        "steps": np.full(4, 0.1, np.float32),
        "zeros": np.zeros(4, np.int8),
    } | changes
    nodes = [
        Node("QuantizeLinear", ["image", "scale", "zero"], ["q"], "q"),
        Node("DequantizeLinear", ["q", "scale", "zero"], ["dq"], "dq"),
        Node("QuantizeLinear", ["weights", "steps", "zeros"], ["wq"], "wq", {"axis": 0}),
        Node("DequantizeLinear", ["wq", "steps", "zeros"], ["w"], "w", {"axis": 0}),
        conv("maps", "dq", "w"),
    ]
    return graph_of(nodes, constants, (1, 3, 8, 8))


def test_what_tensorrt_takes_is_taken():
    require_parsable(qdq_graph(), (8, 0))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"zero": np.int8(3)}, "zero point 0 alone"),
        ({"zero": np.uint8(0)}, "zero point 0 alone"),
        ({"scale": np.float32(0)}, "positive float32 scales"),
        ({"scale": np.float16(0.5)}, "positive float32 scales"),
        ({"zeros": np.ones(4, np.int8)}, "zero point 0 alone"),
        ({"weights": np.full((4, 3, 1, 1), np.nan, np.float32)}, "not finite"),
        ({"weights": np.full((4, 3, 1, 1), np.inf, np.float16)}, "not finite"),
        ({"bias": np.zeros(4, np.int32)}, "is int32, which TensorRT takes no weights of"),
        ({"weights": np.zeros((4, 3, 1, 1), np.float64)}, "is float64"),
    ],
)
def test_what_a_parser_refuses_is_refused_here(changes, words):
    with pytest.raises(ConversionError, match=words):
        require_parsable(qdq_graph(**changes), (8, 0))


def test_constant_integers_are_refused_and_lowering_avoids_them():
    """TensorRT 8: 'invalid weights type of Int8'."""
    graph = qdq_graph()
    graph.bypass(graph.producers()["wq"], "weights")
    graph.constants["weights"] = np.ones((4, 3, 1, 1), np.int8)
    with pytest.raises(ConversionError, match="invalid weights type of Int8"):
        require_parsable(graph, (8, 2))
    lower_onnx_to_tensorrt(graph.to_bytes(), "int8", OLD)


def test_one_scale_a_channel_is_for_weights_alone():
    graph = qdq_graph(scale=np.full(3, 0.5, np.float32), zero=np.zeros(3, np.int8))
    with pytest.raises(ConversionError, match="for weights alone"):
        require_parsable(graph, (8, 2))


def test_an_operator_that_a_version_lacks_is_refused_by_name():
    graph = graph_of([Node("HardSwish", ["image"], ["maps"], "activation")], shape=(1, 3, 8, 8))
    require_parsable(graph, (8, 5))
    with pytest.raises(ConversionError, match=r"HardSwish node 'activation': TensorRT 8\.2 does not take"):
        require_parsable(graph, (8, 2))
    unknown = graph_of([Node("Einsum", ["image"], ["maps"], "sum", {"equation": "abcd->abcd"})], shape=(1, 3, 8, 8))
    with pytest.raises(ConversionError, match="Einsum node 'sum'"):
        require_parsable(unknown, (11, 4))


@pytest.mark.parametrize(
    ("oldest", "newest_opset"), [((8, 0), 13), ((8, 2), 13), ((8, 5), 17), ((10, 3), 20), ((11, 4), 20)]
)
def test_an_opset_beyond_the_parser_is_refused(oldest, newest_opset):
    nodes = [Node("Relu", ["image"], ["maps"], "maps")]
    require_parsable(graph_of(nodes, opset=newest_opset), oldest)
    with pytest.raises(ConversionError, match=f"opset {newest_opset + 1}"):
        require_parsable(graph_of(nodes, opset=newest_opset + 1), oldest)


def test_weights_beyond_16_bits_are_refused_for_fp16_alone():
    graph = graph_of(
        [conv("maps", "image", "weights")], {"weights": np.full((4, 3, 1, 1), 1e5, np.float32)}, (1, 3, 8, 8)
    )
    lower_onnx_to_tensorrt(graph.to_bytes(), "fp32", NEW)
    for precision, stack in (("fp16", NEW), ("fp16", OLD), ("int8", OLD)):
        with pytest.raises(ConversionError, match=r"'weights' reaches 1e\+05; 16-bit floats end at 65504"):
            lower_onnx_to_tensorrt(graph.to_bytes(), precision, stack)


def test_simulated_half_precision_rounds_every_value():
    """ONNX Runtime, left alone with a float16 graph, rounds next to nothing: its outputs are not 16-bit numbers."""
    simulated = OnnxGraph.from_bytes(simulate_half(float_graph("RT").to_bytes()))
    results = run_onnx(simulated.to_bytes(), IMAGES)
    np.testing.assert_array_equal(results, results.astype(np.float16))
    model = onnx.load_from_string(simulated.to_bytes())
    values = [name for node in simulated.nodes if (name := node.output).endswith("/rounded")]
    assert len(values) > 200
    del model.graph.output[:]
    model.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in values)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for name, value in zip(values, session.run(None, {"image": IMAGES[:1]}), strict=True):
        assert (value == value.astype(np.float16)).all(), name


def test_simulated_half_precision_is_numpys():
    graph = graph_of([conv("maps", "image", "weights")], {"weights": noise(4, 3, 1, 1)}, (1, 3, 8, 8))
    image = noise(1, 3, 8, 8, seed=9)
    rounded = image.astype(np.float16).astype(np.float32)
    weights = graph.constants["weights"].astype(np.float16).astype(np.float32)
    expected = np.einsum("oi,bihw->bohw", weights[:, :, 0, 0], rounded).astype(np.float16)
    actual = run_onnx(simulate_half(graph.to_bytes()), image)
    assert np.abs(actual - expected).max() <= np.spacing(np.abs(expected).max())


def test_the_estimate_grows_with_the_network_and_shrinks_with_the_precision(rt):
    small = lower_onnx_to_tensorrt(rt, "fp32", OLD).estimate
    half = lower_onnx_to_tensorrt(rt, "fp16", OLD).estimate
    assert half.engine_mb == pytest.approx(small.engine_mb / 2)
    assert small.memory_mb > 1000
    assert small.to_dict()["kind"] == "estimated"
