import json
import math

import cv2
import numpy as np
import pytest

from edgepose.evaluation.datasets import open_dataset
from edgepose.runtime.errors import DatasetError
from edgepose.runtime.joints import JOINTS


def record(**changes):
    fields = {
        "id": "a",
        "image": "images/a.png",
        "crop": [-2.4, 3.6, 20.5],
        "keypoints": [[float(i), 2.0 * i] for i in range(15)] + [[None, None]],
        "evaluate": [True] * 14 + [False, False],
        "head": 5.5,
        "upright": False,
        "source": "test",
    }
    return {**fields, **changes}


def without(*names):
    return {name: value for name, value in record().items() if name not in names}


@pytest.fixture
def write(tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("a", "b"):
        assert cv2.imwrite(str(tmp_path / "images" / f"{name}.png"), np.zeros((30, 40, 3), np.uint8))

    def write(*records, **document):
        path = tmp_path / "annotations.json"
        path.write_text(json.dumps({"joints": list(JOINTS), "records": list(records), **document}))
        return tmp_path

    return write


def test_annotations_become_records(write):
    folder = write(record(), record(id="b", image="images/b.png", upright=True))
    dataset = open_dataset(folder)
    assert dataset == dataset.select(lambda _: True)
    assert dataset.name == folder.name
    assert dataset.labelled
    first, second = dataset.records
    assert (first.id, first.source, first.upright, second.upright) == ("a", "test", False, True)
    assert first.image == folder / "images" / "a.png"
    assert first.region == (-2, 4, 20, 20)
    assert first.head_length == 5.5
    # The format has the centre of the first pixel at 0; poses have its corner there.
    np.testing.assert_array_equal(first.keypoints[3], [3.5, 6.5])
    assert np.isnan(first.keypoints[15]).all()
    assert first.keypoints.dtype == np.float32
    assert first.evaluate.tolist() == [True] * 14 + [False, False]


def test_the_file_itself_can_be_named(write):
    folder = write(record())
    assert open_dataset(folder / "annotations.json").records[0].id == "a"


def test_records_without_labels_are_for_looking_at(write):
    dataset = open_dataset(write(without("keypoints", "evaluate", "head", "upright", "source", "crop")))
    (only,) = dataset.records
    assert not dataset.labelled
    assert only.region is None
    assert only.upright is None
    assert not dataset.tells_upright
    assert math.isnan(only.head_length)
    assert np.isnan(only.keypoints).all()


def test_a_folder_of_pictures_is_a_data_set_without_labels(write, tmp_path):
    write(record())
    (tmp_path / "images" / "notes.txt").write_text("not a picture")
    dataset = open_dataset(tmp_path / "images")
    assert [one.id for one in dataset.records] == ["a.png", "b.png"]
    assert not dataset.labelled


def test_selecting_names_the_part_and_refuses_an_empty_one(write):
    dataset = open_dataset(write(record(), record(id="b", upright=True)))
    upright = dataset.select(lambda one: one.upright, "upright")
    assert upright.name == "upright"
    assert [one.id for one in upright.records] == ["b"]
    with pytest.raises(DatasetError, match="no record"):
        dataset.select(lambda one: one.source == "elsewhere", "elsewhere")


NAN_POINTS = [[float("nan"), 1.0]] + [[0.0, 0.0]] * 15


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (record(image="../secret.png"), "outside"),
        (record(image="/etc/passwd"), "outside"),
        (record(image="images/absent.png"), "1 of 1 pictures are not in"),
        (record(image=None), "image is missing"),
        (record(image="images/a\0.png"), "outside"),
        (record(crop=[1, 2]), "crop"),
        (record(crop=[0, 0, 0]), "no area"),
        (record(crop=[0, 0, 1e300]), "out of range"),
        (record(crop=[0, 0, True]), "no number"),
        (record(keypoints=[[1, 2]] * 15), "sixteen"),
        (record(keypoints=[[1, 2, 3]] * 16), r"no \[x, y\]"),
        (record(keypoints=[[1, None]] * 16), "no number"),
        (record(keypoints=NAN_POINTS), "out of range"),
        (record(keypoints=[["1", "2"]] * 16), "no number"),
        (record(evaluate=[True] * 16), "left_ankle, which has none"),
        (record(evaluate=[1] * 16), "neither true nor false"),
        (record(head=0), "not positive"),
        (record(head=float("inf")), "out of range"),
        (without("head"), "head"),
        (without("keypoints"), "keypoints"),
        (record(upright="yes"), "upright"),
        (record(id=7), "id"),
        ([1, 2], "not an object"),
    ],
)
def test_a_broken_record_is_named(write, broken, message):
    with pytest.raises(DatasetError, match=message):
        open_dataset(write(broken))


def test_an_id_may_occur_once(write):
    with pytest.raises(DatasetError, match="twice"):
        open_dataset(write(record(), record()))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"joints": list(reversed(JOINTS))}, "EfficientPose order"),
        ({"records": []}, "0 records"),
        ({"records": {"a": 1}}, "no list"),
    ],
)
def test_a_broken_document_is_refused(write, document, message):
    with pytest.raises(DatasetError, match=message):
        open_dataset(write(record(), **document))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1]", b"[" * 100_000])
def test_what_is_no_annotations_file_is_refused(tmp_path, content):
    (tmp_path / "annotations.json").write_bytes(content)
    with pytest.raises(DatasetError, match=r"annotations\.json"):
        open_dataset(tmp_path)


def test_an_absent_or_empty_place_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="no data set"):
        open_dataset(tmp_path / "absent")
    with pytest.raises(DatasetError, match="nor pictures"):
        open_dataset(tmp_path)


def test_the_reference_set_is_what_its_description_says(reference):
    dataset = open_dataset(reference / "data" / "lspet-dev")
    assert len(dataset.records) == 805
    upright = dataset.select(lambda one: one.upright and one.source == "lspet", "upright")
    assert len(upright.records) == 600
    assert dataset.labelled
    assert not open_dataset(reference / "data" / "lspet-calibration").labelled
