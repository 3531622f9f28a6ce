"""``edgepose evaluate``: figures, drift, gates and refusals, as a user types them."""

import json

import cv2
import numpy as np
import pytest
from tiny_bundles import engine_bytes, manifest_document, seal, squares

from edgepose.evaluation.datasets import open_dataset
from edgepose.evaluation.predictions import predict
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.estimator import PoseEstimator
from edgepose.runtime.joints import JOINTS

ORIGIN = {"simplified_onnx": {"sha256": "a" * 64}, "source": {"sha256": "b" * 64}}
# Black becomes bright: another engine, as far as its joints are concerned.
NEGATIVE = {"mode": "letterbox", "channels": "RGB", "scale": [-1 / 255] * 3, "offset": [1.0] * 3}


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("EDGEPOSE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def write(tmp_path):
    """``write(name, precision, ...)``: a tiny bundle of one checkpoint."""

    def write(name, precision="fp32", dtype="float32", **changes):
        document = manifest_document("onnx", dtype)
        document.update({"name": name, "precision": precision, "provenance": ORIGIN, **changes})
        path = tmp_path / f"{name}.edgepose"
        path.write_bytes(seal(document, {"engine.onnx": engine_bytes("onnx", dtype)}))
        return path

    return write


@pytest.fixture
def bundles(write):
    """The float bundle, an int8 one that agrees with it, and an fp16 one that does not."""
    return write("float"), write("int8", "int8", "int8"), write("lossy", "fp16", preprocessing=NEGATIVE)


@pytest.fixture
def dataset(tmp_path, bundles):
    """Three frames whose truth is what the float bundle finds; the last person is not upright."""
    folder = tmp_path / "set"
    folder.mkdir()
    for number, size in enumerate((64, 80, 96)):
        cv2.imwrite(str(folder / f"{number}.png"), squares(size, size))
    with PoseEstimator(Bundle.open(bundles[0])) as estimator:
        truth = predict(estimator, open_dataset(folder)).keypoints
    records = [
        {
            "id": str(number),
            "image": f"{number}.png",
            "keypoints": (truth[number].astype(float) - 0.5).tolist(),
            "evaluate": [True] * 16,
            "head": 8.0,
            "upright": number < 2,
        }
        for number in range(3)
    ]
    (folder / "annotations.json").write_text(json.dumps({"joints": list(JOINTS), "records": records}))
    return folder


def test_an_engine_that_lost_nothing_passes_every_gate(type_command, bundles, dataset):
    reference, int8, _ = bundles
    words = ("evaluate", int8, "--dataset", dataset, "--reference", reference, "--max-drift", 0, "--min-agreement", 100)
    typed = type_command(*words, "--json")
    assert typed.code == 0, typed.err
    document = json.loads(typed.out)
    assert document["gate"]["held"] is True
    assert document["conditions"]["reference"]["bundle"] == "float"
    assert list(document["results"]) == ["all", "other", "upright"]
    assert document["results"]["all"]["pckh10"]["total"] == 100


def test_a_gate_that_does_not_hold_exits_3_and_still_prints_everything(type_command, bundles, dataset, tmp_path):
    reference, _, lossy = bundles
    words = ("eval", lossy, "--dataset", dataset, "--reference", reference, "--max-drift", 0.5)
    sheet = tmp_path / "worst.png"
    typed = type_command(*words, "--worst", sheet, "--worst-count", 2)
    assert typed.code == 3
    assert "the loss of PCKh@50 in points is" in typed.err
    assert "not at most 0.5" in typed.err
    for text in ("upright", "other", "change @50", "within 0.1 head", "left_wrist", "square x1 ", "decoder 'official'"):
        assert text in typed.out
    assert cv2.imread(str(sheet)).size > 0
    typed = type_command(*words, "--json")
    assert typed.code == 3
    document = json.loads(typed.out)
    assert document["gate"]["held"] is False
    drift = document["results"]["all"]["drift"]
    assert document["gate"]["bounds"][0]["value"] == pytest.approx(-drift["pckh50_points"]["total"], abs=0.01)
    typed = type_command("eval", lossy, "--dataset", dataset, "--reference", reference, "--min-agreement", 99)
    assert (typed.code, "within 0.1 head" in typed.err) == (3, True)


def test_without_a_reference_pckh_is_printed_and_drift_is_explained(type_command, bundles, dataset):
    _, int8, _ = bundles
    typed = type_command("evaluate", int8, "--dataset", dataset)
    assert typed.code == 0
    assert "drift was not measured" in typed.err
    assert "--precision fp32" in typed.err
    assert "PCKh@50" in typed.out
    assert "change" not in typed.out
    typed = type_command("evaluate", int8, "--dataset", dataset, "--max-drift", 1)
    assert (typed.code, typed.out) == (2, "")
    assert "--reference" in typed.err


def test_a_float_bundle_has_nothing_to_be_compared_with_unless_a_gate_asks(type_command, bundles, dataset):
    typed = type_command("evaluate", bundles[0], "--dataset", dataset, "--json")
    assert (typed.code, typed.err) == (0, "")
    assert json.loads(typed.out)["conditions"]["reference"] is None
    assert json.loads(typed.out)["gate"] is None
    assert type_command("evaluate", bundles[0], "--dataset", dataset, "--min-agreement", 1).code == 2


def test_pictures_without_labels_are_for_agreement(type_command, bundles, dataset):
    (dataset / "annotations.json").unlink()
    reference, int8, _ = bundles
    words = ("evaluate", int8, "--dataset", dataset, "--reference", reference)
    typed = type_command(*words, "--min-agreement", 100)
    assert typed.code == 0, typed.err
    assert "within 0.5 head" in typed.out
    assert "PCKh" not in typed.out.split("decoder")[0]
    typed = type_command(*words, "--max-drift", 1)
    assert (typed.code, "lacks labels" in typed.err) == (2, True)
    assert type_command("evaluate", int8, "--dataset", dataset).code == 1


def test_the_protocol_is_an_option(type_command, bundles, dataset):
    """A crop that the picture's own region does not have, the mirrored view, and scales: all in the record."""
    words = ("evaluate", bundles[0], "--dataset", dataset, "--json")
    options = ("--crop-scale", 1, "--flip", "--scales", "0.8,1,1.25", "--decoder", "realtime", "--subset", "other")
    document = json.loads(type_command(*words, *options).out)
    conditions = document["conditions"]
    assert conditions["views"] == "scales 0.8, 1, 1.25, mirrored"
    assert (conditions["crop_scale"], conditions["crop_rule"][:20]) == (1, "annotated square x1 ")
    assert (conditions["decoder"], conditions["dataset"]) == ("realtime", "set, other")
    assert document["results"]["all"]["persons"] == 1


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--crop-scale", "9"), "a crop of 9 times"),
        (("--scales", "1,x"), "are not scales"),
        (("--scales", "0.8"), "1 is not among"),
        (("--max-drift", "-1"), "cannot be"),
        (("--worst", "worst.gif"), ".png or .jpg"),
        (("--subset", "most"), "most"),
    ],
)
def test_options_that_cannot_be_are_refused(type_command, bundles, dataset, options, complaint):
    typed = type_command("evaluate", bundles[0], "--dataset", dataset, *options)
    assert (typed.code, typed.out) == (2, "")
    assert complaint in typed.err


def test_another_checkpoint_is_no_reference(type_command, bundles, dataset, write):
    other = write("stranger", provenance={"simplified_onnx": {"sha256": "c" * 64}, "source": {"sha256": "d" * 64}})
    typed = type_command("evaluate", bundles[1], "--dataset", dataset, "--reference", other)
    assert (typed.code, "not of the checkpoint" in typed.err) == (2, True)


def test_a_sheet_that_cannot_be_written_is_refused_before_the_work(type_command, bundles, dataset, tmp_path):
    typed = type_command("evaluate", bundles[0], "--dataset", dataset, "--worst", tmp_path / "none" / "w.png")
    assert (typed.code, "there is no folder" in typed.err) == (2, True)


@pytest.fixture
def split(tmp_path):
    """An MPII split of one person with a head and one without, beside their pictures."""
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), squares(80, 80))
    person = {"image": "a.png", "scale": 0.25, "center": [40, 36], "joints": [[20 + 2 * i, 30] for i in range(16)]}
    persons = [{**person, "joints_vis": [1] * 16}, {**person, "joints_vis": [1] * 9 + [0] * 7}]
    (tmp_path / "valid.json").write_text(json.dumps(persons))
    return tmp_path / "valid.json"


def test_the_format_decides_the_crop_and_says_what_was_passed_over(type_command, bundles, split):
    typed = type_command("evaluate", bundles[0], "--dataset", split, "--json")
    assert (typed.code, typed.err) == (0, "warning: passed over: 1 person without head_top or upper_neck\n")
    document = json.loads(typed.out)
    assert document["conditions"]["crop_scale"] == 1.25
    assert list(document["results"]) == ["all"]  # nobody knows who is upright
    typed = type_command("evaluate", bundles[0], "--dataset", split, "--crop-scale", 1)
    assert "annotated square x1 about" in typed.out


@pytest.mark.parametrize("subset", ["upright", "other"])
def test_who_is_upright_is_not_guessed(type_command, bundles, split, subset):
    typed = type_command("evaluate", bundles[0], "--dataset", split, "--subset", subset)
    assert (typed.code, "'valid' does not say who is upright" in typed.err) == (2, True)


def test_a_folder_of_pictures_for_pictures_is_refused(type_command, bundles, split):
    images = split.parent / "images"
    typed = type_command("evaluate", bundles[0], "--dataset", images, "--images", images)
    assert (typed.code, "is not used" in typed.err) == (2, True)


def test_a_picture_of_the_data_set_is_not_drawn_over(type_command, bundles, split):
    picture = split.parent / "images" / "a.png"
    before = picture.read_bytes()
    typed = type_command("evaluate", bundles[0], "--dataset", split, "--worst", picture)
    assert (typed.code, "is one of the pictures" in typed.err) == (2, True)
    assert picture.read_bytes() == before


def test_a_region_outside_its_picture_is_named(type_command, bundles, dataset):
    document = json.loads((dataset / "annotations.json").read_text())
    document["records"][1]["crop"] = [9000, 0, 10]
    (dataset / "annotations.json").write_text(json.dumps(document))
    typed = type_command("evaluate", bundles[0], "--dataset", dataset)
    assert (typed.code, typed.out) == (1, "")
    assert "person '1' of" in typed.err
    assert "1.png" in typed.err


def test_fp16_weights_lose_nothing_on_photographs(type_command, reference, tmp_path):
    """40 real persons: what the conversion left in its cache is the reference."""
    path = tmp_path / "rt.edgepose"
    checkpoint = reference / "weights" / "EfficientPoseRT.h5"
    words = ("convert", "--variant", "RT", "--target", "raspberry-pi-4", "--precision", "fp16", "-o", path)
    typed = type_command(*words, "--checkpoint", checkpoint)
    assert typed.code == 0, typed.err
    whole = reference / "data" / "lspet-dev"
    document = json.loads((whole / "annotations.json").read_text())
    document["records"] = document["records"][::20][:40]
    (tmp_path / "images").symlink_to(whole / "images")
    (tmp_path / "annotations.json").write_text(json.dumps(document))
    words = ("evaluate", path, "--dataset", tmp_path, "--min-agreement", "99", "--json")
    typed = type_command(*words)
    assert typed.code == 0, typed.err
    measured = json.loads(typed.out)
    assert measured["results"]["all"]["persons"] == 40
    assert measured["conditions"]["reference"]["library"].startswith("onnxruntime")
    found, expected = (
        np.array([pose[kind] for pose in measured["poses"]]) for kind in ("keypoints", "reference_keypoints")
    )
    assert np.median(np.linalg.norm(found - expected, axis=2)) < 0.5  # pixels of the picture
