"""onnxsim in its child process: when it works, and every way in which it may not."""

import stat
import sys

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from small_graphs import conv, graph_of, noise

from edgepose.conversion.onnx_graph import Node, OnnxGraph
from edgepose.conversion.run_onnx import run_onnx
from edgepose.conversion.simplify import simplify_onnx
from edgepose.runtime.errors import ConversionError


@pytest.fixture
def graph() -> bytes:
    """A convolution with its batch normalisation still apart."""
    nodes = [
        conv("x", "image", "w", kernel_shape=[3, 3], pads=[1] * 4),
        Node("BatchNormalization", ["x", "gamma", "beta", "mean", "variance"], ["y"], "norm"),
    ]
    statistics = {name: noise(4, seed=index) for index, name in enumerate(("gamma", "beta", "mean"))}
    return graph_of(nodes, {"w": noise(4, 4, 3, 3), "variance": np.full(4, 2, np.float32)} | statistics).to_bytes()


@pytest.fixture
def fake_python(tmp_path):
    """``fake_python(lines)``: an executable that stands in for the child's interpreter; $3 and $4 are its files."""

    def make(script: str) -> str:
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return make


def _assert_fell_back(result, graph: bytes, match: str) -> None:
    assert not result.simplified
    assert "onnxsim did not simplify the graph" in result.warning
    assert match in result.warning
    assert result.onnx == OnnxGraph.from_bytes(graph).to_bytes()


def test_the_child_folds_the_batch_normalisation(graph):
    result = simplify_onnx(graph)
    assert (result.simplified, result.warning) == (True, None)
    assert [node.operator for node in OnnxGraph.from_bytes(result.onnx).nodes] == ["Conv"]
    images = noise(1, 4, 8, 8)
    np.testing.assert_allclose(run_onnx(result.onnx, images), run_onnx(graph, images), atol=1e-5)


def test_a_module_in_the_users_folder_is_not_imported(graph, tmp_path, monkeypatch):
    (tmp_path / "onnxsim.py").write_text("raise SystemExit('the wrong onnxsim')")
    monkeypatch.chdir(tmp_path)
    assert simplify_onnx(graph).simplified


def test_a_crash_falls_back(graph, fake_python):
    _assert_fell_back(simplify_onnx(graph, python=fake_python("kill -SEGV $$")), graph, "crashed with signal 11")


def test_a_hang_is_ended(graph, fake_python):
    result = simplify_onnx(graph, timeout_s=0.5, python=fake_python("exec sleep 100"))
    _assert_fell_back(result, graph, "longer than 0.5 s")


def test_an_exception_falls_back_with_its_last_line(graph, fake_python):
    script = "echo Traceback >&2; echo 'ImportError: no onnxsim' >&2; exit 1"
    _assert_fell_back(simplify_onnx(graph, python=fake_python(script)), graph, "ImportError: no onnxsim")


def test_a_missing_interpreter_falls_back(graph, tmp_path):
    _assert_fell_back(simplify_onnx(graph, python=str(tmp_path / "nowhere")), graph, "cannot be started")


@pytest.mark.parametrize(
    ("script", "match"),
    [
        ("exit 0", "no usable result"),
        ('echo rubbish > "$4"', "onnxsim's result"),
        ('head -c 300 "$3" > "$4"', "onnxsim's result"),
    ],
)
def test_a_result_that_is_none_falls_back(graph, fake_python, script, match):
    _assert_fell_back(simplify_onnx(graph, python=fake_python(script)), graph, match)


def test_another_function_falls_back(graph, fake_python, tmp_path):
    other = onnx.load_from_string(graph)
    weights = other.graph.initializer[0]
    weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) * np.float32(1.01), weights.name))
    (tmp_path / "other.onnx").write_bytes(other.SerializeToString())
    result = simplify_onnx(graph, python=fake_python(f'cp "{tmp_path}/other.onnx" "$4"'))
    _assert_fell_back(result, graph, "differs from the graph by")


def test_another_interface_falls_back(graph, fake_python, tmp_path):
    other = OnnxGraph.from_bytes(graph)
    other.rename("image", "picture")
    (tmp_path / "other.onnx").write_bytes(other.to_bytes())
    result = simplify_onnx(graph, python=fake_python(f'cp "{tmp_path}/other.onnx" "$4"'))
    _assert_fell_back(result, graph, "changed the inputs or outputs")


def test_a_bad_graph_is_an_error_not_a_warning():
    with pytest.raises(ConversionError):
        simplify_onnx(b"rubbish", python=sys.executable)
