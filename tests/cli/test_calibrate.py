import json

import cv2
import numpy as np
import pytest

from edgepose.calibration import open_calibration_set
from tests.evaluation.mpii_files import person, structs, write_mat


@pytest.fixture
def mpii(tmp_path):
    """An MPII folder of eighty persons in forty pictures."""
    random = np.random.default_rng(0)
    images = tmp_path / "pictures"
    images.mkdir()
    pictures = {}
    for index in range(40):
        name = f"{index:09d}.jpg"
        assert cv2.imwrite(str(images / name), random.integers(0, 256, (240, 320, 3)).astype(np.uint8))
        joints = {joint: random.uniform(20, 200, 2) for joint in range(16)}
        pictures[name] = structs(person(joints, 0.5, (80, 90)), person(joints, 0.9, (200, 100)))
    return write_mat(tmp_path / "mpii_human_pose_v1_u12_1.mat", pictures), images


def test_mpii_becomes_a_set_and_the_next_command_is_said(type_command, tmp_path, mpii):
    annotations, images = mpii
    made = tmp_path / "set.zip"
    sheet = tmp_path / "sheet.png"
    typed = type_command("calibrate", annotations, "--images", images, "-o", made, "--count", 70, "--sheet", sheet)
    assert typed.code == 0, typed.err
    assert typed.err == ""
    shown = " ".join(typed.out.split())  # however wide the terminal is taken to be
    for words in ("upright", "smallest quarter", "70", "for research, not commercial"):
        assert words in shown
    assert typed.out.endswith(f"--target raspberry-pi-4 --precision int8 --calibration {made}\n")
    opened = open_calibration_set(made)
    assert (opened.name, len(opened)) == ("mpii", 70)
    assert opened.digest in typed.out
    assert opened.labelled
    assert "not known in every crop" not in typed.out
    assert set(opened.sides) == {125, 225}
    assert cv2.imread(str(sheet)).shape[1] == 12 * 96


def test_json_for_scripts_and_warnings_beside_it(type_command, tmp_path, mpii):
    _, images = mpii
    typed = type_command("calibrate", images, "-o", tmp_path / "set", "--count", 10, "--seed", 3, "--json")
    assert typed.code == 0
    document = json.loads(typed.out)
    assert (document["crops"], document["name"], document["recipe"]["seed"]) == (10, "set", 3)
    assert document["labelled"] is False
    assert document["digest"] == open_calibration_set(tmp_path / "set").digest
    assert "stable from 64 crops" in typed.err
    assert "--licence" in typed.err
    assert "stable from 64 crops" in document["warnings"][0]
    typed = type_command("calibrate", images, "-o", tmp_path / "set", "--count", 64, "--licence", "ours", "--json")
    assert json.loads(typed.out)["licence"] == "ours"
    assert "the sources hold 40 persons, not 64" in typed.err
    assert "--licence" not in typed.err


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (("absent", "-o", "set.zip"), 1, "there is no data set at absent"),
        (("pictures", "-o", "no/set.zip"), 2, "there is no folder"),
        (("pictures", "-o", "pictures"), 2, "is not a calibration set in a folder"),
        (("pictures", "-o", "set.zip", "--sheet", "sheet.gif"), 2, "written as .png or .jpg"),
        (("pictures", "-o", "set.zip", "--sheet", "no/sheet.png"), 2, "there is no folder"),
        (("pictures", "-o", "set", "--sheet", "pictures/000000000.jpg"), 2, "is one of the pictures"),
        (("pictures", "-o", "cut.zip"), 2, "is not a calibration set in a zip"),
        (("cut.zip", "-o", "set.zip"), 1, "cut.zip is not a calibration set, or is cut short"),
        (("absent", "-o", "set.zip", "--count", "5000"), 2, "1 to 4096 crops"),
        (("pictures", "-o", "set.zip", "--crop-scale", "9"), 2, "a crop of 9 times"),
        (("pictures", "-o", "set.zip", "--crop-scale", "nan"), 2, "a crop of nan times"),
        (("pictures", "-o", "set.zip", "--images", "pictures"), 2, "--images pictures is not used"),
        (("pictures",), 2, "--output"),
        (("mpii_human_pose_v1_u12_1.mat", "-o", "set.zip"), 1, "--images"),
    ],
)
def test_refusals_leave_nothing(type_command, tmp_path, monkeypatch, mpii, words, code, complaint):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cut.zip").write_bytes(b"PK\3\4")
    before = sorted(tmp_path.iterdir())
    typed = type_command("calibrate", *words)
    assert typed.code == code
    assert complaint in " ".join(typed.err.split())
    assert typed.out == ""
    assert sorted(tmp_path.iterdir()) == before


def test_a_sheet_does_not_spoil_its_set(type_command, tmp_path, mpii):
    _, images = mpii
    words = ("calibrate", images, "-o", tmp_path / "set", "--count", 2)
    assert type_command(*words).code == 0
    typed = type_command(*words, "--sheet", tmp_path / "set" / "sheet.png")
    assert (typed.code, "lies in the set" in typed.err) == (2, True)
    assert len(open_calibration_set(tmp_path / "set")) == 2
