import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from figure_sets import PERSONS, OffBy

from edgepose.evaluation.datasets import open_dataset
from edgepose.evaluation.datasets.regions import enlarged
from edgepose.evaluation.predictions import predict, predict_all
from edgepose.figures import render_figure
from edgepose.runtime.errors import DatasetError, SourceError, UsageError


def test_every_record_is_shown_with_its_region(folder):
    dataset = open_dataset(folder)
    estimator, progress = OffBy(0.3), []
    predictions = predict(estimator, dataset, lambda *step: progress.append(step), crop_scale=1)
    assert progress == [(1, 3), (2, 3), (3, 3)]
    for (frame, region), record, seed in zip(estimator.seen, dataset.records, range(PERSONS), strict=True):
        np.testing.assert_array_equal(frame, render_figure(seed, 64).image)
        assert region == record.region == render_figure(seed, 64).region
    assert predictions.sides.tolist() == [record.region[2] for record in dataset.records]


def test_regions_are_enlarged_about_their_centre_and_pictures_are_not(folder):
    estimator = OffBy(0)
    dataset = open_dataset(folder)
    conditions = predict(estimator, dataset, crop_scale=1.25).conditions()
    assert [region for _, region in estimator.seen] == [enlarged(record.region, 1.25) for record in dataset.records]
    assert "x1.25" in conditions["crop_rule"]
    assert conditions["crop_scale"] == 1.25
    (folder / "annotations.json").unlink()
    estimator = OffBy(0)
    predictions = predict(estimator, open_dataset(folder))
    assert [region for _, region in estimator.seen] == [None] * PERSONS
    assert predictions.sides.tolist() == [64] * PERSONS


@pytest.mark.parametrize("own", [1.0, 1.25])
def test_where_nobody_asks_the_data_set_says_how_large_a_crop_is(folder, own):
    estimator, dataset = OffBy(0), replace(open_dataset(folder), crop_scale=own)
    assert predict(estimator, dataset).crop_scale == own
    assert [region for _, region in estimator.seen] == [enlarged(record.region, own) for record in dataset.records]


@pytest.mark.parametrize("scale", [0.49, 3.1, float("nan")])
def test_a_crop_out_of_proportion_is_refused(folder, scale):
    estimator = OffBy(0)
    with pytest.raises(UsageError, match="crop"):
        predict(estimator, open_dataset(folder), crop_scale=scale)
    assert estimator.seen == []


def test_several_estimators_see_the_same(folder):
    estimators = OffBy(0.0), OffBy(0.2, name="other")
    first, second = predict_all(estimators, open_dataset(folder))
    assert [region for _, region in estimators[0].seen] == [region for _, region in estimators[1].seen]
    assert (first.bundle, second.bundle) == ("off-by", "other")
    assert first.dataset_sha256 == second.dataset_sha256
    assert (second.keypoints[..., 0] > first.keypoints[..., 0]).all()


def test_parts_are_selected(folder):
    predictions = predict(OffBy(0.3), open_dataset(folder))
    upright = predictions.select(lambda record: record.upright, "upright")
    assert upright.dataset.name == "upright"
    np.testing.assert_array_equal(upright.keypoints, predictions.keypoints[:2])
    np.testing.assert_array_equal(upright.sides, predictions.sides[:2])
    with pytest.raises(DatasetError):
        predictions.select(lambda record: False, "nobody")


def test_the_digest_is_of_labels_and_pictures(folder):
    def digest():
        return predict(OffBy(0), open_dataset(folder)).dataset_sha256

    first = digest()
    assert digest() == first
    document = json.loads((folder / "annotations.json").read_text())
    document["records"][0]["head"] += 1
    (folder / "annotations.json").write_text(json.dumps(document))
    relabelled = digest()
    assert relabelled != first
    assert cv2.imwrite(str(folder / "0.png"), render_figure(9, 64).image)
    assert digest() not in (first, relabelled)


def test_persons_of_one_picture_are_told_apart(folder):
    """The picture is read once for both."""
    document = json.loads((folder / "annotations.json").read_text())
    document["records"][1]["image"] = "0.png"
    (folder / "annotations.json").write_text(json.dumps(document))
    estimator = OffBy(0)
    predict(estimator, open_dataset(folder))
    (first, second, third) = estimator.seen
    assert first[0] is second[0]
    assert first[1] != second[1]
    assert third[0] is not second[0]


def test_a_damaged_picture_is_named(folder):
    (folder / "1.png").write_bytes(b"not a picture")
    with pytest.raises(SourceError, match=r"1\.png"):
        predict(OffBy(0), open_dataset(folder))
