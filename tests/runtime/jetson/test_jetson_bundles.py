"""A Jetson bundle where it can be opened: on a board, on a board that lacks something, and off a board."""

import json
import os
import sys
import types

import numpy as np
import pytest
from board_double import NANO, tensorrt_document, tensorrt_spec
from tiny_bundles import engine_bytes, probe_members, require_library, seal, squares

import edgepose
from edgepose.runtime.backends import open_backend
from edgepose.runtime.backends.tensorrt import TensorRtOptions, board, build_ahead
from edgepose.runtime.backends.tensorrt.board import Memory, memory_advice, read_board, read_memory
from edgepose.runtime.backends.tensorrt.libraries import MissingTensorRtError, import_tensorrt
from edgepose.runtime.backends.tensorrt.policy import computes_in
from edgepose.runtime.errors import EngineError, UsageError
from edgepose.runtime.main import main
from edgepose.runtime.manifest import Manifest

NANO_RELEASE = "# R32 (release), REVISION: 7.6, GCID: 38171779, BOARD: t210ref, EABI: aarch64, DATE: Tue Nov 5\n"


@pytest.fixture
def no_tensorrt(monkeypatch):
    """A machine without the module ``tensorrt``."""
    monkeypatch.setitem(sys.modules, "tensorrt", None)


@pytest.fixture
def on_a_jetson(monkeypatch, tmp_path):
    (tmp_path / "release").write_text(NANO_RELEASE)
    monkeypatch.setattr(board, "TEGRA_RELEASE", str(tmp_path / "release"))


@pytest.fixture
def bundle(tmp_path):
    """The path of a Jetson bundle whose probe it passes."""
    require_library("onnx")
    frame = squares(64, 64)
    places = [(23, 23), (23, 39), (39, 23)]
    members = dict(probe_members([places[joint % 3] for joint in range(16)], frame), **{"engine.onnx": engine_bytes()})
    path = str(tmp_path / "tiny-jetson.edgepose")
    with open(path, "wb") as file:
        file.write(seal(dict(tensorrt_document(), name="tiny-jetson-fp16"), members))
    return path


def test_off_a_board_onnx_runtime_computes_the_graph_and_says_so(no_tensorrt, bundle):
    with edgepose.load(bundle) as estimator:
        pose = estimator(squares(64, 64))
        assert "bindings are not installed" in estimator.fallback
        assert "16-bit floats computed in 32" in estimator.fallback
        assert estimator.library.startswith("onnxruntime ")
        assert estimator.library.endswith(" on the CPU instead of the accelerator")
    np.testing.assert_allclose(pose.keypoints[0], (23, 23), atol=1)


def test_simulating_is_as_well_to_be_asked_for(bundle):
    with edgepose.load(bundle, simulate=True) as estimator:
        assert "as asked for" in estimator.fallback


def test_every_figure_off_a_board_says_what_it_is(no_tensorrt, bundle, capsys, tmp_path):
    assert main(["check"], bundle) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("agrees")
    assert "by the CPU: TensorRT's Python bindings are not installed" in printed.out
    report = str(tmp_path / "report.json")
    assert main(["bench", "--seconds", "0", "--json", report], bundle) == 0
    assert "BY THE CPU, not the accelerator" in capsys.readouterr().out
    with open(report) as file:
        assert json.load(file)["kind"] == "host-simulated"


def test_a_board_without_tensorrt_does_not_fall_back(no_tensorrt, on_a_jetson, bundle, capsys):
    for command in (["run", "x.png"], ["check"], ["bench"], ["build"]):
        assert main(command, bundle) == 1
        printed = capsys.readouterr().err
        assert "bindings are not installed" in printed
        assert "sudo apt install python3-libnvinfer" in printed
    assert main(["check", "--allow-cpu"], bundle) == 0
    assert "by the CPU" in capsys.readouterr().out


def test_an_engine_is_not_built_off_a_board(no_tensorrt, bundle, capsys):
    assert main(["build"], bundle) == 1
    assert "copy the bundle there" in capsys.readouterr().err


def test_a_finished_engine_has_nothing_to_build(bundle_path, capsys):
    assert main(["build"], bundle_path) == 2
    assert "nothing to build" in capsys.readouterr().err
    assert main(["check", "--dla", "0"], bundle_path) == 2
    assert "leave the options of TensorRT out" in capsys.readouterr().err
    with pytest.raises(UsageError, match="TensorRT does not build it"):
        edgepose.load(bundle_path, simulate=True)


def test_the_command_line_builds_and_runs_on_a_board(new_board, bundle, capfd, monkeypatch, tmp_path):
    """From the words typed to the engine: only finding the module and the CUDA library is taken away."""
    double = new_board("8.2")
    install(monkeypatch, double)
    monkeypatch.setenv("EDGEPOSE_ENGINES", double.folder)
    assert main(["build", "--workspace", "64"], bundle) == 0
    printed = capfd.readouterr()
    assert printed.out.startswith("tiny-jetson-fp16: " + double.folder)
    assert "built in 0 s" in printed.out
    assert "building the TensorRT engine for this board" in printed.err
    assert main(["build", "--json"], bundle) == 0
    record = json.loads(capfd.readouterr().out)
    assert (record["built"], record["workspace_mb"], record["key"]["precision"]) == (False, 64, "fp16")
    assert main(["check"], bundle) == 0
    assert "by the CPU" not in capfd.readouterr().out
    assert main(["bench", "--seconds", "0", "--cuda-graph"], bundle) == 0
    assert "TensorRT 8.2.1.8" in capfd.readouterr().out
    assert double.released


def test_a_build_that_is_interrupted_on_the_command_line_leaves_nothing(new_board, bundle, capfd, monkeypatch):
    double = new_board("8.2")
    install(monkeypatch, double)
    monkeypatch.setenv("EDGEPOSE_ENGINES", double.folder)

    def interrupt():
        raise KeyboardInterrupt

    double.world.during_build = interrupt
    assert main(["build"], bundle) == 130
    assert "error: interrupted" in capfd.readouterr().err
    assert not [name for name in os.listdir(double.folder) if name.endswith(".engine")]
    assert double.released


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["check", "--simulate", "--dla", "0"], "--simulate runs nothing in TensorRT"),
        (["check", "--tpu", "0"], "tensorrt engines run on no Edge TPU"),
        (["check", "--dla", "9"], "the DLA core is 9"),
        (["build", "--workspace", "1"], "the workspace in MB is 1"),
        (["build", "--workspace", "lots"], "invalid int value"),
    ],
)
def test_options_that_cannot_be_are_usage_errors(bundle, capfd, words, complaint):
    try:
        assert main(words, bundle) == 2
    finally:
        printed = capfd.readouterr().err
    assert complaint in printed


def install(monkeypatch, double):
    from tensorrt_double import make_tensorrt

    from edgepose.runtime.backends import tensorrt

    monkeypatch.setitem(sys.modules, "tensorrt", make_tensorrt(double.version, double.world))
    runtime = tensorrt.CudaRuntime(double.cuda)
    monkeypatch.setattr(tensorrt.CudaRuntime, "find", lambda: runtime)
    monkeypatch.setattr(tensorrt, "read_board", lambda: double.board)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("raise ImportError('libnvinfer.so.8: cannot open shared object file')", "do not import: libnvinfer"),
        ("import numpy_of_another_age", "do not import: No module named"),
        ("__version__ = '7.1.3'", "TensorRT 7.1 is older than 8.0"),
        ("", "is not NVIDIA's"),
    ],
)
def test_bindings_that_do_not_serve_are_named(monkeypatch, tmp_path, module, words):
    (tmp_path / "tensorrt.py").write_text(module)
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MissingTensorRtError, match=words) as caught:
        import_tensorrt()
    assert caught.value.hint
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)


def test_a_folder_of_the_name_is_not_taken_for_the_bindings(monkeypatch, tmp_path):
    (tmp_path / "tensorrt").mkdir()
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MissingTensorRtError, match="bindings are not installed"):
        import_tensorrt()
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)


def test_bindings_without_a_gpu_are_simulated_off_a_board_and_do_not_build(monkeypatch):
    require_library("onnx")
    from edgepose.runtime.backends import tensorrt

    monkeypatch.setitem(
        sys.modules, "tensorrt", types.SimpleNamespace(__version__="10.3.0", __file__="tensorrt/__init__.py")
    )

    def find():
        raise MissingTensorRtError("CUDA finds no GPU: no CUDA-capable device is detected (100)", "look")

    monkeypatch.setattr(tensorrt.CudaRuntime, "find", find)
    with open_backend(tensorrt_spec(), engine_bytes(), 1) as backend:
        assert "CUDA finds no GPU" in backend.fallback
    with pytest.raises(EngineError, match="CUDA finds no GPU"):
        build_ahead(tensorrt_spec(), engine_bytes(), TensorRtOptions())


def test_what_a_gpu_computes_in():
    """NVIDIA's hardware support matrix."""
    expected = {(5, 0): (), (5, 3): ("fp16",), (6, 0): ("fp16",), (6, 1): ("int8",), (6, 2): ("fp16",)}
    for newer in ((7, 0), (7, 2), (7, 5), (8, 7), (11, 0)):
        expected[newer] = ("fp16", "int8")
    for capability, precisions in expected.items():
        assert tuple(each for each in ("fp16", "int8") if computes_in(capability, each)) == precisions
        assert computes_in(capability, "fp32")


@pytest.mark.parametrize(
    ("release", "l4t", "jetpack"),
    [
        (NANO_RELEASE, "32.7.6", "4.6.6"),
        ("# R36 (release), REVISION: 4.3, GCID: 1, BOARD: generic, EABI: aarch64\n", "36.4.3", "6.2"),
        ("# R32 (release), REVISION: 6.1, GCID: 1\n", "32.6.1", "4.6"),
        ("# R99 (release), REVISION: 1, GCID: 1\n", "99.1.0", None),
        ("something else", None, None),
        ("\xff", None, None),
    ],
)
def test_a_board_says_what_software_it_has(monkeypatch, tmp_path, release, l4t, jetpack):
    path = tmp_path / "release"
    path.write_bytes(release.encode("latin-1"))
    monkeypatch.setattr(board, "TEGRA_RELEASE", str(path))
    monkeypatch.setattr(board, "machine_model", lambda: NANO)
    assert read_board() == (NANO, l4t, jetpack)


def test_memory_is_read_and_a_short_one_is_told_with_the_cure(monkeypatch, tmp_path):
    path = tmp_path / "meminfo"
    path.write_text("MemTotal: 4059664 kB\nMemFree: 1 kB\nMemAvailable: 500000 kB\nSwapFree: 0 kB\nHugePages_Free: 0\n")
    monkeypatch.setattr(board, "MEMORY_INFO", str(path))
    memory = read_memory()
    assert [round(value) for value in memory] == [4157, 512, 0]
    assert "about 900 MB are wanted to build, estimated, and 512 MB and 0 MB of swap are free" in memory_advice(
        memory, 900
    )
    assert "swapon /swapfile" in memory_advice(memory, 900)
    assert memory_advice(Memory(4157, 512, 400), 900) is None
    assert memory_advice(None, 900) is None
    monkeypatch.setattr(board, "MEMORY_INFO", os.path.join(str(tmp_path), "none"))
    assert read_memory() is None


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("boards", [], "boards is not a short list"),
        ("boards", ["x"] * 17, "boards is not a short list"),
        ("boards", [1], "no short text"),
        ("half", 1, "half is not true or false"),
        ("memory_mb", -1, "memory_mb is not positive"),
        ("memory_mb", "1", "memory_mb is not a number"),
    ],
)
def test_a_manifest_says_how_to_build_or_is_refused(field, value, words):
    document = tensorrt_document()
    document["members"] = {"engine.onnx": {"bytes": 0, "sha256": "0" * 64}}
    document["engine"]["build"][field] = value
    with pytest.raises(edgepose.EdgeposeError, match=words):
        Manifest(document)
    del document["engine"]["build"]
    with pytest.raises(edgepose.EdgeposeError, match="build is missing"):
        Manifest(document)
