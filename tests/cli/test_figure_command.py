"""``edgepose figure``: pictures, clips and sets, as a user types them."""

import json

import cv2

from edgepose.evaluation.datasets import open_dataset
from edgepose.figures import render_figure
from edgepose.figures.demo import demo_recipe
from edgepose.runtime.joints import JOINTS
from edgepose.runtime.videos import VideoReader


def test_a_picture_of_a_family_and_its_joints(type_command, tmp_path):
    path = tmp_path / "infant.png"
    typed = type_command("figure", "-o", path, "--seed", 3, "--size", 96, "--family", "infant", "--json")
    assert typed.code == 0, typed.err
    figure = render_figure(3, 96, "infant")
    assert (cv2.imread(str(path)) == figure.image).all()
    known = json.loads(typed.out)
    assert set(known["keypoints"]) == set(JOINTS)
    assert known["head_length"] == figure.head_length


def test_a_clip_is_a_video_with_the_joints_of_every_frame(type_command, tmp_path):
    path = tmp_path / "clip.avi"
    typed = type_command("figure", "-o", path, "--frames", 5, "--size", 64, "--json")
    assert typed.code == 0, typed.err
    assert [image.shape for _, _, image in VideoReader(str(path)).frames()] == [(64, 64, 3)] * 5
    assert len(json.loads(typed.out)["frames"]) == 5


def test_a_set_is_written_once(type_command, tmp_path, monkeypatch):
    recipe = tmp_path / "calibration" / "demo.toml"
    recipe.parent.mkdir()
    small = demo_recipe()
    recipe.write_text(
        f'name = "demo"\ngenerator = "figures"\nfirst_seed = {small.first_seed}\ncount = 2\nsize = 64\nlicence = "x"\n'
    )
    monkeypatch.setattr("edgepose.figures.demo.data_folder", lambda name: tmp_path / name)
    typed = type_command("figure", "--set", "demo", "-o", tmp_path / "set")
    assert typed.code == 0, typed.err
    assert len(open_dataset(tmp_path / "set").records) == 2
    again = type_command("figure", "--set", "demo", "-o", tmp_path / "set")
    assert (again.code, "not empty" in again.err) == (2, True)


def test_what_cannot_be_drawn_is_refused_with_what_can(type_command, tmp_path):
    for words, told in (
        (("-o", tmp_path / "figure.gif"), ".avi"),
        (("-o", tmp_path / "figure.png", "--family", "siting"), "did you mean 'sitting'"),
        (("-o", tmp_path / "clip.avi", "--family", "sitting"), "--family"),
        (("-o", tmp_path / "set", "--set", "demos"), "did you mean 'demo'"),
    ):
        typed = type_command("figure", *words)
        assert typed.code == 2
        assert told in typed.err
    assert list(tmp_path.iterdir()) == []


def test_a_clip_in_no_folder_is_refused(type_command, tmp_path):
    typed = type_command("figure", "-o", tmp_path / "nowhere" / "clip.avi", "--frames", 1, "--size", 64)
    assert typed.code == 2
    assert "there is no folder" in typed.err
