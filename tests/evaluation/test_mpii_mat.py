import struct
import zlib

import cv2
import numpy as np
import pytest
from scipy.io import loadmat, savemat

from edgepose.evaluation.datasets import open_dataset
from edgepose.evaluation.datasets.mpii import MPII_JOINTS
from edgepose.runtime.errors import DatasetError
from edgepose.runtime.joints import JOINTS
from tests.evaluation.mpii_files import EMPTY, person, points, structs, write_mat

JOINTS_OF_ONE = {number: (20.0 + number, 30.0 + 2 * number) for number in range(16)}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("a", "b", "c"):
        assert cv2.imwrite(str(tmp_path / "images" / f"{name}.jpg"), np.zeros((120, 160, 3), np.uint8))
    return tmp_path


def write(folder, pictures, training=None):
    return write_mat(folder / "mpii_human_pose_v1_u12_1.mat", pictures, training)


def test_one_person_becomes_one_record(folder):
    dataset = open_dataset(write(folder, {"a.jpg": structs(person(JOINTS_OF_ONE, scale=0.5))}))
    (record,) = dataset.records
    assert (dataset.format, dataset.crop_scale, record.id, record.source) == ("mpii-mat", 1.25, "a.jpg:1", "mpii")
    assert record.image == folder / "images" / "a.jpg"
    # Matlab's first pixel has its centre at 1, ours its corner at 0.
    wrist = MPII_JOINTS.index("left_wrist")
    np.testing.assert_allclose(record.keypoints[JOINTS.index("left_wrist")], [20 + wrist - 0.5, 30 + 2 * wrist - 0.5])
    assert record.evaluate.all()
    assert record.head_length == pytest.approx(0.6 * 5)
    # 200 pixels a unit of scale, 15 of these units lower than objpos, and not enlarged.
    assert record.region == (0, 17, 100, 100)


def test_the_gaps_of_the_real_file_are_passed_over_and_counted(folder):
    whole = person(JOINTS_OF_ONE)
    path = write(
        folder,
        {
            "a.jpg": structs(
                whole, {**whole, "annopoints": EMPTY}, {**whole, "objpos": EMPTY}, {**whole, "scale": EMPTY}
            ),
            "b.jpg": EMPTY,
            "c.jpg": structs(*({name: whole[name] for name in ("x1", "y1", "x2", "y2")},)),  # as in test pictures
            "test.jpg": structs({name: whole[name] for name in ("scale", "objpos")}),
        },
        training=[1, 1, 1, 0],
    )
    dataset = open_dataset(path)
    assert [record.id for record in dataset.records] == ["a.jpg:1"]
    (remark,) = dataset.remarks
    assert remark == (
        "passed over: 1 person in test pictures, 2 persons without joints, 2 persons without scale or position"
    )


def test_several_persons_of_a_picture_are_several_records_and_hidden_joints_count(folder):
    few = {number: JOINTS_OF_ONE[number] for number in (0, 1, 9)}
    dataset = open_dataset(write(folder, {"a.jpg": structs(person(JOINTS_OF_ONE), person(few))}))
    first, second = dataset.records
    assert (first.id, second.id) == ("a.jpg:1", "a.jpg:2")
    assert [name for name, marked in zip(JOINTS, second.evaluate, strict=True) if marked] == [
        "head_top",
        "right_knee",
        "right_ankle",
    ]
    assert np.isnan(second.keypoints[~second.evaluate]).all()


def test_the_folder_that_people_unpack_is_opened(folder):
    write(folder, {"a.jpg": structs(person(JOINTS_OF_ONE))})
    assert open_dataset(folder).format == "mpii-mat"


def test_an_annotation_without_a_single_point_array_is_read(folder):
    one = {**person({9: (3, 4)}), "annopoints": {"point": {"x": 3, "y": np.uint8(4), "id": np.int32(9)}}}
    (record,) = open_dataset(write(folder, {"a.jpg": one})).records
    np.testing.assert_allclose(record.keypoints[0], [2.5, 3.5])


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"annopoints": points({16: (1, 2)})}, "annopoints.point.id is 16"),
        ({"annopoints": points({3: (float("nan"), 2)})}, "out of range"),
        ({"annopoints": {"point": {"x": EMPTY, "y": 1, "id": 3}}}, "no x and y"),
        ({"scale": "large"}, "scale is not one number"),
        ({"scale": [1.0, 2.0]}, "scale is not one number"),
        ({"x1": 1e300}, "out of range"),
    ],
)
def test_a_bad_annotation_is_named(folder, broken, message):
    with pytest.raises(DatasetError, match=rf"person 1 of 'a.jpg'.*{message}"):
        open_dataset(write(folder, {"a.jpg": structs({**person(JOINTS_OF_ONE), **broken})}))


def test_missing_pictures_and_names_that_lead_elsewhere_are_refused(folder):
    one = structs(person(JOINTS_OF_ONE))
    with pytest.raises(DatasetError, match=r"1 of 2 pictures are not in .*'absent\.jpg'.*--images"):
        open_dataset(write(folder, {"a.jpg": one, "absent.jpg": one}))
    with pytest.raises(DatasetError, match=r"'absent\.jpg' is not in .*--images"):
        open_dataset(write(folder, {"absent.jpg": one}))
    with pytest.raises(DatasetError, match="points outside"):
        open_dataset(write(folder, {"../a.jpg": one}))
    with pytest.raises(DatasetError, match="there is no folder"):
        open_dataset(write(folder, {"a.jpg": one}), folder / "nowhere")


def test_a_file_without_a_usable_person_is_refused(folder):
    with pytest.raises(DatasetError) as caught:
        open_dataset(write(folder, {"a.jpg": EMPTY}))
    assert caught.value.message.endswith("has no annotated person in a training picture")


def test_other_matlab_files_and_damaged_ones_are_refused(tmp_path):
    path = tmp_path / "other.mat"
    savemat(path, {"preds": np.zeros((2, 2))})
    with pytest.raises(DatasetError, match="no structure RELEASE"):
        open_dataset(path)
    savemat(path, {"RELEASE": {"annolist": np.zeros((1, 3)), "img_train": np.ones((1, 3))}})
    with pytest.raises(DatasetError, match="no annolist"):
        open_dataset(path)
    path.write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    with pytest.raises(DatasetError, match=r"other\.mat"):
        open_dataset(path)
    path.write_bytes(b"")
    with pytest.raises(DatasetError, match=r"other\.mat"):
        open_dataset(path)


def test_any_flipped_byte_is_read_or_refused_but_nothing_else(folder):
    path = write(folder, {"a.jpg": structs(person(JOINTS_OF_ONE))})
    savemat(path, {"RELEASE": loadmat(path)["RELEASE"]})  # not compressed, so that every byte means something
    whole = path.read_bytes()
    refused = 0
    for position in range(128, len(whole), 19):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        try:
            open_dataset(path)
        except DatasetError:
            refused += 1
    assert refused > 20


def test_what_unpacks_to_more_than_is_read_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("edgepose.evaluation.datasets.mat5.MAX_INFLATED_BYTES", 1 << 20)
    path = tmp_path / "bomb.mat"
    packed = zlib.compress(bytes(2 << 20), 9)
    element = struct.pack("<II", 15, len(packed)) + packed
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<HH", 0x0100, 0x4D49) + element)
    with pytest.raises(DatasetError, match="unpacks to more"):
        open_dataset(path)


def test_the_real_pictures_in_the_real_format(reference, tmp_path):
    """The five MPII persons of the reference set, written as MPII would, come back as they are."""
    known = open_dataset(reference / "data" / "lspet-dev")
    known = known.select(lambda record: record.source == "mpii", "mpii")
    assert len(known.records) == 5
    pictures = {}
    for record in known.records:
        joints = {
            number: record.keypoints[JOINTS.index(name)] + 0.5
            for number, name in enumerate(MPII_JOINTS)
            if not np.isnan(record.keypoints[JOINTS.index(name), 0])
        }
        # The set's squares are enlarged; its heads go from neck to top: 0.8 diagonals of MPII's head box.
        x, y, side, _ = record.region
        scale, diagonal = side / 1.25 / 200, record.head_length / 0.8
        box = (100.0, 100.0, 100 + 0.6 * diagonal, 100 + 0.8 * diagonal)
        objpos = (x + side / 2 + 0.5, y + side / 2 + 0.5 - 15 * scale)
        pictures[record.image.name] = structs(person(joints, scale, objpos, box))
    path = write_mat(tmp_path / "mpii_human_pose_v1_u12_1.mat", pictures)
    read = open_dataset(path, known.records[0].image.parent)
    for before, after in zip(known.records, read.records, strict=True):
        assert after.image == before.image
        np.testing.assert_allclose(after.keypoints, before.keypoints, atol=1e-3)
        np.testing.assert_array_equal(after.evaluate, before.evaluate)
        assert after.head_length == pytest.approx(0.75 * before.head_length)
        x, y, side, _ = after.region
        enlarged = (x - 0.125 * side, y - 0.125 * side, 1.25 * side, 1.25 * side)
        np.testing.assert_allclose(enlarged, before.region, atol=1.5)
