import hashlib

import pytest
from tiny_bundles import engine_bytes, manifest_document, seal

from edgepose.conversion.cache import StageCache, StageResult
from edgepose.evaluation.float_reference import find_reference, open_reference
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.errors import UsageError

A, B = "a" * 64, "b" * 64


@pytest.fixture
def write(tmp_path):
    """``write(name, precision, simplified, source)``: a bundle that says it comes from there."""

    def write(name, precision="fp32", simplified=None, source=None):
        provenance = {"simplified_onnx": {"sha256": simplified}, "source": {"sha256": source}}
        document = dict(manifest_document("onnx"), precision=precision, provenance=provenance)
        path = tmp_path / name
        path.write_bytes(seal(document, {"engine.onnx": engine_bytes("onnx")}))
        return path

    return write


def test_a_float_bundle_of_the_same_onnx_or_else_of_the_same_checkpoint_will_do(write):
    bundle = Bundle.open(write("int8", "int8", A, B))
    assert open_reference(bundle, write("same-onnx", "fp32", A, A)).manifest.precision == "fp32"
    assert open_reference(bundle, write("same-checkpoint", "fp32", B, B)).manifest.precision == "fp32"


@pytest.mark.parametrize(
    ("precision", "simplified", "source", "message"),
    [
        ("fp16", A, A, "is fp16, not fp32"),
        ("fp32", B, A, "not of the checkpoint"),
        ("fp32", None, None, "not of the checkpoint"),
    ],
)
def test_another_will_not(write, precision, simplified, source, message):
    with pytest.raises(UsageError, match=message) as raised:
        open_reference(Bundle.open(write("bundle", "fp16", A, B)), write("other", precision, simplified, source))
    assert "edgepose" in raised.value.hint


def test_bundles_that_say_nothing_of_their_origin_have_none_in_common(write):
    with pytest.raises(UsageError, match="not of the checkpoint"):
        open_reference(Bundle.open(write("one")), write("other"))


def test_the_simplified_onnx_is_found_in_the_cache(write, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEPOSE_CACHE", str(tmp_path / "cache"))
    onnx = b"the float model"
    sha256 = hashlib.sha256(onnx).hexdigest()
    bundle = Bundle.open(write("fp16", "fp16", sha256))
    assert find_reference(bundle) is None
    cache = StageCache(tmp_path / "cache")
    cache.put("lower", "1" * 64, StageResult(onnx, {}))
    assert find_reference(bundle) is None
    cache.put("simplify", "2" * 64, StageResult(onnx, {}))
    found = find_reference(bundle)
    assert found.engine_bytes() == onnx
    assert (found.manifest.precision, found.manifest.variant) == ("fp32", "RT")
    assert len(found.sha256) == 64
    assert find_reference(Bundle.open(write("silent", "fp16"))) is None
