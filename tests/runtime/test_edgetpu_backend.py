"""The Edge TPU's back end against real delegate libraries that behave, and misbehave, as libedgetpu does."""

import json
import os
import re
import sys

import numpy as np
import pytest
from delegates import build_delegate
from tiny_bundles import FIXTURES, SIDE, edgetpu_bundle, engine_bytes, probe_members, require_library, squares

from edgepose.bench.measure import DEFAULT_SETTINGS
from edgepose.runtime.backends import edgetpu_probe
from edgepose.runtime.backends.edgetpu import LIBRARY_VARIABLE, EdgeTpuBackend, is_compiled, libedgetpu_device
from edgepose.runtime.backends.litert import import_interpreter
from edgepose.runtime.bench_record import bench_bundle
from edgepose.runtime.bench_table import bench_table
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.errors import EngineError, UsageError
from edgepose.runtime.estimator import ON_CPU, PoseEstimator, load
from edgepose.runtime.main import main
from edgepose.runtime.probe import check_probe

ENGINE = engine_bytes("tflite", "int8")
BRIEF = DEFAULT_SETTINGS._replace(min_duration_s=0.0)


def compiled_engine():
    with open(os.path.join(FIXTURES, "tiny-int8-edgetpu.tflite"), "rb") as file:
        return file.read()


@pytest.fixture(autouse=True)
def _library():
    require_library("tflite")


@pytest.fixture
def delegate(tmp_path, monkeypatch):
    """``delegate(behaviour)`` builds a library of it and names it as libedgetpu."""

    def make(behaviour):
        library = build_delegate(tmp_path, behaviour)
        monkeypatch.setenv(LIBRARY_VARIABLE, library)
        return library

    return make


@pytest.fixture
def finished(tmp_path):
    path = tmp_path / "finished.edgepose"
    keypoints = np.full((16, 2), 12.0)
    path.write_bytes(edgetpu_bundle(ENGINE, compiled_engine(), probe_members(keypoints, squares())))
    return str(path)


@pytest.fixture
def unfinished(tmp_path):
    path = tmp_path / "unfinished.edgepose"
    path.write_bytes(edgetpu_bundle(ENGINE, probe=probe_members(np.full((16, 2), 12.0), squares())))
    return str(path)


def test_the_delegate_computes_what_the_engine_asks_it_to(delegate, finished):
    delegate("HEALTHY")
    assert is_compiled(compiled_engine())
    with load(finished, device=0) as estimator:
        assert estimator.fallback is None
        assert ON_CPU not in estimator.library
        values = np.random.RandomState(0).randint(-128, 128, (1, SIDE, SIDE, 3)).astype(np.int8)
        heatmaps = estimator._backend.infer(values)
    np.testing.assert_array_equal(heatmaps.ravel(), values.ravel()[: heatmaps.size])


FAILURES = [
    ("NO_DEVICE", r"no Edge TPU is attached|Edge TPU at \S+ cannot be opened|may not open", "lsusb|cable|udev"),
    ("REASON", r"failed with \S+ \S+ while it was loaded: (.|\n)*options:", "coral.md"),
    ("CRASH_ON_LOAD", r"crashed with SIGSEGV while it was loaded", "built for another version"),
    ("CRASH_ON_OPEN", r"crashed with SIGSEGV while it took over the engine", "built for another version"),
    ("CRASH_ON_RUN", r"crashed with SIGSEGV while it ran the engine", "built for another version"),
    ("EXITS", r"failed with \S+ \S+ while it was loaded", "coral.md"),
    ("OLD_RUNTIME", r"needs Edge TPU runtime 14, and this one is 13", "update libedgetpu"),
    ("IDLE", r"did not take the Edge TPU delegate", "built for this version"),
    ("NO_SYMBOLS", r"does not load: .*tflite_plugin_create_delegate", "build for this system"),
]


@pytest.mark.parametrize(("behaviour", "complaint", "hint"), FAILURES, ids=[one[0] for one in FAILURES])
def test_each_failure_is_one_clear_error(delegate, finished, behaviour, complaint, hint):
    delegate(behaviour)
    with pytest.raises(EngineError, match=complaint) as caught:
        load(finished)
    assert re.search(hint, caught.value.hint)
    assert "--allow-cpu" in caught.value.hint


def test_the_cpu_takes_over_where_it_may(delegate, finished):
    delegate("CRASH_ON_RUN")
    with load(finished, allow_cpu=True) as estimator:
        assert "crashed with SIGSEGV" in estimator.fallback
        assert estimator.library.endswith(ON_CPU)
        assert estimator(squares()).keypoints.shape == (16, 2)


@pytest.mark.parametrize(
    ("name", "complaint", "hint"),
    [
        ("libedgetpu.so.1.of-nobody", "libedgetpu.so.1.of-nobody is not installed", "libedgetpu1-std"),
        ("/etc/passwd", "does not load", "build for this system"),
    ],
)
def test_a_library_that_is_none(finished, monkeypatch, name, complaint, hint):
    monkeypatch.setenv(LIBRARY_VARIABLE, name)
    with pytest.raises(EngineError, match=complaint) as caught:
        load(finished)
    assert hint in caught.value.hint


def test_a_device_that_does_not_answer(delegate, finished, monkeypatch):
    delegate("HANG")
    monkeypatch.setattr(edgetpu_probe, "PROBE_SECONDS", 2)
    with pytest.raises(EngineError, match=r"did not answer while .* loaded"):
        load(finished)


def test_the_device_is_passed_on(delegate, finished):
    delegate("REASON")
    for which, name in ((1, ":1"), ("usb:0", "usb:0")):
        with pytest.raises(EngineError, match="options: device={}".format(name)):
            load(finished, device=which)


@pytest.mark.parametrize("which", ["", "usb:", "gpu:0", "-1", "1.5", "usb:0;rm", 1234, True])
def test_a_device_that_cannot_be(which, finished):
    with pytest.raises(UsageError, match="is no Edge TPU"):
        libedgetpu_device(which)
    with pytest.raises(UsageError, match="is no Edge TPU"):
        load(finished, device=which)


def test_an_engine_that_was_never_compiled_is_not_run_by_the_cpu_unasked(unfinished):
    with pytest.raises(EngineError, match="is not compiled for the Edge TPU yet") as caught:
        load(unfinished)
    assert "edgepose finish" in caught.value.hint
    with load(unfinished, allow_cpu=True) as estimator:
        assert "not compiled" in estimator.fallback


def test_a_bundle_without_an_engine_for_the_cpu_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv(LIBRARY_VARIABLE, "libedgetpu.so.1.of-nobody")
    path = tmp_path / "compiled.edgepose"
    path.write_bytes(edgetpu_bundle(compiled_engine()))
    with pytest.raises(EngineError, match="is not installed, and the bundle has no engine for the CPU"):
        load(str(path), allow_cpu=True)


def test_other_engines_take_no_edge_tpu(bundle_path):
    with pytest.raises(UsageError, match="run on no Edge TPU"):
        PoseEstimator(Bundle.open(bundle_path), device=0)


def test_every_result_of_the_cpu_is_marked(unfinished, tmp_path, capfd):
    import cv2

    picture = str(tmp_path / "picture.png")
    cv2.imwrite(picture, squares())
    assert main(["run", picture, "--allow-cpu", "--json", "-"], unfinished) == 0
    printed = capfd.readouterr()
    assert "not compiled" in json.loads(printed.out)["fallback"]
    assert "warning: by the CPU" in printed.err
    document, table = str(tmp_path / "poses.json"), str(tmp_path / "poses.csv")
    assert main(["run", picture, "--allow-cpu", "--json", document, "--csv", table], unfinished) == 0
    with open(document) as file:
        assert "not compiled" in json.load(file)["fallback"]
    with open(table) as file:
        header, row = [line.strip().split(",") for line in file]
    assert header[-1] == "fallback"
    assert "not compiled" in row[-1]
    assert main(["run", picture, "--allow-cpu"], unfinished) == 0
    assert "by the CPU, not the accelerator" in capfd.readouterr().out
    report = check_probe(Bundle.open(unfinished), allow_cpu=True)
    assert "by the CPU" in report.summary
    measured = bench_bundle(unfinished, settings=BRIEF, accelerator=(None, True))
    assert measured["kind"] == "host-simulated"
    assert "warning: BY THE CPU" in bench_table(measured)
    assert measured["engine"]["fallback"]
    assert measured["edgetpu"]["clock"] in (None, "std", "max")


def test_nothing_is_marked_where_the_edge_tpu_computes(delegate, finished, tmp_path, capfd):
    import cv2

    delegate("HEALTHY")
    picture = str(tmp_path / "picture.png")
    cv2.imwrite(picture, squares())
    assert main(["run", picture, "--json", "-"], finished) == 0
    printed = capfd.readouterr()
    assert "fallback" not in json.loads(printed.out)
    assert "CPU" not in printed.err
    assert bench_bundle(finished, settings=BRIEF)["kind"] == "measured"


def test_without_permission_to_fall_back_the_command_exits_1(unfinished, tmp_path, capfd):
    import cv2

    picture = str(tmp_path / "picture.png")
    cv2.imwrite(picture, squares())
    assert main(["run", picture], unfinished) == 1
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "hint: " in printed.err
    assert "Traceback" not in printed.err


def test_the_runtime_that_libedgetpu_is_built_for_comes_first(tmp_path, monkeypatch):
    """Where both are installed; stand-ins that name themselves, as only one is ever here."""
    for name in ("tflite_runtime", "ai_edge_litert"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
        (tmp_path / name / "interpreter.py").write_text("class Interpreter(object):\n    pass\n")
        for module in (name, name + ".interpreter"):
            monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert import_interpreter(EdgeTpuBackend.modules)[0].__name__ == "tflite_runtime"
    assert import_interpreter()[0].__name__ == "ai_edge_litert"
    for name in ("tflite_runtime", "ai_edge_litert"):  # the tests that follow need the real one
        for module in (name, name + ".interpreter"):
            del sys.modules[module]
