import copy

import pytest
from tiny_bundles import manifest_document

from edgepose.runtime.errors import BundleError
from edgepose.runtime.manifest import Manifest, to_bytes


def document(engine="onnx", dtype="float32"):
    whole = manifest_document(engine, dtype)
    whole["members"] = {"engine." + engine: {"bytes": 3, "sha256": "a" * 64}}
    return whole


def changed(path, value, dtype="float32"):
    whole = document(dtype=dtype)
    *parents, last = path.split(".")
    place = whole
    for parent in parents:
        place = place[parent]
    place[last] = value
    return whole


def test_what_code_acts_on():
    manifest = Manifest(document("tflite", "int8"))
    assert manifest.input_size == 32
    assert manifest.heatmap_size == (4, 4)
    assert manifest.engine.input.scale == 1 / 255.0
    assert manifest.engine.output.zero_point == -128
    assert manifest.decoder.upsampling == 8


def test_canonical_bytes_round_trip():
    whole = document()
    assert Manifest.from_bytes(to_bytes(whole)).document == whole
    assert to_bytes(whole) == to_bytes(dict(reversed(list(copy.deepcopy(whole).items()))))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("schema", 2, "schema version 2"),
        ("schema", True, "schema version True"),
        ("schema", None, "schema version None"),
        ("name", "../x", "name holds"),
        ("name", "", "name is missing"),
        ("precision", "int4", "precision is 'int4'"),
        ("engine", [], "engine is missing or not an object"),
        ("engine.format", "coreml", "format is 'coreml'"),
        ("engine.member", "other", "engine.member names 'other'"),
        ("engine.macs", -1, "engine.macs is -1"),
        ("engine.macs", 1.5, "not a whole number"),
        ("engine.input.shape", [1, 3, 32], "four numbers"),
        ("engine.input.shape", [2, 3, 32, 32], "batch of 2"),
        ("engine.input.shape", [1, 3, 32, 64], "not a square RGB image"),
        ("engine.input.shape", [1, 3, 0, 32], "engine.input.shape is 0"),
        ("engine.input.scale", 0.5, "is float and yet has a scale"),
        ("engine.output.shape", [1, 17, 4, 4], "has not 16 channels"),
        ("engine.output.layout", "HWC", "layout is 'HWC'"),
        ("preprocessing.mode", "stretch", "mode is 'stretch'"),
        ("preprocessing.scale", [1, 2], "list of 3 numbers"),
        ("preprocessing.scale", [1, 2, "3"], "scale is not a number"),
        ("preprocessing.offset", [1, 2, 1e300], "out of range"),
        ("decoder.upsampling", 3, "not a power of two"),
        ("decoder.upsampling", 128, "outside 1 to 64"),
        ("decoder.sigma", 0, "outside 0 to 16"),
        ("decoder.default", "argmax", "default is 'argmax'"),
        ("decoder.joints", ["nose"], "sixteen joints"),
        ("members", [], "members is missing"),
        ("members.extra", {"bytes": -1, "sha256": "a" * 64}, "bytes is -1"),
        ("members.extra", {"bytes": 1, "sha256": "A" * 64}, "not a SHA-256"),
        ("members.extra", {"bytes": 512 << 20, "sha256": "a" * 64}, "add up to"),
    ],
)
def test_the_first_wrong_field_is_named(path, value, message):
    with pytest.raises(BundleError, match=message):
        Manifest(changed(path, value))


def test_maps_too_large_for_the_decoder_are_refused():
    """Upsampled to 65,536 pixels a side, the decoder's tables alone would take gigabytes."""
    whole = document()
    whole["engine"]["output"]["shape"] = [1, 16, 1024, 1024]
    whole["decoder"]["upsampling"] = 64
    with pytest.raises(BundleError, match="maps of 65536 pixels a side"):
        Manifest(whole)


@pytest.mark.parametrize("value", [0, -1.0, None])
def test_an_int8_tensor_needs_a_scale(value):
    with pytest.raises(BundleError, match=r"engine\.input\.scale"):
        Manifest(changed("engine.input.scale", value, dtype="int8"))


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{", b'"text"', b'{"schema": NaN}', b"\xff\xfe", b"[" * 100000, b"0" * (2 << 20)]
)
def test_what_is_no_manifest_is_refused(data):
    with pytest.raises(BundleError):
        Manifest.from_bytes(data)
