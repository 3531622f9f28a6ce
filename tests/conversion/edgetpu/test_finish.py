"""Finishing a bundle: the compiled engine goes in, everything else stays, and nothing is half-written."""

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from compiler_logs import LARGE, failure, success
from fake_compiler import make_compiler, runs_of, step
from tiny_bundles import edgetpu_bundle, engine_bytes, manifest_document, seal

from edgepose.conversion.edgetpu.finish import COMPILED_MEMBER, finish
from edgepose.conversion.edgetpu.operator_rules import UNSUPPORTED
from edgepose.conversion.edgetpu.options import EdgeTpuOptions
from edgepose.runtime.backends.edgetpu import is_compiled
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.errors import BundleError, ConversionError, GateError, UsageError

ENGINE = engine_bytes("tflite", "int8")


@pytest.fixture
def bundle(tmp_path):
    path = tmp_path / "tiny.edgepose"
    path.write_bytes(edgetpu_bundle(engine_bytes("tflite", "int8")))
    return path


@pytest.fixture
def options(tmp_path):
    """Options with a compiler that does as it is told."""

    def make(*steps, **others) -> EdgeTpuOptions:
        compiler = make_compiler(tmp_path / "bin", *steps, source=ENGINE)
        return EdgeTpuOptions(str(compiler), **others)

    return make


def test_the_compiled_engine_goes_in_and_all_else_stays(bundle, options):
    before = Bundle.open(bundle)
    result = finish(bundle, None, options(step()))
    after = Bundle.open(bundle)
    engine = after.manifest.engine
    assert (engine.member, engine.cpu_member) == (COMPILED_MEMBER, "engine.tflite")
    assert is_compiled(after.engine_bytes())
    assert after.cpu_engine_bytes() == before.engine_bytes() == ENGINE
    assert set(after.manifest.members) == {*before.manifest.members, COMPILED_MEMBER}
    for name in before.manifest.members:
        assert after.read(name) == before.read(name)
    provenance = after.manifest.provenance
    assert provenance["engine"]["sha256"] == hashlib.sha256(after.engine_bytes()).hexdigest()
    assert provenance["engine"]["compiled_from"] == hashlib.sha256(ENGINE).hexdigest()
    assert provenance["tools"]["edgetpu_compiler"] == "16.0.384591198"
    compiled = after.manifest.measured["edgetpu"]["compiled"]
    assert (compiled["whole"], compiled["mapped"], compiled["log"]["milliseconds"]) == (True, 31, 986)
    assert result.manifest == after.manifest.document
    for name in ("name", "variant", "target", "precision", "preprocessing", "decoder"):
        assert after.manifest.document[name] == before.manifest.document[name]


def test_a_finished_bundle_can_be_finished_anew(bundle, options):
    first = finish(bundle, None, options(step())).path.read_bytes()
    finish(bundle, None, options(step()))
    assert bundle.read_bytes() == first
    compiler = bundle.parent / "bin" / "edgetpu_compiler"
    assert len(runs_of(compiler)) == 2


def test_it_can_go_elsewhere(bundle, options, tmp_path):
    before = bundle.read_bytes()
    finish(bundle, tmp_path / "other.edgepose", options(step()))
    assert bundle.read_bytes() == before
    assert Bundle.open(tmp_path / "other.edgepose").manifest.engine.member == COMPILED_MEMBER


LEFT = success((("CONV_2D", 2, "Mapped to Edge TPU"), ("EXP", 1, UNSUPPORTED)), left=1)


@pytest.mark.parametrize(
    ("steps", "error", "complaint"),
    [
        ([step(failure(LARGE), None, 1)], ConversionError, "activations are too large"),
        ([step(LEFT, "partial")], GateError, f"1 x EXP: {UNSUPPORTED}"),
    ],
)
def test_what_fails_leaves_the_file_as_it_was(bundle, options, steps, error, complaint):
    before = bundle.read_bytes()
    with pytest.raises(error, match=complaint):
        finish(bundle, None, options(*steps, full_mapping=True))
    assert bundle.read_bytes() == before
    assert sorted(path.name for path in bundle.parent.iterdir()) == ["bin", "tiny.edgepose"]


@pytest.mark.parametrize(("variant", "whole_needed"), [("RT_LITE", True), ("RT", False)])
def test_the_lite_variants_must_map_whole_by_default(variant, whole_needed):
    assert EdgeTpuOptions().requires_full_mapping(variant) is whole_needed
    assert EdgeTpuOptions(full_mapping=not whole_needed).requires_full_mapping(variant) is not whole_needed


def test_what_may_stay_on_the_cpu_is_recorded(bundle, options):
    finish(bundle, None, options(step(LEFT, "partial"), full_mapping=False))
    compiled = Bundle.open(bundle).manifest.measured["edgetpu"]["compiled"]
    assert compiled["whole"] is False
    assert compiled["blocking"] == [{"operator": "EXP", "count": 1, "status": UNSUPPORTED}]


def test_other_bundles_and_files_are_refused(tmp_path, options):
    other = tmp_path / "host.edgepose"
    other.write_bytes(seal(manifest_document("tflite", "int8"), {"engine.tflite": ENGINE}))
    with pytest.raises(UsageError, match="holds a tflite engine"):
        finish(other, None, options(step()))
    (tmp_path / "model.tflite").write_bytes(ENGINE)
    with pytest.raises(BundleError, match="is not an edgepose bundle"):
        finish(tmp_path / "model.tflite", None, options(step()))


def test_without_a_compiler_the_error_says_where_there_is_one(bundle, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="no edgetpu_compiler on the search path") as caught:
        finish(bundle, None, EdgeTpuOptions())
    assert "x86-64 Debian" in str(caught.value.hint)


def test_a_foreign_file_is_not_replaced(bundle, options, tmp_path):
    precious = tmp_path / "thesis.edgepose"
    precious.write_text("not a bundle")
    with pytest.raises(UsageError, match="is not an edgepose bundle"):
        finish(bundle, precious, options(step()))
    assert precious.read_text() == "not a bundle"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_the_compiler_ends_and_the_file_stays(bundle, options, number, code):
    compiler = Path(str(options(step(seconds=600)).compiler))
    before = bundle.read_bytes()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    words = [sys.executable, "-m", "edgepose", "finish", str(bundle), "--edgetpu-compiler", str(compiler)]
    process = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True)
    while not compiler.with_suffix(".pid").exists():
        assert process.poll() is None, process.stderr.read()
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert (process.returncode, "nothing was left half-written" in told) == (code, True)
    assert bundle.read_bytes() == before
    assert sorted(path.name for path in bundle.parent.iterdir()) == ["bin", "tiny.edgepose"]
    with pytest.raises(ProcessLookupError):
        os.kill(int(compiler.with_suffix(".pid").read_text()), 0)
