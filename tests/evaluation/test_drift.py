from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgepose.evaluation.datasets import PersonRecord, PoseDataset
from edgepose.evaluation.drift import drift, head_lengths
from edgepose.evaluation.predictions import Predictions
from edgepose.runtime.errors import UsageError


def record(number, head=10.0, labelled=True):
    keypoints = np.full((16, 2), 0.0 if labelled else np.nan, np.float32)
    return PersonRecord(str(number), Path("none"), (0, 0, 200, 200), keypoints, np.full(16, labelled), head, True, "")


def predictions(offsets, records=None):
    """Joints that are ``offsets`` [n, 16] pixels to the right of the truth, at zero."""
    offsets = np.asarray(offsets, np.float32)
    records = records or [record(number) for number in range(len(offsets))]
    keypoints = np.stack([offsets, np.zeros_like(offsets)], axis=2)
    sides = np.full(len(offsets), 200.0)
    dataset = PoseDataset("made", tuple(records))
    scores = np.ones(offsets.shape, np.float32)
    return Predictions(dataset, keypoints, scores, sides, 1.25, "made", "0", "none", "official", "", "0")


def test_hand_computed():
    """Two persons with heads of 10 px. Reference: all found. Candidate: two joints lost at @50, one more at @10."""
    reference, candidate = np.zeros((2, 16)), np.zeros((2, 16))
    candidate[0, 3], candidate[1, 3], candidate[0, 5] = 6.0, 30.0, 4.0
    found = drift(predictions(candidate), predictions(reference))
    assert found.pckh50.total == pytest.approx(-100 * 2 / 32)
    assert found.pckh10.total == pytest.approx(-100 * 3 / 32)
    assert found.within01.total == pytest.approx(100 * 29 / 32)
    assert found.within05.total == pytest.approx(100 * 30 / 32)
    assert found.pckh50.per_joint["right_elbow"] == -100
    assert found.pckh10.per_joint["thorax"] == -50
    assert found.pckh10.per_joint_intervals["thorax"] == (-100, 0)
    assert found.pckh50.per_joint_intervals["pelvis"] == (0, 0)
    assert found.distances[1, 3] == 3
    # Person 1 loses two of 16 at @10, person 2 one: all that resampling two persons can give.
    assert found.pckh10.interval == pytest.approx((-100 * 4 / 32, -100 * 2 / 32))


def test_gains_and_losses_cancel_in_pckh_and_not_in_agreement():
    reference, candidate = np.zeros((2, 16)), np.zeros((2, 16))
    reference[0, 0], candidate[0, 1] = 8.0, 8.0
    found = drift(predictions(candidate), predictions(reference))
    assert found.pckh50.total == 0
    assert found.within05.total == pytest.approx(100 * 30 / 32)


def test_paired_intervals_do_not_see_what_both_miss():
    rng = np.random.Generator(np.random.PCG64(3))
    reference = np.where(rng.random((300, 16)) < 0.4, 9.0, 0.0)  # both miss four of ten
    candidate = reference.copy()
    candidate[:10, 0] = 9.0
    low, high = drift(predictions(candidate), predictions(reference)).pckh50.interval
    assert -0.4 < low < high <= 0


def test_without_a_head_a_tenth_of_the_side_is_the_ruler():
    records = [record(0, head=np.nan, labelled=False), record(1, head=np.nan, labelled=False)]
    candidate = np.zeros((2, 16))
    candidate[0, :2] = 2.0, 2.1
    found = drift(predictions(candidate, records), predictions(np.zeros((2, 16)), records))
    assert head_lengths(predictions(candidate, records)).tolist() == [20, 20]
    assert found.pckh50 is found.pckh10 is None
    assert found.within01.total == pytest.approx(100 * 31 / 32)
    assert found.to_dict()["pckh50_points"] is None


@pytest.mark.parametrize("change", [{"crop_scale": 1.0}, {"decoder": "realtime"}, {"dataset_sha256": "1"}])
def test_what_is_not_of_the_same_kind_is_not_compared(change):
    one = predictions(np.zeros((2, 16)))
    with pytest.raises(UsageError, match="cannot be compared"):
        drift(replace(one, **change), one)
