import json

import numpy as np
import pytest
from figure_sets import OffBy

from edgepose.evaluation.datasets import open_dataset
from edgepose.evaluation.evaluate import evaluate
from edgepose.runtime.errors import DatasetError


def test_figures_are_scored_in_all_and_in_parts(folder):
    evaluation = evaluate(OffBy(0.3), open_dataset(folder))
    assert {name: part.persons for name, part in evaluation.parts.items()} == {"all": 3, "upright": 2, "other": 1}
    score = evaluation.parts["all"].score
    assert (score.pckh50.total, score.pckh10.total, score.pckh50.joints) == (100, 0, 3 * 16 - 1)
    np.testing.assert_allclose(score.distances[:2], 0.3, rtol=1e-3)
    assert np.isnan(score.distances[2, 15])
    assert evaluation.parts["upright"].score.pckh50.joints == 32
    assert all(part.drift is None for part in evaluation.parts.values())


def test_data_of_one_kind_has_no_parts(folder):
    dataset = open_dataset(folder).select(lambda record: record.upright)
    assert list(evaluate(OffBy(0), dataset).parts) == ["all"]


def test_a_joint_that_the_decoder_did_not_find_is_missed(folder):
    evaluation = evaluate(OffBy(0.0, missing=[4]), open_dataset(folder), OffBy(0.0))
    everyone = evaluation.parts["all"]
    assert everyone.score.pckh10.per_joint["right_wrist"] == 0
    assert everyone.score.pckh10.total == pytest.approx(100 * 44 / 47)
    assert everyone.drift.within05.total == pytest.approx(100 * 15 / 16)
    assert evaluation.to_dict()["poses"][0]["keypoints"][4] == [None, None]


def test_what_was_lost_against_the_reference_is_known(folder):
    """0.3 head off where the reference is exact: nothing of PCKh@50, all of PCKh@10."""
    everyone = evaluate(OffBy(0.3), open_dataset(folder), OffBy(0.0)).parts["all"]
    assert (everyone.drift.pckh50.total, everyone.drift.pckh10.total) == (0, -100)
    assert (everyone.drift.within01.total, everyone.drift.within05.total) == (0, 100)
    assert everyone.drift.pckh10.interval == (-100, -100)


def test_the_record_says_what_it_depends_on(folder):
    evaluation = evaluate(OffBy(0.3), open_dataset(folder), OffBy(0.0, name="exact"))
    document = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))
    assert document["schema"] == 1
    conditions = document["conditions"]
    assert (conditions["decoder"], conditions["dataset"], conditions["kind"]) == ("official", folder.name, "measured")
    assert (conditions["bundle"], conditions["reference"]["bundle"]) == ("off-by", "exact")
    assert conditions["views"] == "one"
    assert {"machine", "python", "opencv"} <= set(conditions["machine"])
    for name, joints in (("all", 47), ("upright", 32), ("other", 15)):
        part = document["results"][name]
        assert part["joints"] == joints
        assert part["pckh50"]["interval95"] == [100, 100]
        assert part["drift"]["pckh10_points"]["total"] == -100
        assert part["drift"]["within_0.1_head"]["per_joint"]["pelvis"] == 0
    assert document["results"]["other"]["pckh10"]["per_joint"]["left_ankle"] is None
    assert [pose["id"] for pose in document["poses"]] == ["figure-0", "figure-1", "figure-2"]
    assert len(document["poses"][0]["reference_keypoints"]) == 16


def test_pictures_without_labels_need_a_reference(folder):
    (folder / "annotations.json").unlink()
    dataset, estimator = open_dataset(folder), OffBy(0)
    with pytest.raises(DatasetError, match="without labelled joints"):
        evaluate(estimator, dataset)
    assert estimator.seen == []
    everyone = evaluate(estimator, dataset, OffBy(0)).parts["all"]
    assert (everyone.score, everyone.drift.pckh50) == (None, None)
    assert everyone.drift.within01.total == 100
    assert everyone.drift.within01.joints == 48


def test_data_with_labels_here_and_there_is_refused(folder):
    document = json.loads((folder / "annotations.json").read_text())
    for field in ("keypoints", "evaluate", "head"):
        del document["records"][1][field]
    (folder / "annotations.json").write_text(json.dumps(document))
    with pytest.raises(DatasetError, match="without labelled joints"):
        evaluate(OffBy(0), open_dataset(folder), OffBy(0))
