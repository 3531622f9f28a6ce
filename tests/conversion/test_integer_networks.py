"""Every operator of every variant in int8: within one step of its float self, and XNNPACK's."""

import functools

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from network_graphs import SIDE, official_graph, photographs, small_graph
from older_runtime import run_in_tflite_runtime
from one_step_oracle import (
    BACK_ENDS,
    assert_within_one_step,
    beyond_one_step,
    deviations,
    interpreter_of,
    observe,
    set_image,
    with_every_tensor_as_output,
)
from small_graphs import noise, operator_versions, parsed, runs_whole_in_xnnpack

from edgepose.conversion.lower_onnx_to_tflite import lower_onnx_to_tflite
from edgepose.conversion.quantisation import calibrate, quantise
from edgepose.network.variants import VARIANTS

LITE_VERSIONS = {"ADD": 2, "CONCATENATION": 2, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3}
FULL_VERSIONS = LITE_VERSIONS | {"LOGISTIC": 2, "MEAN": 2, "MUL": 2}
FLOAT32 = 0
NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if name.isupper()}
SMALLER = [variant for variant in VARIANTS if variant not in ("III", "IV")]


@functools.cache
def small_integers(variant: str) -> bytes:
    """The Q/DQ graph of a network with random weights, by the ranges over two images of noise."""
    return _integers(small_graph(variant)[1].onnx, noise(2, 3, SIDE, SIDE, seed=3))


def _integers(onnx: bytes, images: np.ndarray) -> bytes:
    return quantise(calibrate(onnx, list(images[:, None]))).onnx


@functools.cache
def official_integers(reference, variant: str) -> tuple[bytes, np.ndarray]:
    """The Q/DQ graph of an official network, and the two photographs that gave its ranges."""
    network, onnx = official_graph(reference, variant)
    images = photographs(reference, network.variant, 2)
    return _integers(onnx, images), images


def assert_pure_integers(tflite: bytes, variant: str) -> None:
    """Every operator is int8, of the lowest version that describes it, and XNNPACK's."""
    assert runs_whole_in_xnnpack(tflite)
    assert operator_versions(tflite) == (LITE_VERSIONS if VARIANTS[variant].lite else FULL_VERSIONS)
    assert FLOAT32 not in {tensor.type for tensor in parsed(tflite).subgraphs[0].tensors}


@pytest.mark.parametrize("variant", [*SMALLER, *(pytest.param(name, marks=pytest.mark.slow) for name in ("III", "IV"))])
def test_every_operator_of_every_variant_is_within_one_step(variant):
    assert_pure_integers(assert_within_one_step(small_integers(variant), noise(1, 3, SIDE, SIDE)), variant)


@pytest.mark.parametrize("variant", ["RT", "RT_LITE", "I_LITE", pytest.param("I", marks=pytest.mark.slow)])
def test_every_operator_of_the_official_networks_is_within_one_step_on_photographs(variant, reference):
    onnx, images = official_integers(reference, variant)
    assert_pure_integers(assert_within_one_step(onnx, images, repeats_gates=True), variant)


@pytest.mark.parametrize("variant", ["RT", "I"])
@pytest.mark.parametrize("back_end", BACK_ENDS)
def test_gates_in_rows_change_no_bit_of_the_official_networks(variant, back_end, reference):
    onnx, images = official_integers(reference, variant)
    plain, rows = lower_onnx_to_tflite(onnx), lower_onnx_to_tflite(onnx, repeats_gates=True)
    assert rows.operators["MUL"] > plain.operators["MUL"]
    for image in images:
        np.testing.assert_array_equal(heatmaps_of(rows.data, image, back_end), heatmaps_of(plain.data, image, back_end))


def heatmaps_of(tflite: bytes, image: np.ndarray, back_end: str) -> np.ndarray:
    interpreter = interpreter_of(tflite, back_end)
    set_image(interpreter, image)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def assert_runs_in_tflite_runtime(onnx: bytes, images: np.ndarray, python: str, folder) -> None:
    """tflite-runtime 2.7 opens the file as it is, and its kernels are within one step as well."""
    tflite = lower_onnx_to_tflite(onnx, repeats_gates=True).data
    heatmaps = run_in_tflite_runtime(python, tflite, images[:1], folder)["heatmaps"]
    observed = run_in_tflite_runtime(python, with_every_tensor_as_output(tflite), images[:1], folder)
    np.testing.assert_array_equal(observed["heatmaps"], heatmaps)
    assert not beyond_one_step(deviations(onnx, images[0], observed), "builtin")


@pytest.mark.parametrize("variant", ["RT", "RT_LITE"])
def test_an_older_runtime_computes_within_one_step(variant, python_with_tflite_runtime, tmp_path):
    images = noise(1, 3, SIDE, SIDE)
    assert_runs_in_tflite_runtime(small_integers(variant), images, python_with_tflite_runtime, tmp_path)


@pytest.mark.parametrize("variant", ["RT", "RT_LITE"])
def test_an_older_runtime_computes_the_official_networks_within_one_step(
    variant, reference, python_with_tflite_runtime, tmp_path
):
    onnx, images = official_integers(reference, variant)
    assert_runs_in_tflite_runtime(onnx, images, python_with_tflite_runtime, tmp_path)


def differing_operators(tflite: bytes, images: np.ndarray, python: str, folder) -> dict[str, int]:
    """Operators, by kind, that read the same integers in tflite-runtime 2.7 and in today's and write other ones.

    Both compute with their reference kernels. The value is the largest difference, in steps.
    """
    whole = with_every_tensor_as_output(tflite)
    old = run_in_tflite_runtime(python, whole, images[:1], folder, kernels="BUILTIN_REF")
    new = observe(tflite, images[0], "reference")
    assert old.keys() == new.keys()
    steps = {name: int(np.abs(old[name].astype(int) - new[name]).max()) for name in new}
    graph = parsed(tflite).subgraphs[0]
    names = [tensor.name.decode() for tensor in graph.tensors]
    kinds = [NAMES[parsed(tflite).operatorCodes[operator.opcodeIndex].builtinCode] for operator in graph.operators]
    differing: dict[str, int] = {}
    for kind, operator in zip(kinds, graph.operators, strict=True):
        read = [names[tensor] for tensor in operator.inputs]
        written = steps[names[operator.outputs[0]]]
        if written and not any(steps.get(name) for name in read):
            differing[kind] = max(differing.get(kind, 0), written)
    return differing


@pytest.mark.parametrize("variant", ["RT_LITE", "I_LITE", "II_LITE"])
def test_reference_kernels_of_the_compilers_age_compute_the_same_bits(variant, python_with_tflite_runtime, tmp_path):
    """The optimised kernels cannot: they round once where the reference ones round twice, each in its own way."""
    tflite = lower_onnx_to_tflite(small_integers(variant)).data
    assert differing_operators(tflite, noise(1, 3, SIDE, SIDE), python_with_tflite_runtime, tmp_path) == {}


def test_reference_kernels_of_the_compilers_age_compute_the_same_bits_of_official_weights(
    reference, python_with_tflite_runtime, tmp_path
):
    onnx, images = official_integers(reference, "RT_LITE")
    tflite = lower_onnx_to_tflite(onnx).data
    old = run_in_tflite_runtime(python_with_tflite_runtime, tflite, images[:1], tmp_path, kernels="BUILTIN_REF")
    new = heatmaps_of(tflite, images[0], "reference").transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(new, old["heatmaps"])


def test_of_the_full_variants_mean_alone_has_changed_since(python_with_tflite_runtime, tmp_path):
    """By one step, where it falls on a tie: MEAN is squeeze-and-excitation, which the Lite variants do without."""
    tflite = lower_onnx_to_tflite(small_integers("RT")).data
    found = differing_operators(tflite, noise(1, 3, SIDE, SIDE), python_with_tflite_runtime, tmp_path)
    assert set(found) <= {"MEAN"}
    assert found.get("MEAN", 1) == 1
