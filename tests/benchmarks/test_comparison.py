from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy")

from benchmarks.comparison import compare, joints_found
from edgepose.evaluation.datasets import PersonRecord, PoseDataset
from edgepose.evaluation.drift import drift
from edgepose.evaluation.predictions import Predictions

PERSONS = 40


def predictions(offsets):
    """Joints that are ``offsets`` [n, 16] pixels to the right of the truth; heads are 10 pixels, one joint unmarked."""
    evaluate = np.arange(16) != 5
    records = tuple(
        PersonRecord(str(n), Path("none"), None, np.zeros((16, 2), np.float32), evaluate, 10.0, True, "")
        for n in range(len(offsets))
    )
    keypoints = np.stack([offsets, np.zeros_like(offsets)], axis=2).astype(np.float32)
    scores, sides = np.ones(offsets.shape, np.float32), np.full(len(offsets), 100.0)
    return Predictions(PoseDataset("made", records), keypoints, scores, sides, 1.0, "", "", "", "official", "", "")


@pytest.fixture
def reference():
    rng = np.random.Generator(np.random.PCG64(1))
    return predictions(rng.exponential(3.0, (PERSONS, 16)))


def worse(reference, seed):
    rng = np.random.Generator(np.random.PCG64(seed))
    return predictions(reference.keypoints[..., 0] + rng.normal(0.3, 1.0, (PERSONS, 16)))


def test_one_seed_is_the_drift_turned_round(reference):
    candidate = worse(reference, 2)
    found, expected = compare([candidate], reference), drift(candidate, reference)
    for loss, change in ((found.loss50, expected.pckh50), (found.loss10, expected.pckh10)):
        assert loss.value == pytest.approx(-change.total)
        assert (loss.low, loss.high) == pytest.approx((-change.interval.high, -change.interval.low))
    assert found.within01.value == pytest.approx(expected.within01.total)
    assert (found.within01.low, found.within01.high) == pytest.approx(expected.within01.interval)


def test_several_seeds_are_their_mean_and_not_more_persons(reference):
    candidates = [worse(reference, seed) for seed in (2, 3, 4)]
    found = compare(candidates, reference)
    alone = [compare([one], reference).loss10.value for one in candidates]
    assert len(set(alone)) == 3
    assert found.loss10.seeds == pytest.approx(alone)
    assert found.loss10.value == pytest.approx(np.mean(alone))
    # The same engine three times tells no more than once.
    once, thrice = compare(candidates[:1], reference), compare(candidates[:1] * 3, reference)
    assert thrice.loss50[:3] == pytest.approx(once.loss50[:3])


def test_the_counts_of_the_persons_give_the_figures_again(reference):
    document = compare([worse(reference, 2), worse(reference, 3)], reference).to_dict()
    floats = joints_found(reference)
    assert (floats["evaluated"] == 15).all()
    for name, figure in (("found50", "loss50"), ("found10", "loss10")):
        found = np.array(document["persons"][name])
        assert found.shape == (2, PERSONS)
        again = 100 * (floats[name].sum() - found.sum(1)) / floats["evaluated"].sum()
        assert document[figure]["seeds"] == pytest.approx(again, abs=1e-3)
    within = 100 * np.array(document["persons"]["within01"]).sum(1) / (16 * PERSONS)
    assert document["within01"]["seeds"] == pytest.approx(within, abs=1e-3)
