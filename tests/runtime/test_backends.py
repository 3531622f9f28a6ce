import importlib
import importlib.util
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_bundles import DTYPES, ENGINES, PATIENT, SIDE, engine_bytes, manifest_document, require_library

from edgepose.runtime.backends import open_backend
from edgepose.runtime.backends.base import Backend
from edgepose.runtime.backends.libraries import install_command
from edgepose.runtime.errors import EngineError
from edgepose.runtime.manifest import Manifest


def engine_spec(engine="onnx", dtype="float32", **changes):
    """The :class:`EngineSpec` of a tiny engine; ``changes`` replace fields of its output tensor."""
    document = manifest_document(engine, dtype)
    document["members"] = {"engine." + engine: {"bytes": 0, "sha256": "0" * 64}}
    document["engine"]["output"].update(changes)
    return Manifest(document).engine


def tensor(engine, dtype="float32", seed=0):
    pixels = np.random.RandomState(seed).randint(0, 256, (1, SIDE, SIDE, 3))
    values = (pixels / 255.0).astype(np.float32) if dtype == "float32" else (pixels - 128).astype(np.int8)
    return values if engine == "tflite" else np.ascontiguousarray(np.transpose(values, (0, 3, 1, 2)))


def cell_means(values, engine, dtype):
    """What the tiny engines compute: the mean of one colour over 8x8 pixels, [4, 4, 16]."""
    if engine == "onnx":
        values = np.transpose(values, (0, 2, 3, 1))
    means = values[0].astype(np.float64).reshape(4, 8, 4, 8, 3).mean(axis=(1, 3))
    return means[:, :, np.arange(16) % 3]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_engine_computes_the_same_heatmaps(engine, dtype):
    values = tensor(engine, dtype)
    with open_backend(engine_spec(engine, dtype), engine_bytes(engine, dtype), threads=1) as backend:
        heatmaps = backend.infer(values)
        assert heatmaps.shape == (4, 4, 16)
        assert heatmaps.dtype == np.dtype(dtype)
        tolerance = 1e-6 if dtype == "float32" else 1  # a step of rounding
        np.testing.assert_allclose(heatmaps, cell_means(values, engine, dtype), atol=tolerance)
        assert backend.library in ("onnxruntime", "ai_edge_litert", "tflite_runtime")
        assert backend.version[0].isdigit()


def test_heatmaps_stay_what_they_were(engine):
    with open_backend(engine_spec(engine), engine_bytes(engine), threads=2) as backend:
        first = backend.infer(tensor(engine, seed=1))
        kept = first.copy()
        backend.infer(tensor(engine, seed=2))
        np.testing.assert_array_equal(first, kept)


def test_a_closed_engine_refuses_work(engine):
    backend = open_backend(engine_spec(engine), engine_bytes(engine), threads=1)
    backend.close()
    backend.close()
    with pytest.raises(EngineError, match="closed"):
        backend.infer(tensor(engine))


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((SIDE, SIDE, 3), dtype=np.float32),
        np.zeros((1, 8, 8, 3), dtype=np.float32),
        np.zeros((1, SIDE, SIDE, 3), dtype=np.float64),
        np.zeros((1, SIDE, SIDE, 3), dtype=np.int8),
    ],
)
def test_tensors_of_another_kind_are_refused(engine, values):
    with open_backend(engine_spec(engine), engine_bytes(engine), threads=1) as backend:
        with pytest.raises(EngineError, match="the engine takes float32"):
            backend.infer(values)


@pytest.mark.parametrize(
    "changes", [{"name": "other"}, {"shape": [1, 16, 16, 16]}, {"dtype": "int8", "scale": 1, "zero_point": 0}]
)
def test_an_engine_with_other_tensors_than_its_manifest_is_refused(engine, changes):
    with pytest.raises(EngineError, match=r"(in|out)put is .* as its manifest says"):
        open_backend(engine_spec(engine, **changes), engine_bytes(engine), threads=1)


@pytest.mark.parametrize("changes", [{"scale": 0.5}, {"zero_point": 3}])
def test_a_quantised_engine_with_another_scale_is_refused(changes):
    """TFLite says how its tensors are quantised; ONNX does not."""
    require_library("tflite")
    with pytest.raises(EngineError, match="zero point -128"):
        open_backend(engine_spec("tflite", "int8", **changes), engine_bytes("tflite", "int8"), threads=1)


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\x00" * 64, b"PK\x03\x04" + b"\xff" * 400])
def test_bytes_that_are_no_engine_are_refused(engine, data):
    with pytest.raises(EngineError, match="cannot load the engine"):
        open_backend(engine_spec(engine), data, threads=1)


@pytest.mark.parametrize("engine_name", ENGINES)
@PATIENT
@given(data=st.data())
def test_a_cut_engine_is_refused(engine_name, data):
    """Half a file is an error, never a crash. (From a bundle it does not come this far: members are checked.)"""
    require_library(engine_name)
    if engine_name == "tflite" and importlib.util.find_spec("ai_edge_litert") is None:
        pytest.skip("tflite_runtime does not verify its files")
    whole = engine_bytes(engine_name)
    length = data.draw(st.integers(0, len(whole) // 2))
    with pytest.raises(EngineError):
        open_backend(engine_spec(engine_name), whole[:length], threads=1)


class Constant(Backend):
    """An engine whose output is what the test says."""

    library = "constant"

    def _load(self, data, threads):
        if data == b"broken":
            raise EngineError("broken")
        self.output = None
        self.closed = 0

    def _infer(self, tensor):
        return self.output

    def _close(self):
        self.closed += 1


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (np.full((1, 16, 4, 4), np.nan, dtype=np.float32), "not finite"),
        (np.full((1, 16, 4, 4), -np.inf, dtype=np.float32), "not finite"),
        (np.zeros((1, 4, 4, 16), dtype=np.float32), "the engine computed"),
        (np.zeros((1, 16, 4, 4), dtype=np.float64), "the engine computed"),
    ],
)
def test_outputs_that_cannot_be_are_refused(output, message):
    backend = Constant(engine_spec("onnx"), b"", 1)
    backend.output = output
    with pytest.raises(EngineError, match=message):
        backend.infer(tensor("onnx"))


def test_an_engine_is_closed_once_and_only_when_it_was_open():
    backend = Constant(engine_spec("onnx"), b"", 1)
    with backend:
        pass
    backend.close()
    assert backend.closed == 1
    with pytest.raises(EngineError, match="broken"):
        Constant(engine_spec("onnx"), b"broken", 1)


@pytest.mark.parametrize(
    ("engine_name", "modules"), [("onnx", ["onnxruntime"]), ("tflite", ["ai_edge_litert", "tflite_runtime"])]
)
def test_a_missing_library_is_named_with_the_command_that_installs_it(engine_name, modules, monkeypatch):
    for module in [name for name in sys.modules if name.split(".")[0] in modules]:
        monkeypatch.delitem(sys.modules, module)

    class Absent:
        """Finds nothing where the library would be."""

        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] in modules:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(sys, "meta_path", [Absent()] + sys.meta_path)
    with pytest.raises(EngineError) as caught:
        open_backend(engine_spec(engine_name), engine_bytes(engine_name), threads=1)
    assert "is not installed" in caught.value.message
    if (engine_name, sys.version_info[:2]) == ("tflite", (3, 6)):
        assert "another engine" in caught.value.hint
    else:
        assert "-m pip install" in caught.value.hint


def test_a_library_that_does_not_import_says_why(monkeypatch, tmp_path):
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('libfoo.so.7: cannot open shared object file')")
    for name in [name for name in sys.modules if name.split(".")[0] == "onnxruntime"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    with pytest.raises(EngineError, match=r"does not import: libfoo\.so\.7"):
        open_backend(engine_spec("onnx"), engine_bytes("onnx"), threads=1)


@pytest.mark.parametrize(
    ("version", "bits", "package"),
    [
        ((3, 6), 64, None),
        ((3, 7), 64, "tflite-runtime"),
        ((3, 8), 64, "tflite-runtime"),
        ((3, 9), 64, "ai-edge-litert"),
        ((3, 13), 64, "ai-edge-litert"),
        ((3, 11), 32, "tflite-runtime"),
        ((3, 13), 32, None),
    ],
)
def test_the_install_command_is_for_this_python(version, bits, package):
    command = install_command("litert", version, bits)
    if package is None:
        assert command is None
    else:
        assert package in command
        assert command.startswith("python{}.{} -m pip".format(*version))
