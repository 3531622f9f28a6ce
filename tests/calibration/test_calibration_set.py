import contextlib
import hashlib
import json
import math
import os
import zipfile

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgepose.calibration import CalibrationCrop, open_calibration_set, write_calibration_set
from edgepose.calibration.description import Description
from edgepose.figures import demo_set
from edgepose.runtime.errors import DatasetError, EdgeposeError, UsageError
from tests.calibration.conftest import crops, labels


@pytest.mark.parametrize("name", ["set", "set.zip"])
def test_what_is_written_is_what_is_read(made_set, name):
    opened = open_calibration_set(made_set(name))
    assert (opened.name, opened.licence, opened.recipe, len(opened)) == ("small", "ours", {"count": 3, "seed": 0}, 3)
    assert opened.sides == (20, 21, 22)
    for before, after in zip(crops(), opened.crops(), strict=True):
        assert (after.id, after.head) == (before.id, before.head)
        np.testing.assert_array_equal(after.image, before.image)
        np.testing.assert_array_equal(after.keypoints, before.keypoints)
        np.testing.assert_array_equal(after.evaluate, before.evaluate)
    assert (after.keypoints.dtype, after.evaluate.dtype) == (np.float32, bool)


def test_a_set_is_labelled_where_every_crop_has_a_joint_to_evaluate(tmp_path):
    def labelled(*made):
        return write_calibration_set(tmp_path / "set.zip", "a", "b", {}, made).labelled

    plain, _, posed = crops()
    keypoints, evaluate = labels()
    assert labelled(posed)
    assert not labelled(posed, plain)
    assert not labelled(posed._replace(evaluate=np.zeros_like(evaluate)))
    assert not labelled(posed._replace(keypoints=np.full_like(keypoints, np.nan), evaluate=np.zeros_like(evaluate)))


def test_the_same_crops_give_the_same_bytes_wherever_they_lie(made_set):
    first, second, folder = made_set("one.zip"), made_set("two.zip"), made_set("folder")
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        for name in archive.namelist():
            assert archive.read(name) == (folder / name).read_bytes()
    assert open_calibration_set(first).digest == open_calibration_set(folder).digest


def test_the_digest_is_of_recipe_and_crops(tmp_path):
    def digest(recipe, *changes, name="a", licence="b"):
        made = [crop._replace(**dict(changes)) for crop in crops()]
        return write_calibration_set(tmp_path / "set.zip", name, licence, recipe, made).digest

    plain = digest({"seed": 0})
    assert digest({"seed": 0}, name="c", licence="d") == plain
    assert digest({"seed": 1}) != plain
    assert digest({"seed": 0}, ("head", 3.0)) != plain
    keypoints, evaluate = labels()
    posed = ("head", 3.0), ("keypoints", keypoints), ("evaluate", evaluate)
    others = [
        digest({"seed": 0}, *posed),
        digest({"seed": 0}, *posed, ("keypoints", keypoints + 1)),
        digest({"seed": 0}, *posed, ("evaluate", evaluate[::-1] & evaluate)),
        digest({"seed": 0}, *posed, ("evaluate", ~evaluate & [True] * 15 + [False])),
    ]
    assert len(set(others)) == 3


def test_the_demonstration_set_is_opened_by_name():
    demo = open_calibration_set("demo")
    assert (demo.name, len(demo)) == ("demo", 64)
    assert "Apache-2.0" in demo.licence
    first, figure = next(demo.crops()), demo_set(1)[0]
    np.testing.assert_array_equal(first.image, figure.image)
    assert first.head == pytest.approx(figure.head_length, abs=1e-3)
    np.testing.assert_allclose(first.keypoints, figure.keypoints, atol=1e-3)
    assert first.evaluate.all()
    assert demo.labelled


def test_what_is_no_set_gets_the_command_that_makes_one(photographs, tmp_path):
    with pytest.raises(DatasetError, match=rf"edgepose calibrate {photographs} -o photographs-calibration\.zip"):
        open_calibration_set(photographs)
    data = tmp_path / "my data.json"
    data.write_text("[]")
    with pytest.raises(DatasetError, match=r"edgepose calibrate '.*my data\.json' -o 'my data-calibration\.zip'"):
        open_calibration_set(data)
    with pytest.raises(DatasetError, match="did you mean 'demo'"):
        open_calibration_set("demos")


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def test_a_set_that_was_packed_again_is_read(made_set):
    path = made_set("set.zip")
    digest = open_calibration_set(path).digest
    assert open_calibration_set(rewrite(path, {"crops/": b"", **members(path)})).digest == digest


def test_hidden_files_of_the_system_do_no_harm(made_set):
    folder = made_set("set")
    (folder / ".DS_Store").write_bytes(b"x")
    assert len(open_calibration_set(folder)) == 3


def entry(data, side, **changes):
    sha256 = hashlib.sha256(data).hexdigest()
    facts = {"id": "a", "file": "crops/0000.png", "sha256": sha256, "side": side}
    return {**facts, "head": None, "keypoints": None, "evaluate": None, **changes}


def described(*entries, **changes):
    """A description whose digest fits, whatever it says."""
    recipe = {"seed": 0}
    payload = json.dumps({"recipe": recipe, "crops": list(entries)}, indent=1, sort_keys=True).encode()
    document = {"schema": 1, "name": "a", "licence": "b", "recipe": recipe, "crops": list(entries)}
    return json.dumps({**document, "digest": hashlib.sha256(payload).hexdigest(), **changes}).encode()


PNG = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
WIDE = cv2.imencode(".png", np.zeros((8, 9, 3), np.uint8))[1].tobytes()
DEEP = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint16))[1].tobytes()
POINTS = [[1.0, 2.0]] * 15 + [[None, None]]
MARKS = [True] * 15 + [False]
CUT = PNG[: len(PNG) // 2]
GOOD = entry(PNG, 8)


@pytest.mark.parametrize(
    ("description", "files", "message"),
    [
        (described(GOOD, schema=2), {}, "schema 2; this edgepose reads 1"),
        (described(GOOD, schema=None), {}, "schema None"),
        (b"{", {}, "not JSON"),
        (b"[" * 100_000, {}, "not JSON"),
        (b"[1]", {}, "not an object"),
        (described(), {}, "are 0, not 1 to 4096"),
        (described(*[GOOD] * 5000), {}, "are 5000, not 1 to 4096"),
        (described(GOOD, digest="0" * 64), {}, "digest is not that"),
        (described(entry(PNG, 8, file="../0000.png")), {}, "not like crops/0000.png"),
        (described(entry(PNG, 8, file="/etc/passwd")), {}, "not like crops/0000.png"),
        (described(entry(PNG, 8, sha256="x")), {}, "not a SHA-256"),
        (described(entry(PNG, 641)), {}, "side is not a whole number"),
        (described(entry(PNG, 8, head=-1)), {}, "not positive"),
        (
            described(entry(PNG, 8, head=3.0, keypoints=POINTS, evaluate=MARKS[1:])),
            {},
            "evaluate is not a list of sixteen",
        ),
        (
            described(entry(PNG, 8, head=3.0, keypoints=POINTS[1:], evaluate=MARKS)),
            {},
            "keypoints is not a list of sixte",
        ),
        (described(entry(PNG, 8, head=3.0, keypoints=POINTS)), {}, "evaluate is not a list of sixteen"),
        (described(entry(PNG, 8, head=3.0, evaluate=MARKS)), {}, "keypoints is not a list of sixteen"),
        (described(entry(PNG, 8, head=3.0, keypoints=POINTS, evaluate=[1] * 16)), {}, "neither true nor false"),
        (described(entry(PNG, 8, head=3.0, keypoints=POINTS, evaluate=[True] * 16)), {}, "left_ankle, which has none"),
        (described(entry(PNG, 8, head=3.0, keypoints=[[1e6, 0.0]] * 16, evaluate=MARKS)), {}, "out of range"),
        (described(entry(PNG, 8, head=3.0, keypoints=[[math.nan, 0.0]] * 16, evaluate=MARKS)), {}, "out of range"),
        (
            described(entry(PNG, 8, head=3.0, keypoints=[[None, 0.0]] * 16, evaluate=MARKS)),
            {},
            "holds what is no number",
        ),
        (described(entry(PNG, 8, head=3.0, keypoints=[[0.0]] * 16, evaluate=MARKS)), {}, r"no \[x, y\]"),
        (described(entry(PNG, 8, keypoints=POINTS, evaluate=MARKS)), {}, "head holds what is no number"),
        (described(entry(PNG, 8, head=0.0, keypoints=POINTS, evaluate=MARKS)), {}, "head is not positive"),
        (described(entry(PNG, 8, id="")), {}, "id is not"),
        (described(GOOD, GOOD), {}, "share a id"),
        (described(GOOD, entry(PNG, 8, id="b", file="crops/0001.png")), {}, "lacks its member 'crops/0001.png'"),
        (described(entry(b"other", 8)), {}, "does not match its SHA-256"),
        (described(GOOD), {"notes.txt": b""}, "holds 'notes.txt'"),
        (described(GOOD), {"../evil.py": b""}, r"holds '\.\./evil.py'"),
        (described(GOOD), {"crops/0001.png": PNG}, "holds 'crops/0001.png'"),
        (described(entry(bytes(3 << 20), 8)), {"crops/0000.png": bytes(3 << 20)}, "at most 2457600 can be"),
        (described(GOOD).ljust(17 << 20), {}, "at most 16777216 can be"),
    ],
)
def test_an_attack_or_damage_is_refused_when_opened(tmp_path, description, files, message):
    path = rewrite(tmp_path / "set.zip", {"calibration.json": description, "crops/0000.png": PNG, **files})
    with pytest.raises(DatasetError, match=message):
        open_calibration_set(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"GIF89a", "not a PNG"),
        (DEEP, "not a PNG"),
        (WIDE, "not a PNG of 8 bits and 8 pixels"),
        (CUT, "not a PNG"),
        (PNG[:20], "damaged|not a PNG"),
    ],
)
def test_a_crop_that_is_no_square_picture_is_refused_when_looked_at(tmp_path, data, message):
    files = {"calibration.json": described(entry(data, 8)), "crops/0000.png": data}
    opened = open_calibration_set(rewrite(tmp_path / "set.zip", files))
    with pytest.raises(DatasetError, match=message):
        list(opened.crops())


def test_names_that_occur_twice_and_links_are_refused(made_set, tmp_path):
    path = made_set("set.zip")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("crops/0000.png", PNG)
    with pytest.raises(DatasetError, match=r"holds 'crops/0000\.png' twice"):
        open_calibration_set(path)
    folder = made_set("set")
    secret = tmp_path / "secret.png"
    os.replace(folder / "crops" / "0000.png", secret)
    (folder / "crops" / "0000.png").symlink_to(secret)
    with pytest.raises(DatasetError, match="not a regular file"):
        open_calibration_set(folder)


def test_a_crop_that_changes_after_opening_is_noticed(made_set):
    folder = made_set("set")
    opened = open_calibration_set(folder)
    (folder / "crops" / "0001.png").write_bytes(PNG)
    with pytest.raises(DatasetError, match="does not match"):
        list(opened.crops())


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_to_a_zip_is_refused_or_harmless(made_set, data):
    path = made_set("set.zip")
    whole = bytearray(path.read_bytes())
    before = [crop.image for crop in open_calibration_set(path).crops()]
    for position in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=4)):
        whole[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    try:
        after = [crop.image for crop in open_calibration_set(path).crops()]
    except DatasetError:
        path.unlink()
    else:
        for one, other in zip(before, after, strict=True):
            np.testing.assert_array_equal(one, other)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@given(changes=st.dictionaries(st.sampled_from(["schema", "name", "licence", "recipe", "crops", "digest"]), JSON))
def test_any_description_is_read_or_refused(changes):
    with contextlib.suppress(DatasetError):
        Description.from_bytes(json.dumps({**json.loads(described(GOOD)), **changes}).encode(), "set")


@given(field=st.sampled_from(list(GOOD)), value=JSON, posed=st.booleans())
def test_any_entry_is_read_or_refused(field, value, posed):
    known = {"head": 3.0, "keypoints": POINTS, "evaluate": MARKS} if posed else {}
    data = described({**GOOD, **known, field: value})
    with contextlib.suppress(DatasetError):
        Description.from_bytes(data, "set")


@pytest.mark.parametrize("name", ["taken", "taken.zip"])
def test_what_is_no_set_is_not_replaced(tmp_path, name):
    path = tmp_path / name
    if path.suffix:
        path.write_text("precious")
    else:
        path.mkdir()
        (path / "precious.txt").write_text("precious")
    with pytest.raises(UsageError, match="is there already"):
        write_calibration_set(path, "a", "b", {}, crops())
    assert (path if path.suffix else path / "precious.txt").read_text() == "precious"


@pytest.mark.parametrize("name", ["set", "set.zip"])
def test_a_set_is_replaced_whole_or_not_at_all(made_set, tmp_path, name):
    path = made_set(name, count=4)
    digest = open_calibration_set(path).digest

    def breaking():
        yield from crops(1)
        raise EdgeposeError("a picture that cannot be read")

    with pytest.raises(EdgeposeError, match="cannot be read"):
        write_calibration_set(path, "a", "b", {}, breaking())
    assert open_calibration_set(path).digest == digest
    assert len(open_calibration_set(made_set(name, count=2))) == 2
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_what_could_not_be_opened_again_is_not_written(tmp_path):
    (one,) = crops(1)
    keypoints, evaluate = labels()
    posed = one._replace(keypoints=keypoints, evaluate=evaluate)
    for made in (
        [one, one],
        [one._replace(id="a" * 501)],
        [one._replace(head=-1.0)],
        [one._replace(head=math.inf)],
        [posed._replace(head=None)],
        [posed._replace(evaluate=None)],
        [posed._replace(keypoints=keypoints[1:])],
        [posed._replace(keypoints=keypoints + math.inf)],
        [posed._replace(evaluate=~evaluate)],
    ):
        with pytest.raises(DatasetError):
            write_calibration_set(tmp_path / "set.zip", "a", "b", {}, made)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((8, 9, 3), np.uint8), r"not uint8 \[S, S, 3\]"),
        (np.zeros((8, 8), np.uint8), r"not uint8 \[S, S, 3\]"),
        (np.zeros((8, 8, 3), np.float32), r"not uint8 \[S, S, 3\]"),
        (np.zeros((700, 700, 3), np.uint8), "S to 640"),
    ],
)
def test_crops_that_no_set_holds_are_refused(tmp_path, image, message):
    with pytest.raises(DatasetError, match=message):
        write_calibration_set(tmp_path / "set.zip", "a", "b", {}, [CalibrationCrop("a", image, None)])
    with pytest.raises(DatasetError, match="no crops"):
        write_calibration_set(tmp_path / "set.zip", "a", "b", {}, [])
    assert list(tmp_path.iterdir()) == []


def test_a_set_that_cannot_be_replaced_stays(made_set, monkeypatch):
    """The second of the two renames fails, as it does where another process took the place between them."""
    folder = made_set("set")
    before = open_calibration_set(folder).digest
    rename = os.replace

    def failing(source, target):
        if os.path.basename(source) == "new":
            raise OSError(39, "Directory not empty")
        rename(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(EdgeposeError, match="Directory not empty"):
        write_calibration_set(folder, "other", "ours", {"seed": 9}, crops())
    assert open_calibration_set(folder).digest == before
    assert sorted(folder.parent.glob(".edgepose-*")) == []
