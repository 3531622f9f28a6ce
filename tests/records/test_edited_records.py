"""Records that somebody edited: refused by name, or read, compared and shown without a fault."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_records import tiny_record, with_latencies

from edgepose.records import Record, read_record
from edgepose.records.compare import compare_records
from edgepose.records.reading import check_record
from edgepose.reports.probe_pictures import probe_pictures
from edgepose.runtime.errors import EdgeposeError, RecordError
from edgepose.runtime.joints import JOINTS

THROTTLED = '{"throttled": true, "now": [], "since_boot": [], "share_of_samples": null, "reason": null}'


def edited(path, value):
    """The text of a record with ``value``, JSON, at ``path``."""
    document = tiny_record()
    place = document
    *folders, name = path.split("/")
    for folder in folders:
        place = place[int(folder) if folder.isdigit() else folder]
    place[int(name) if name.isdigit() else name] = "it stands here"
    return json.dumps(document).replace('"it stands here"', value)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("conditions/load_average", '"x"', "conditions.load_average"),
        ("conditions/temperature_c", '"hot"', "conditions.temperature_c"),
        ("conditions/processors", '"four"', "conditions.processors"),
        ("latency_ms/total/p50", "0", "latency_ms.total.p50 is 0, but"),
        ("latency_ms/total/p50", "0.0011", "latency_ms.total.p50 is 0.0011, but"),
        ("latency_ms/engine/p95_interval95", "[0.5, 0.6]", "latency_ms.engine.p95_interval95"),
        ("latency_ms/decode/max", "1e9", "latency_ms.decode.max"),
        ("samples_ms/total/0", "0", "took no time"),
        ("samples_ms/total/0", "1e400", "samples_ms.total holds a number that cannot be"),
        ("poses_per_s", "1e400", "poses_per_s holds a number that cannot be"),
        ("memory/peak_mb", "1" * 400, "memory.peak_mb holds a number that cannot be"),
        ("drift/crops/0/keypoints/0/0", "-1e300", "drift.crops.keypoints holds a number that cannot be"),
        ("drift/within_0.1_head/per_joint", '{"nose": 1}', "drift.within_0.1_head is not of the sixteen joints"),
        ("drift/within_0.5_head/per_joint_interval95", "{}", "drift.within_0.5_head is not of the sixteen joints"),
        ("drift/crops/0/picture_jpeg", '"A"', "in drift.crops is damaged"),
        ("throttling", THROTTLED, "share_of_samples is null, but throttled is true"),
        ("device", r'"\ud800"', "device holds half a character"),
        ("sensors/absent", r'{"\udfff": "x"}', "sensors.absent holds half a character"),
    ],
)
def test_an_edit_is_refused_by_name(path, value, message, tmp_path):
    (tmp_path / "a.json").write_text(edited(path, value))
    with pytest.raises(RecordError) as caught:
        read_record(tmp_path / "a.json")
    assert message in caught.value.message


def test_a_picture_without_its_scale_is_refused():
    document = tiny_record()
    del document["drift"]["crops"][0]["picture_scale"]
    with pytest.raises(RecordError, match="has no picture_scale"):
        check_record(document, "it")


def test_summaries_may_be_rounded():
    document = with_latencies(tiny_record(), [10.0 + number / 7 for number in range(200)])
    for summary in document["latency_ms"].values():
        summary.update({name: round(value, 4) for name, value in summary.items() if isinstance(value, float)})
    check_record(document, "it")


@pytest.mark.parametrize("place", [None, -1e14, 1e14])
def test_a_joint_that_is_not_in_the_picture_is_not_drawn(place):
    document = tiny_record()
    whole = probe_pictures(Record(Path("a"), document))
    document["drift"]["crops"][0]["keypoints"][JOINTS.index("pelvis")] = [place, 20.0]
    document["drift"]["crops"][0]["float_keypoints"] = [[place, place]] * 16
    (shown,) = probe_pictures(Record(Path("a"), check_record(document, "it")))
    assert len({shown["engine"], shown["float"], whole[0]["engine"]}) == 3


NUMBERS = st.sampled_from([0, -1, 1e-9, 1e14, -1e14, 1e15, 1e308, float("inf"), 10**400])
VALUES = st.none() | st.booleans() | NUMBERS | st.sampled_from(["", "x", "\ud800", [], {}, [None], [0.0, 1e15]])


@settings(deadline=None, max_examples=300)
@given(path=st.lists(st.integers(0, 30), min_size=1, max_size=6), value=VALUES)
def test_what_is_read_can_be_compared_and_shown(path, value):
    document = place = tiny_record()
    for number in path:
        keys = sorted(place) if isinstance(place, dict) else range(len(place))
        key = keys[number % len(keys)]
        if not isinstance(place[key], (dict, list)) or not place[key]:
            break
        folder, place = place, place[key]
    else:
        place = folder
    place[key] = value
    with suppress(EdgeposeError):
        record = Record(Path("a"), check_record(document, "it"))
        probe_pictures(record)
        json.dumps(compare_records(record, Record(Path("b"), tiny_record())).to_dict(), allow_nan=False)
