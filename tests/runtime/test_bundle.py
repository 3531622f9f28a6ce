import io
import json
import os
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_bundles import PATIENT, engine_bytes, manifest_document, seal, seal_manifest, tiny_bundle

from edgepose.runtime.bundle import Bundle
from edgepose.runtime.errors import BundleError
from edgepose.runtime.manifest import to_bytes

WHOLE = tiny_bundle(probe={"probe/poses.json": b"{}"})


def open_bytes(data, path):
    with open(path, "wb") as file:
        file.write(data)
    return Bundle.open(path)


def content(bundle):
    return bundle.sha256, {name: bundle.read(name) for name in bundle.manifest.members}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return str(tmp_path_factory.mktemp("bundles") / "scratch.edgepose")


def refusal(data, scratch):
    with pytest.raises(BundleError) as caught:
        open_bytes(data, scratch)
    assert scratch in caught.value.message or "manifest" in caught.value.message
    return caught.value


def test_opens_and_reads(scratch):
    bundle = open_bytes(WHOLE, scratch)
    assert bundle.manifest.name == "tiny-host-fp32"
    assert bundle.engine_bytes() == engine_bytes()
    assert bundle.read("probe/poses.json") == b"{}"
    with pytest.raises(BundleError, match="no member 'other'"):
        bundle.read("other")


@PATIENT
@given(position=st.integers(0, len(WHOLE) - 1), mask=st.integers(1, 255))
def test_any_flipped_byte_is_refused(scratch, position, mask):
    refusal(flipped(position, mask), scratch)


def test_every_flipped_bit_of_the_zip_is_refused(scratch):
    """Exhaustive over the zip's own structures, where the first member is of local ones; property tests do the rest."""
    for position in list(range(50)) + list(range(WHOLE.index(b"PK\x01\x02"), len(WHOLE))):
        for bit in range(8):
            refusal(flipped(position, 1 << bit), scratch)


def flipped(position, mask):
    damaged = bytearray(WHOLE)
    damaged[position] ^= mask
    return bytes(damaged)


@PATIENT
@given(length=st.integers(0, len(WHOLE) - 1))
def test_a_cut_file_is_refused(scratch, length):
    refusal(WHOLE[:length], scratch)


@PATIENT
@given(data=st.binary(max_size=200))
def test_bytes_appended_or_prepended_are_refused_or_change_nothing(scratch, data):
    assert_refused_or_unchanged(WHOLE + data, scratch)
    assert_refused_or_unchanged(data + WHOLE, scratch)


def assert_refused_or_unchanged(data, scratch):
    expected = content(open_bytes(WHOLE, scratch))
    try:
        bundle = open_bytes(data, scratch)
    except BundleError:
        return
    assert content(bundle) == expected


@pytest.mark.parametrize("data", [b"", b"PK\x05\x06", b"not a zip" * 100, b"\x00" * 4096])
def test_what_is_no_zip_is_refused(data, scratch):
    assert "not an edgepose bundle" in refusal(data, scratch).message


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(BundleError, match="there is no file"):
        Bundle.open(str(tmp_path / "missing"))
    with pytest.raises(BundleError, match="folder"):
        Bundle.open(str(tmp_path))


def test_a_missing_member_is_named(scratch):
    members = {"engine.onnx": engine_bytes(), "probe/poses.json": b"{}"}
    document = json.loads(
        zipfile.ZipFile(io.BytesIO(seal(manifest_document(), members))).read("manifest.json").decode()
    )
    del members["probe/poses.json"]
    assert "lacks its member 'probe/poses.json'" in refusal(seal_manifest(to_bytes(document), members), scratch).message


def test_a_member_that_the_manifest_does_not_list_is_named(scratch):
    sealed = seal(manifest_document(), {"engine.onnx": engine_bytes()})
    manifest = zipfile.ZipFile(io.BytesIO(sealed)).read("manifest.json")
    stranger = seal_manifest(manifest, {"engine.onnx": engine_bytes(), "sitecustomize.py": b"boom"})
    assert "'sitecustomize.py', which its manifest does not list" in refusal(stranger, scratch).message


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_duplicate_member_is_refused(scratch):
    with open(scratch, "wb") as file:
        file.write(WHOLE)
    with zipfile.ZipFile(scratch, "a") as archive:
        archive.writestr("engine.onnx", b"another")
    with pytest.raises(BundleError, match=r"holds 'engine\.onnx' twice"):
        Bundle.open(scratch)


def test_an_archive_without_a_manifest_is_refused(scratch):
    with zipfile.ZipFile(scratch, "w") as archive:
        archive.writestr("readme.txt", b"hello")
    with pytest.raises(BundleError, match=r"no manifest\.json"):
        Bundle.open(scratch)


@pytest.mark.parametrize(
    "name", ["../evil.py", "/etc/passwd", "a/../../b", "a//b", ".hidden", "a\\b", "C:/x", "a b", "manifest.json"]
)
def test_unsafe_member_names_are_refused(name, scratch):
    """Nothing is ever extracted; a name that could escape a folder is refused all the same."""
    document = manifest_document()
    entry = {"bytes": 1, "sha256": "0" * 64}
    document["members"] = {"engine.onnx": entry, name: entry}
    data = seal_manifest(to_bytes(document), {"engine.onnx": b"x"})
    assert "unsafe name" in refusal(data, scratch).message


def test_a_schema_from_the_future_says_so(scratch):
    document = dict(manifest_document(), schema=2)
    error = refusal(seal(document, {"engine.onnx": engine_bytes()}), scratch)
    assert "schema version 2" in error.message
    assert "edgepose" in error.hint


def test_a_tensor_of_ten_terabytes_is_refused_before_anything_is_allocated(scratch):
    document = manifest_document()
    document["engine"]["input"]["shape"] = [1, 3, 16384, 16384]
    assert "claims a tensor of" in refusal(seal(document, {"engine.onnx": engine_bytes()}), scratch).message
    document["engine"]["input"]["shape"] = [1, 3, 10**6, 10**6]
    assert "engine.input.shape" in refusal(seal(document, {"engine.onnx": engine_bytes()}), scratch).message


def test_a_member_that_claims_terabytes_is_refused(scratch):
    """The size in the central directory, raised to nearly 4 GiB."""
    data = bytearray(WHOLE)
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 0xFFFFFFFE)
    assert "claims" in refusal(bytes(data), scratch).message


def test_a_zip_bomb_is_read_no_further_than_the_manifest_allows(scratch):
    """A member that inflates to 200 MB where the manifest lists 1000 bytes."""
    bomb = io.BytesIO()
    document = manifest_document()
    document["members"] = {"engine.onnx": {"bytes": 1000, "sha256": "0" * 64}}
    sealed = seal_manifest(to_bytes(document), {})
    with zipfile.ZipFile(io.BytesIO(sealed)) as archive:
        manifest = archive.read("manifest.json")
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", manifest)
        archive.writestr("engine.onnx", b"\0" * 200000000)
    honest = bomb.getvalue()
    assert len(honest) < 300000
    assert "claims 200000000 bytes" in refusal(honest, scratch).message
    # The same, its header now claiming what the manifest lists.
    lying = honest.replace(struct.pack("<I", 200000000), struct.pack("<I", 1000))
    assert lying != honest
    refusal(lying, scratch)


def test_an_encrypted_member_is_refused(scratch):
    data = bytearray(WHOLE)
    for signature, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        data[data.index(signature) + offset] |= 1
    refusal(bytes(data), scratch)


def test_unreadable_files_are_refused(scratch):
    open_bytes(WHOLE, scratch)
    os.chmod(scratch, 0)
    try:
        if os.access(scratch, os.R_OK):
            pytest.skip("this user may read everything")
        with pytest.raises(BundleError, match="cannot read"):
            Bundle.open(scratch)
    finally:
        os.chmod(scratch, 0o644)
