"""The stage cache: what went in comes out, damage is absence, and everything a stage depends on is in its key."""

import hashlib
import multiprocessing
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgepose.conversion import cache as cache_module
from edgepose.conversion.cache import StageCache, StageResult, stage_key
from edgepose.runtime.errors import EdgeposeError

KEY = "0" * 64


def test_an_entry_comes_back_as_it_was(tmp_path):
    cache = StageCache(tmp_path / "cache")
    assert cache.get("export", KEY) is None
    result = StageResult(b"\x00\npayload\n\xff", {"max_abs": 1e-7, "names": ["a", "b"]})
    cache.put("export", KEY, result)
    assert cache.get("export", KEY) == result
    assert cache.get("lower", KEY) is None


def test_a_payload_is_found_by_its_digest_in_its_own_stage_alone(tmp_path):
    cache = StageCache(tmp_path / "cache")
    wanted = hashlib.sha256(b"wanted").hexdigest()
    assert cache.find_payload("simplify", wanted) is None
    cache.put("simplify", "1" * 64, StageResult(b"other", {}))
    cache.put("lower", "2" * 64, StageResult(b"wanted", {}))
    assert cache.find_payload("simplify", wanted) is None
    cache.put("simplify", "3" * 64, StageResult(b"wanted", {"note": "x"}))
    assert cache.find_payload("simplify", wanted) == b"wanted"
    path = cache._path("simplify", "3" * 64)
    path.write_bytes(path.read_bytes()[:-1])
    assert cache.find_payload("simplify", hashlib.sha256(b"wante").hexdigest()) is None


@given(st.data())
def test_any_damaged_byte_makes_the_entry_absent(tmp_path_factory, data):
    cache = StageCache(tmp_path_factory.mktemp("cache"))
    cache.put("export", KEY, StageResult(b"some payload", {"note": "x"}))
    (path,) = cache.folder.iterdir()
    content = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(content))
    # A digest written in capitals would be another text; nothing but the exact entry is taken.
    assert cache.get("export", KEY) is None


@pytest.mark.parametrize("keep", [0, 1, 10, -1])
def test_a_truncated_entry_is_absent(tmp_path, keep):
    cache = StageCache(tmp_path)
    cache.put("export", KEY, StageResult(b"some payload", {}))
    (path,) = cache.folder.iterdir()
    path.write_bytes(path.read_bytes()[:keep])
    assert cache.get("export", KEY) is None


def test_the_key_holds_inputs_stage_tools_and_source(monkeypatch):
    key = stage_key("export", {"onnx": "1"}, ("numpy",))
    assert key == stage_key("export", {"onnx": "1"}, ("numpy",))
    others = {
        stage_key("lower", {"onnx": "1"}, ("numpy",)),
        stage_key("export", {"onnx": "2"}, ("numpy",)),
        stage_key("export", {"onnx": "1"}, ("numpy", "no-such-distribution")),
    }
    monkeypatch.setattr(cache_module, "source_digest", lambda: "changed")
    others.add(stage_key("export", {"onnx": "1"}, ("numpy",)))
    assert len(others | {key}) == 5


def test_a_folder_that_cannot_be_made_is_an_error_that_names_the_variable(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EdgeposeError, match="EDGEPOSE_CACHE"):
        StageCache(tmp_path / "file" / "cache").put("export", KEY, StageResult(b"", {}))


def test_the_oldest_entries_leave_a_full_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(cache_module, "MAX_CACHE_BYTES", 2500)
    cache = StageCache(tmp_path)
    for number in range(3):
        cache.put("export", str(number).ljust(64, "0"), StageResult(bytes(1000), {}))
        os.utime(cache._path("export", str(number).ljust(64, "0")), (number, number))
    cache.put("export", "3".ljust(64, "0"), StageResult(bytes(1000), {}))
    kept = [cache.get("export", str(number).ljust(64, "0")) is not None for number in range(4)]
    assert kept == [False, False, True, True]


def test_files_that_are_no_entries_are_never_dropped(tmp_path, monkeypatch):
    monkeypatch.setattr(cache_module, "MAX_CACHE_BYTES", 500)
    thesis = tmp_path / "thesis.doc"
    thesis.write_bytes(bytes(10_000))
    os.utime(thesis, (0, 0))
    StageCache(tmp_path).put("export", KEY, StageResult(bytes(1000), {}))
    assert thesis.exists()


def _write_many(folder, payload):
    for _ in range(50):
        StageCache(folder).put("export", KEY, StageResult(payload, {}))


def test_two_writers_of_one_entry_leave_it_whole(tmp_path):
    context = multiprocessing.get_context("spawn")
    payload = bytes(100_000)
    writers = [context.Process(target=_write_many, args=(tmp_path, payload)) for _ in range(2)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        result = StageCache(tmp_path).get("export", KEY)
        if result is not None:
            assert result.payload == payload
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert StageCache(tmp_path).get("export", KEY) == StageResult(payload, {})
    assert [path.name for path in tmp_path.iterdir()] == [f"export-{KEY[:40]}"]
