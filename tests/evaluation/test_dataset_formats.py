"""The JSON splits of MPII, COCO keypoints, boxes, and what tells one format from another."""

import copy
import json

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgepose.evaluation.datasets import open_dataset
from edgepose.evaluation.datasets.mpii import MPII_JOINTS
from edgepose.runtime.errors import DatasetError
from edgepose.runtime.joints import JOINTS

COCO_JOINTS = ["nose", "left_eye", "right_eye", "left_ear", "right_ear"] + [
    f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in ("left", "right")
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with pictures a.png and b.png in ``images``."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "images").mkdir()
    for name in ("a", "b"):
        assert cv2.imwrite(str(folder / "images" / f"{name}.png"), np.zeros((80, 120, 3), np.uint8))
    return folder


def opened(folder, document, name="valid.json"):
    path = folder / "annot" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document))
    return open_dataset(path)


def mpii_entry(**changes):
    """A person of MPII's ``015601864.jpg``, which lies as ``a.png`` here; its head box is 627 100 706 198."""
    joints = [[620.0, 394.0], [616.0, 269.0], [573.0, 185.0], [647.0, 188.0], [661.0, 221.0], [656.0, 231.0]]
    joints += [[610.0, 187.0], [647.0, 176.0], [637.0201, 189.8183], [695.9799, 108.1817], [606.0, 217.0]]
    joints += [[553.0, 161.0], [601.0, 167.0], [692.0, 185.0], [693.0, 240.0], [688.0, 313.0]]
    entry = {"image": "a.png", "scale": 3.021046, "center": [594.0, 257.0], "joints": joints, "joints_vis": [1] * 16}
    return {**entry, **changes}


def coco_document(**changes):
    keypoints = [[10 + index, 20 + 2 * index, 1 + index % 2] for index in range(17)]
    keypoints[9] = [0, 0, 0]  # left_wrist
    annotation = {
        "id": 7,
        "image_id": 1,
        "category_id": 1,
        "bbox": [10.0, 5.0, 20.0, 60.0],
        "iscrowd": 0,
        "keypoints": [value for point in keypoints for value in point],
        "num_keypoints": 16,
        **changes,
    }
    return {
        "images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}],
        "annotations": [annotation],
        "categories": [{"id": 1, "name": "person", "keypoints": COCO_JOINTS}, {"id": 3, "name": "car"}],
    }


def test_an_mpii_split_becomes_records(folder):
    dataset = opened(folder, [mpii_entry(), mpii_entry(joints_vis=[0] * 6 + [1] * 10), mpii_entry(image="b.png")])
    assert (dataset.format, dataset.crop_scale, dataset.name) == ("mpii-json", 1.25, "valid")
    assert not dataset.tells_upright
    assert [record.id for record in dataset.records] == ["a.png:1", "a.png:2", "b.png:1"]
    first, second, _ = dataset.records
    np.testing.assert_allclose(first.keypoints[JOINTS.index("right_ankle")], [619.5, 393.5])
    # The head length without the box is the official one, 0.6 diagonals, with it.
    assert first.head_length == pytest.approx(0.6 * np.hypot(706 - 627, 198 - 100), rel=1e-5)
    assert first.region == (291, 0, 604, 604)
    assert second.evaluate.sum() == 10
    assert not second.evaluate[[JOINTS.index(name) for name in MPII_JOINTS[:6]]].any()


def test_persons_without_a_head_are_passed_over_and_test_splits_have_no_labels(folder):
    headless = mpii_entry(joints_vis=[1] * 9 + [0] + [1] * 6)
    dataset = opened(folder, [mpii_entry(), headless])
    assert len(dataset.records) == 1
    assert dataset.remarks == ("passed over: 1 person without head_top or upper_neck",)
    test = {name: value for name, value in mpii_entry().items() if not name.startswith("joints")}
    assert not opened(folder, [test], "test.json").labelled
    with pytest.raises(DatasetError, match="no person can be used"):
        opened(folder, [headless])


def test_coco_persons_have_the_joints_that_both_know(folder):
    dataset = opened(folder, coco_document())
    (record,) = dataset.records
    assert (dataset.format, record.id, record.source, record.image.name) == ("coco", "7", "coco", "a.png")
    unknown = {"head_top", "upper_neck", "thorax", "pelvis", "left_wrist"}
    assert {name for name, marked in zip(JOINTS, record.evaluate, strict=True) if not marked} == unknown
    np.testing.assert_allclose(record.keypoints[JOINTS.index("left_shoulder")], [15.5, 30.5])
    assert record.region == (-10, 5, 60, 60)
    # Shoulder 5 and 6, hip 11 and 12 of COCO: (1, 2) apart six times over.
    assert record.head_length == pytest.approx(np.hypot(6, 12) / 3, rel=1e-5)


@pytest.mark.parametrize("name", ["left", "right"])
def test_coco_persons_who_cannot_serve_are_passed_over(folder, name):
    document = coco_document()
    (good,) = document["annotations"]
    half = list(good["keypoints"])
    for index in (COCO_JOINTS.index(f"{name}_shoulder"), 11, 12):
        half[3 * index + 2] = 0
    document["annotations"] += [
        {**good, "id": 8, "iscrowd": 1},
        {**good, "id": 9, "keypoints": [0] * 51},
        {**good, "id": 10, "keypoints": half},
        {"id": 11, "image_id": 1, "category_id": 3, "bbox": [0, 0, 5, 5]},
        {**good, "id": 12, "bbox": [10.0, 5.0, -20.0, 60.0]},
    ]
    dataset = opened(folder, document)
    assert [record.id for record in dataset.records] == ["7"]
    assert dataset.remarks == (
        "passed over: 1 person in crowds, 1 person with a box that has no area, "
        "1 person without a shoulder and hip of one side, 1 person without joints",
    )


def test_the_pictures_of_coco_are_found_where_coco_unpacks_them(tmp_path):
    (tmp_path / "val2017").mkdir()
    assert cv2.imwrite(str(tmp_path / "val2017" / "a.png"), np.zeros((80, 120, 3), np.uint8))
    (tmp_path / "annotations").mkdir()
    path = tmp_path / "annotations" / "person_keypoints_val2017.json"
    path.write_text(json.dumps(coco_document()))
    assert open_dataset(tmp_path).records[0].image == tmp_path / "val2017" / "a.png"
    (tmp_path / "annotations" / "person_keypoints_train2017.json").write_text("{}")
    with pytest.raises(DatasetError, match=r"several annotation files: annotations/person_keypoints_train2017\.json"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([mpii_entry(scale="3")], "person 0: scale holds what is no number"),
        ([mpii_entry(center=[1])], "center is not a list of 2"),
        ([mpii_entry(joints=[[1, 2]] * 15)], "joints is not a list of sixteen"),
        ([mpii_entry(joints_vis=None)], "joints_vis is not a list of sixteen"),
        ([mpii_entry(image="../a.png")], "outside"),
        ([mpii_entry(), mpii_entry(image="z.png")], r"1 of 2 pictures are not in .*'z.png'"),
        ([7], "not an object"),
        ([], "0 persons"),
        (coco_document(id="7"), "id is not a whole number"),
        (coco_document(image_id=9), "image_id 9 is none of the images"),
        (coco_document(bbox=[1, 2, 3]), "bbox is not a list of 4"),
        (coco_document(keypoints=[1] * 50), "keypoints is not a list of 51"),
        (coco_document(iscrowd=1), "no person can be used; passed over: 1 person in crowds"),
        (coco_document(category_id=3), r"no person can be used \(COCO"),
        ({**coco_document(), "categories": [{"id": 1, "name": "person"}]}, "no category has keypoints"),
        ({**coco_document(), "images": [{"id": 1, "file_name": "/a.png"}]}, "outside"),
        ({**coco_document(), "images": None}, "images is not a list"),
        ({"people": []}, "no list of 'records'"),
    ],
)
def test_a_bad_annotation_is_named(folder, document, message):
    with pytest.raises(DatasetError, match=message):
        opened(folder, document)


def test_boxes_beside_pictures(folder):
    path = folder / "images" / "boxes.csv"
    path.write_text("image,x,y,width,height,score\na.png,10,20,30,60,0.9\na.png,0.5,0,10,10,0.8\n")
    dataset = open_dataset(folder / "images")
    assert (dataset.format, dataset.crop_scale) == ("boxes", 1.25)
    assert [record.id for record in dataset.records] == ["a.png:1", "a.png:2"]
    assert dataset.records[0].region == (-5, 20, 60, 60)
    assert not dataset.labelled
    for line, message in (
        ("a.png,1,2,3", "line 2: height holds what is no number"),
        ("a.png,1,2,x,3", "line 2: width"),
        ("a.png,1,2,0,3", "no area"),
        ("a.png,nan,2,1,3", "out of range"),
        ("../a.png,1,2,1,3", "outside"),
        ("z.png,1,2,1,3", "1 of 1 pictures are not in"),
        ("", "0 boxes"),
    ):
        path.write_text(f"image,x,y,width,height\n{line}\n")
        with pytest.raises(DatasetError, match=message):
            open_dataset(path)
    path.write_text("image,left,top\n")
    with pytest.raises(DatasetError, match="no column 'x'"):
        open_dataset(path)
    path.write_bytes(b"image\xff\xfe\x00")
    with pytest.raises(DatasetError, match="not a table of boxes"):
        open_dataset(path)
    path.unlink()


def test_one_picture_is_a_data_set(folder):
    (record,) = open_dataset(folder / "images" / "a.png").records
    assert (record.id, record.region) == ("a.png", None)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([10**400, -1e308, "a.png", "../a.png", "a" * 5000, "\ud800", "\0"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def places(value, path=()):
    """The path of every value inside a JSON document."""
    yield path
    if isinstance(value, (list, dict)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*path, key))


def annotations():
    record = {"id": "a", "image": "../images/a.png", "crop": [0, 0, 9], "upright": True, "source": ""}
    labels = {"keypoints": [[1.0, 2.0]] * 16, "evaluate": [True] * 16, "head": 3.0}
    return {"joints": list(JOINTS), "records": [{**record, "image": "a.png", **labels}]}


@pytest.mark.parametrize("whole", [[mpii_entry()], coco_document(), annotations()], ids=["mpii", "coco", "edgepose"])
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_stands_in_a_file_is_read_or_refused(folder, whole, data):
    document = copy.deepcopy(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        *parents, last = data.draw(st.sampled_from([path for path in places(document) if path]))
        inner = document
        for key in parents:
            inner = inner[key]
        inner[last] = data.draw(JSON)
    path = folder / "images" / "fuzzed.json"
    path.write_text(json.dumps(document))
    try:
        for record in open_dataset(path).records:
            assert record.keypoints.shape == (16, 2)
            assert np.isnan(record.head_length) or 0 < record.head_length < 1e6
    except DatasetError:
        pass
    finally:
        path.unlink()
