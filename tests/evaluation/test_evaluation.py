import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from edgepose.evaluation.datasets import open_dataset
from edgepose.evaluation.evaluate import evaluate, score
from edgepose.evaluation.predictions import predict
from edgepose.figures import render_figure
from edgepose.runtime.errors import DatasetError, SourceError
from edgepose.runtime.joints import JOINTS
from edgepose.runtime.pose import Pose

PERSONS = 3


@pytest.fixture
def folder(tmp_path):
    """A data set of three figures; the last is not upright, and its left ankle is not evaluated."""
    records = []
    for seed in range(PERSONS):
        figure = render_figure(seed, 64)
        assert cv2.imwrite(str(tmp_path / f"{seed}.png"), figure.image)
        x, y, side, _ = figure.region
        records.append(
            {
                "id": f"figure-{seed}",
                "image": f"{seed}.png",
                "crop": [x, y, side],
                "keypoints": (figure.keypoints - 0.5).tolist(),
                "evaluate": [True] * 15 + [seed < 2],
                "head": figure.head_length,
                "upright": seed < 2,
            }
        )
    (tmp_path / "annotations.json").write_text(json.dumps({"joints": list(JOINTS), "records": records}))
    return tmp_path


class OffBy:
    """An estimator that is off by ``heads`` head lengths in x, and remembers what it was shown."""

    decoder = "official"
    bundle = SimpleNamespace(manifest=SimpleNamespace(name="off-by"), sha256="0" * 64)

    def __init__(self, heads, missing=()):
        self.heads, self.missing = heads, list(missing)
        self.seen = []

    def __call__(self, frame, region):
        figure = render_figure(len(self.seen), 64)
        self.seen.append((frame, region))
        points = figure.keypoints + np.float32([self.heads * figure.head_length, 0])
        points[self.missing] = np.nan
        return Pose(points, np.full(16, 0.5))


def test_every_record_is_shown_with_its_region_and_scored(folder):
    dataset = open_dataset(folder)
    estimator, progress = OffBy(0.3), []
    evaluation = evaluate(estimator, dataset, lambda *step: progress.append(step))
    assert progress == [(1, 3), (2, 3), (3, 3)]
    for (frame, region), record, seed in zip(estimator.seen, dataset.records, range(PERSONS), strict=True):
        np.testing.assert_array_equal(frame, render_figure(seed, 64).image)
        assert region == record.region == render_figure(seed, 64).region
    assert evaluation.pckh50.total == 100
    assert evaluation.pckh10.total == 0
    assert evaluation.pckh50.joints == 3 * 16 - 1
    np.testing.assert_allclose(evaluation.distances[:2], 0.3, rtol=1e-3)
    assert np.isnan(evaluation.distances[2, 15])


def test_a_joint_that_the_decoder_did_not_find_is_missed(folder):
    evaluation = evaluate(OffBy(0.0, missing=[4]), open_dataset(folder))
    assert evaluation.pckh10.per_joint["right_wrist"] == 0
    assert evaluation.pckh10.total == pytest.approx(100 * 44 / 47)
    assert evaluation.to_dict()["poses"][0]["keypoints"][4] == [None, None]


def test_parts_are_scored_apart(folder):
    predictions = predict(OffBy(0.3), open_dataset(folder))
    upright = predictions.select(lambda record: record.upright, "upright")
    assert upright.dataset.name == "upright"
    assert score(upright).pckh50.persons == 2
    np.testing.assert_array_equal(upright.keypoints, predictions.keypoints[:2])
    with pytest.raises(DatasetError):
        predictions.select(lambda record: False, "nobody")


def test_the_record_names_its_decoder_data_and_crop_rule(folder):
    document = json.loads(json.dumps(evaluate(OffBy(0.3), open_dataset(folder)).to_dict(), allow_nan=False))
    assert document["decoder"] == "official"
    assert document["dataset"] == folder.name
    assert "whole pixels" in document["crop_rule"]
    assert document["pckh50"]["total"] == 100
    assert document["pckh50"]["interval95"] == [100, 100]
    assert document["pckh10"]["per_joint"]["left_ankle"] == 0
    assert [pose["id"] for pose in document["poses"]] == ["figure-0", "figure-1", "figure-2"]


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


def test_pictures_without_labels_are_predicted_but_not_scored(folder):
    (folder / "annotations.json").unlink()
    dataset = open_dataset(folder)
    estimator = OffBy(0)
    with pytest.raises(DatasetError, match="without labelled joints"):
        evaluate(estimator, dataset)
    assert estimator.seen == []
    assert predict(estimator, dataset).keypoints.shape == (PERSONS, 16, 2)
    assert [region for _, region in estimator.seen] == [None] * PERSONS


def test_a_damaged_picture_is_named(folder):
    (folder / "1.png").write_bytes(b"not a picture")
    with pytest.raises(SourceError, match=r"1\.png"):
        predict(OffBy(0), open_dataset(folder))
