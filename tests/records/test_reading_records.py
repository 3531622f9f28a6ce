import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_records import tiny_record, write_record

from edgepose.records import read_record, read_records
from edgepose.records.reading import check_record
from edgepose.runtime.errors import EdgeposeError, RecordError

VERSION_1 = {
    "kind": "measured",
    "bundle": "rt-raspberry-pi-4-fp32",
    "bundle_sha256": "ab" * 32,
    "decoder": "official",
    "engine_library": "ai_edge_litert 2.3.0",
    "threads": 4,
    "frames": ["320x320"],
    "conditions": {
        "machine": "Raspberry Pi 4 Model B Rev 1.4", "architecture": "aarch64", "processors": 4, "load_average": 0.1,
        "governor": "ondemand", "temperature_c": 48.7, "system": "Linux", "python": "3.11.2", "numpy": "1.24.2",
        "opencv": "4.6.0",
    },
    "peak_memory_mb": 88.1,
    "latency_ms": {part: {"samples": 3, "p50": 2.0, "p90": 3.0, "p99": 3.0, "max": 3.0, "mean": 2.0}
                   for part in ("preprocess", "engine", "decode", "total")},
    "samples_ms": {part: [1.0, 2.0, 3.0] for part in ("preprocess", "engine", "decode", "total")},
}  # fmt: skip


def test_a_record_is_read_as_it_was_written(tmp_path):
    document = tiny_record(device="a board")
    record = read_record(write_record(tmp_path / "a.json", document))
    assert record.document == document
    assert record.name == "a board, tiny-host-fp32"
    assert not record.times_mean_nothing


def test_records_of_version_1_are_read_and_say_what_they_do_not_hold(tmp_path):
    record = read_record(write_record(tmp_path / "a.json", VERSION_1))
    document = record.document
    assert document["schema"] == 2
    assert document["latency_ms"]["total"]["p95"] == 3.0
    assert document["latency_ms"]["engine"]["p50"] == 2.0
    assert document["memory"]["peak_mb"] == 88.1
    assert document["conditions"]["governor"] == "ondemand"
    assert document["throttling"]["throttled"] is None
    assert document["drift"] is None
    assert document["bundle"]["precision"] == "fp32"
    assert record.device == "Raspberry Pi 4 Model B Rev 1.4"


def test_a_folder_is_all_its_records(tmp_path):
    for name in ("b.json", "a.json"):
        write_record(tmp_path / name, tiny_record(device=name))
    assert [record.device for record in read_records([tmp_path, tmp_path / "b.json"])] == ["a.json", "b.json", "b.json"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecordError, match="holds no"):
        read_records([tmp_path / "empty"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one: one.pop("memory"), "memory"),
        (lambda one: one.update(schema=3), "version 3; this edgepose reads 1 to 2"),
        (lambda one: one.update(kind="guessed"), "kind"),
        (lambda one: one.update(stranger=1), "stranger"),
        (lambda one: one["latency_ms"]["total"].pop("p95"), "p95"),
        (lambda one: one["samples_ms"]["engine"].pop(), "not as many samples"),
        (lambda one: one["samples_ms"]["engine"].__setitem__(0, -1.0), "samples_ms.engine"),
        (lambda one: one["starts_ms"].append(1e9), "not as many samples"),
        (lambda one: one["sensors"]["times_s"].append(1e9), "one value for each time"),
        (lambda one: one["bundle"].update(sha256="x"), "sha256"),
        (lambda one: one["drift"]["crops"][0].update(picture_jpeg="<script>"), "picture_jpeg"),
        (lambda one: one["drift"]["crops"][0]["keypoints"].pop(), "keypoints"),
    ],
)
def test_what_the_schema_does_not_allow_is_refused_by_name(change, message, tmp_path):
    document = tiny_record()
    change(document)
    with pytest.raises(RecordError, match=message):
        read_record(write_record(tmp_path / "a.json", document))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"schema": 2}', '{"a": NaN}', '{"kind": "measured"}'])
def test_what_is_no_record_is_refused(text, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(RecordError):
        read_record(path)
    with pytest.raises(RecordError, match="cannot read"):
        read_record(tmp_path / "missing.json")
    with pytest.raises(RecordError, match="cannot read"):
        read_record(tmp_path)


def test_our_own_records_are_read():
    records = read_records([Path(__file__).parents[2] / "benchmarks" / "results" / "records"])
    assert records
    for record in records:
        assert record.document["drift"]["crops"] == []  # no person of a data set is passed on


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(path=st.lists(st.integers(0, 30), min_size=1, max_size=5), value=JSON, old=st.booleans())
def test_any_value_in_any_place_is_read_or_refused(path, value, old):
    """A value replaced somewhere in a record: the checks end in a record or in an error of ours."""
    document = json.loads(json.dumps(VERSION_1 if old else tiny_record()))
    place = document
    for number in path:
        keys = sorted(place) if isinstance(place, dict) else range(len(place)) if isinstance(place, list) else []
        if not keys:
            break
        key = list(keys)[number % len(keys)]
        if isinstance(place[key], (dict, list)) and number != path[-1]:
            place = place[key]
        else:
            place[key] = value
            break
    with suppress(EdgeposeError):
        assert check_record(document, "it")["schema"] == 2
