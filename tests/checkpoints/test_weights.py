import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgepose.checkpoints import (
    checkpoint_digest,
    demo_weights,
    fetch_official_weights,
    list_official_weights,
    resolve_checkpoint,
    weights,
)
from edgepose.checkpoints.files import git_blob_id
from edgepose.network.variants import VARIANTS
from edgepose.runtime.errors import CheckpointError, EdgeposeError, UsageError

NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody listens


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An empty folder for weights, and no other place to find any."""
    monkeypatch.setenv("EDGEPOSE_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.delenv("EDGEPOSE_REFERENCE", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "weights"


def test_git_knows_these_contents_by_these_ids():
    assert git_blob_id(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert git_blob_id(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"


@given(contents=st.binary(min_size=1), position=st.integers(0), value=st.integers(1, 255))
def test_any_changed_byte_changes_the_id(contents, position, value):
    changed = bytearray(contents)
    changed[position % len(contents)] ^= value
    assert git_blob_id(bytes(changed)) != git_blob_id(contents)


def test_every_variant_has_official_weights_and_none_is_here_yet(folder):
    listed = list_official_weights()
    assert [entry.variant for entry in listed] == list(VARIANTS)
    assert len({entry.git_blob_id for entry in listed}) == len(VARIANTS)
    assert all(entry.path is None for entry in listed)
    assert listed[-1].file_name == "EfficientPoseII_LITE.h5"
    assert not folder.exists()


def test_the_weights_lie_in_the_users_cache_unless_told_otherwise(monkeypatch, folder):
    assert weights.weights_folder() == folder
    monkeypatch.delenv("EDGEPOSE_WEIGHTS")
    assert weights.weights_folder().parts[-2:] == ("edgepose", "weights")


@pytest.mark.parametrize("name", ["RT", "I", "RT_LITE", "I_LITE"])
def test_the_pinned_ids_are_those_of_the_official_files(name, folder, reference, monkeypatch):
    monkeypatch.setenv("EDGEPOSE_REFERENCE", str(reference))
    file = reference / "weights" / f"EfficientPose{name}.h5"
    assert fetch_official_weights(name, base_url=NOWHERE) == file
    assert resolve_checkpoint(file, name) == (file, "official", None)
    assert {entry.variant: entry.path for entry in list_official_weights()}[name] == file


def test_a_cached_file_is_taken_before_any_other(folder, reference):
    folder.mkdir()
    shutil.copy(reference / "weights" / "EfficientPoseRT.h5", folder)
    for spec, variant in ((None, "RT"), ("official", "rt")):
        assert resolve_checkpoint(spec, variant) == (folder / "EfficientPoseRT.h5", "official", None)


def test_a_damaged_cached_file_counts_for_nothing(folder, reference, monkeypatch):
    file = reference / "weights" / "EfficientPoseRT.h5"
    folder.mkdir()
    (folder / file.name).write_bytes(file.read_bytes()[:-1])
    assert list_official_weights()[0].path is None
    monkeypatch.setenv("EDGEPOSE_REFERENCE", str(reference))
    assert resolve_checkpoint(None, "RT").path == file


def test_offline_the_error_says_where_to_put_the_file(folder):
    with pytest.raises(CheckpointError, match="cannot be fetched") as error:
        fetch_official_weights("IV", base_url=NOWHERE)
    assert f"put it at {folder / 'EfficientPoseIV.h5'}" in error.value.hint
    assert NOWHERE in error.value.message


@pytest.mark.parametrize("variable", ["EDGEPOSE_WEIGHTS", "EDGEPOSE_REFERENCE"])
def test_another_file_where_the_official_one_belongs_is_told(variable, folder, tmp_path, monkeypatch):
    mine = tmp_path / "mine" / "weights" / "EfficientPoseRT.h5"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"hello\n")
    monkeypatch.setenv(variable, str(mine.parent if variable == "EDGEPOSE_WEIGHTS" else mine.parents[1]))
    told = f"{mine} is there but is not the official file (git blob ce013625030b, not 2a5c0e613054)"
    with pytest.raises(CheckpointError) as error:
        fetch_official_weights("RT", base_url=NOWHERE)
    assert told in error.value.message
    found = resolve_checkpoint(None, "RT", base_url=NOWHERE)
    assert f"{told}: --checkpoint {mine} uses it" in found.notice


def test_a_weights_folder_that_cannot_be_is_named_with_the_variable_that_names_another(folder):
    folder.write_text("a file")
    with pytest.raises(EdgeposeError, match=r"cannot write .*EfficientPoseIV.h5") as error:
        fetch_official_weights("IV", base_url=NOWHERE)
    assert "EDGEPOSE_WEIGHTS" in error.value.hint


def test_unknown_variants_and_missing_files_are_refused(folder):
    with pytest.raises(UsageError, match="no variant 'V'"):
        resolve_checkpoint("official", "V")
    with pytest.raises(CheckpointError, match="no checkpoint"):
        resolve_checkpoint(folder / "missing.pt", "RT")
    with pytest.raises(CheckpointError, match="did you mean 'official'"):
        resolve_checkpoint("offical", "RT")


def test_a_path_is_taken_as_it_is(folder, tmp_path):
    mine = tmp_path / "mine.pt"
    mine.write_bytes(b"weights")
    assert resolve_checkpoint(str(mine), "RT") == (mine, "file", None)
    assert checkpoint_digest(mine) == hashlib.sha256(b"weights").hexdigest()


def test_offline_the_weights_that_ship_stand_in_and_say_so(folder):
    found = resolve_checkpoint(None, "RT", base_url=NOWHERE)
    assert (found.path, found.weights) == (demo_weights("RT"), "demo")
    assert "\n" not in found.notice
    for told in (
        "RT has edgepose's own demonstration weights",
        "not to find people in photographs",
        "README.md",
        "edgepose weights fetch RT",
        NOWHERE,
    ):
        assert told in found.notice
    asked = resolve_checkpoint("demo", "rt")
    assert asked.path == found.path
    assert NOWHERE not in asked.notice
    assert not folder.joinpath("EfficientPoseRT.h5").exists()


def test_whose_weights_they_are_is_told_by_their_content(folder, tmp_path):
    copy = tmp_path / "mine.safetensors"
    shutil.copy(demo_weights("RT"), copy)
    found = resolve_checkpoint(copy, "RT")
    assert (found.path, found.weights) == (copy, "demo")
    assert "demonstration weights" in found.notice
    copy.write_bytes(copy.read_bytes() + b" ")
    assert resolve_checkpoint(copy, "RT") == (copy, "file", None)


def test_nothing_stands_in_where_the_official_weights_are_asked_for_or_none_ship(folder):
    with pytest.raises(CheckpointError, match="cannot be fetched"):
        resolve_checkpoint("official", "RT", base_url=NOWHERE)
    with pytest.raises(CheckpointError, match="cannot be fetched"):
        resolve_checkpoint(None, "IV", base_url=NOWHERE)
    with pytest.raises(CheckpointError, match="ships no weights of IV") as error:
        resolve_checkpoint("demo", "IV")
    assert "RT" in error.value.hint


def test_what_ships_is_small_and_has_a_card():
    path = demo_weights("RT")
    assert path.stat().st_size <= 4_000_000
    card = (path.parent / "README.md").read_text()
    assert path.name in card
    assert checkpoint_digest(path) in card


def test_the_official_address_is_pinned_to_a_commit():
    assert f"/{weights.OFFICIAL_COMMIT}/" in weights.OFFICIAL_URL
    assert len(weights.OFFICIAL_COMMIT) == 40


def test_finding_weights_needs_no_pytorch():
    program = "import sys, edgepose.checkpoints as c; c.list_official_weights(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0
