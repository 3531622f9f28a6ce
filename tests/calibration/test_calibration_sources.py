import json

import cv2
import numpy as np
import pytest

from edgepose.calibration import open_calibration_set, write_calibration_set
from edgepose.calibration.collect import collect
from edgepose.calibration.recipes import UNKNOWN_LICENCE, read_recipe, recipe_for
from edgepose.calibration.sheet import TILE, contact_sheet
from edgepose.calibration.sources import open_sources
from edgepose.evaluation.datasets import open_dataset
from edgepose.runtime.errors import DatasetError, UsageError
from edgepose.runtime.joints import JOINTS


def collected(*paths, count=128, seed=0, images=None, crop_scale=None):
    return collect(open_sources(list(paths), images, crop_scale), count, seed, lambda *_: None)


def write_video(path, frames):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, (64, 48))
    for index in range(frames):
        writer.write(np.full((48, 64, 3), 2 * index, np.uint8))
    writer.release()
    return path


def person(index, **changes):
    keypoints = [[20.0 + joint, 10.0 + 2 * joint] for joint in range(16)]
    labels = {"keypoints": keypoints, "evaluate": [True] * 16, "head": 4.0}
    return {"id": str(index), "image": f"{index:02d}.png", "crop": [10, 5, 40], **labels, **changes}


def annotate(folder, *persons):
    path = folder / "annotations.json"
    path.write_text(json.dumps({"joints": list(JOINTS), "records": persons}))
    return path


def test_photographs_without_boxes_are_whole_pictures(photographs):
    collection = collected(photographs, count=6)
    crops = list(collection.crops())
    assert len(crops) == collection.amount == 6
    assert {crop.image.shape for crop in crops} == {(100, 100, 3)}
    assert {(crop.head, crop.keypoints, crop.evaluate) for crop in crops} == {(None, None, None)}
    (source,) = collection.recipe["sources"]
    assert (source["kind"], source["persons"], source["taken"]) == ("pictures", 12, 6)
    assert any("stable from 64" in warning for warning in collection.warnings)


def test_more_than_there_is_is_all_there_is_with_a_warning(photographs):
    collection = collected(photographs, count=100)
    assert collection.amount == 12
    assert collection.warnings[0] == "the sources hold 12 persons, not 100: all of them are taken"


def test_a_source_that_gives_nothing_is_told(photographs, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    assert cv2.imwrite(str(small / "00.png"), np.zeros((40, 40, 3), np.uint8))
    annotate(small, person(0, crop=[0, 0, 20]))
    warnings = collected(photographs, small, count=3).warnings
    assert "'small' holds no person that is large enough to look at" in warnings


def test_a_source_named_twice_is_refused(photographs):
    with pytest.raises(UsageError, match="is named 2 times"):
        collected(photographs, photographs / ".." / photographs.name)


def test_a_folder_of_pictures_is_for_annotations(photographs):
    with pytest.raises(UsageError, match="is not used"):
        collected(photographs, images=photographs)
    annotations = annotate(photographs, person(1))
    assert collected(annotations, photographs / "02.png", images=photographs).amount == 2


def test_pictures_named_one_by_one_are_one_source(photographs):
    collection = collected(*sorted(photographs.glob("0*.png")), count=5)
    assert [source["name"] for source in collection.recipe["sources"]] == ["pictures"]
    assert collection.amount == 5


def test_heads_and_joints_are_in_pixels_of_the_crop_and_the_scale_enlarges(photographs):
    annotate(photographs, person(0))
    (crop,) = collected(photographs).crops()
    assert (crop.image.shape, crop.head) == ((40, 40, 3), 4.0)  # the format's own square is what to look at
    np.testing.assert_array_equal(crop.keypoints, [[10.5 + joint, 5.5 + 2 * joint] for joint in range(16)])
    (crop,) = collected(photographs, crop_scale=2.0).crops()
    assert (crop.image.shape, crop.head) == ((80, 80, 3), 4.0)
    np.testing.assert_array_equal(crop.keypoints[0], [30.5, 25.5])
    large = cv2.resize(cv2.imread(str(photographs / "01.png")), (1600, 1600))
    assert cv2.imwrite(str(photographs / "01.png"), large)
    annotate(photographs, person(1, crop=[0, 0, 1280]))
    (crop,) = collected(photographs).crops()
    assert (crop.image.shape, crop.head) == ((640, 640, 3), 2.0)
    np.testing.assert_array_equal(crop.keypoints[0], [10.25, 5.25])


def test_bad_sources_are_named(photographs, tmp_path):
    annotate(photographs, person(0, crop=[500, 500, 40]))
    with pytest.raises(DatasetError, match=r"region of '0' lies outside its picture .*00\.png"):
        list(collected(photographs).crops())
    annotate(photographs, person(0, crop=[0, 0, 20]))
    with pytest.raises(DatasetError, match="no person that is large enough"):
        collected(photographs)
    annotate(photographs, person(0), person(1, crop=[0, 0, 20]))
    assert collected(photographs).remarks == ("passed over: 1 person smaller than 32 pixels",)
    with pytest.raises(DatasetError, match="no data set at"):
        collected(tmp_path / "absent")
    with pytest.raises(UsageError, match="--count 0"):
        collected(photographs, count=0)
    made = tmp_path / "set.zip"
    write_calibration_set(made, "a", "b", {}, collected(photographs).crops())
    with pytest.raises(DatasetError, match="a calibration set already"):
        collected(made)


def test_frames_of_a_video_are_evenly_apart_and_whole(tmp_path):
    video = write_video(tmp_path / "walk.avi", 102)
    crops = list(collected(video, count=10).crops())
    frames = [int(crop.id.rpartition("#")[2]) for crop in crops]
    assert len(frames) == 10
    assert set(np.diff(frames)) == {10}
    for crop, frame in zip(crops, frames, strict=True):
        assert crop.image.shape == (64, 64, 3)
        assert not crop.image[:8].any()
        assert abs(int(crop.image[32, 32, 0]) - 2 * frame) <= 4
    others = [int(crop.id.rpartition("#")[2]) for crop in collected(video, count=10, seed=1).crops()]
    assert others != frames


def test_a_video_that_ends_before_its_end_is_refused(tmp_path):
    video = write_video(tmp_path / "walk.avi", 60)
    data = video.read_bytes()
    index = data.rfind(b"idx1")
    video.write_bytes(data[: index // 2])
    with pytest.raises(DatasetError, match="of the 60 frames that it claims"):
        list(collected(video, count=40).crops())


def test_sources_share_the_count_and_a_small_one_gives_what_it_has(photographs, tmp_path):
    long, short = write_video(tmp_path / "long.avi", 92), write_video(tmp_path / "short.avi", 5)
    collection = collected(photographs, long, short, count=30)
    assert [source["taken"] for source in collection.recipe["sources"]] == [12, 15, 3]
    ids = [crop.id for crop in collection.crops()]
    assert len(set(ids)) == 30
    assert ids[0].startswith("1/")
    assert ids[-1].startswith("3/short.avi#")
    folder = tmp_path / "both"
    folder.mkdir()
    long.rename(folder / "long.avi")
    (photographs / "00.png").rename(folder / "00.png")
    assert [source["kind"] for source in collected(folder, count=4).recipe["sources"]] == ["video", "pictures"]


def test_recipes_serve_their_formats_and_no_others(tmp_path):
    mpii = recipe_for(["mpii-mat", "mpii-json"], "mine")
    assert (mpii.name, mpii.count) == ("mpii", 128)
    assert "not commercial" in mpii.licence
    for formats in (["mpii-mat", "coco"], ["pictures"], ["video"]):
        mine = recipe_for(formats, "mine")
        assert (mine.name, mine.licence) == ("mine", UNKNOWN_LICENCE)
    good = 'name = "a"\nformats = ["b"]\ncount = 9\n'
    path = tmp_path / "recipe.toml"
    path.write_text(good)
    assert read_recipe(path).count == 9
    for bad in (
        good.replace("9", "0"),
        good.replace("9", '"9"'),
        good + "colour = 3",
        good.replace('["b"]', "[1]"),
        good.replace('["b"]', "7"),
        "name = [",
        "count = 9",
    ):
        path.write_text(bad)
        with pytest.raises(DatasetError, match=r"recipe\.toml"):
            read_recipe(path)


def test_photographs_of_the_reference_become_the_same_set_each_time(reference, tmp_path):
    def make(name, seed):
        collection = collected(reference / "data" / "lspet-calibration", count=64, seed=seed)
        assert collection.warnings == ()
        return write_calibration_set(tmp_path / name, "lspet", "research", collection.recipe, collection.crops())

    first, second, other = make("first.zip", 0), make("second", 0), make("other.zip", 1)
    assert len(first) == 64
    assert not first.labelled
    assert first.digest == second.digest != other.digest
    assert {crop.id for crop in first.crops()} != {crop.id for crop in other.crops()}
    assert open_calibration_set(tmp_path / "second").digest == first.digest
    assert contact_sheet(first).shape == (6 * TILE, 12 * TILE, 3)


def test_labelled_persons_of_the_reference_are_sorted_by_pose_and_keep_their_joints(reference, tmp_path):
    collection = collected(reference / "data" / "lspet-dev", count=128)
    coverage = collection.coverage
    shares = {name: (there / 805, taken / 128) for (_, name), (there, taken) in coverage.items()}
    assert {"upright", "leaning", "lying or upside down", "narrow", "wide"} <= set(shares)
    assert all(abs(there - taken) < 0.05 for there, taken in shares.values())
    made = write_calibration_set(tmp_path / "set.zip", "lspet", "research", collection.recipe, collection.crops())
    assert made.labelled
    records = {record.id: record for record in open_dataset(reference / "data" / "lspet-dev").records}
    for crop in made.crops():
        assert 3 < crop.head < 320
        check_labels(crop, records[crop.id])


def test_the_five_of_mpii_keep_their_joints(reference, tmp_path):
    folder = reference / "data" / "lspet-dev"
    document = json.loads((folder / "annotations.json").read_text())
    annotate(tmp_path, *(record for record in document["records"] if record["source"] == "mpii"))
    annotations = tmp_path / "annotations.json"
    collection = collected(annotations, images=folder)
    made = write_calibration_set(tmp_path / "set", "mpii", "research", collection.recipe, collection.crops())
    assert (len(made), made.labelled) == (5, True)
    records = {record.id: record for record in open_dataset(annotations, folder).records}
    assert any(side < records[crop.id].region[2] for side, crop in zip(made.sides, made.crops(), strict=True))
    for crop in made.crops():
        check_labels(crop, records[crop.id])


def check_labels(crop, record):
    """The joints of ``crop``, mapped back to the picture, are those of ``record``."""
    x, y, side, _ = record.region
    pixel = side / len(crop.image)
    back = crop.keypoints * pixel + [x, y]
    # A crop that is made smaller ends on whole pixels.
    np.testing.assert_allclose(back, record.keypoints, atol=2e-3 if pixel == 1 else pixel)
    np.testing.assert_array_equal(crop.evaluate, record.evaluate)
    assert crop.head * pixel == pytest.approx(record.head_length, abs=2e-3)
