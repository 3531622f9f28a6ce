import numpy as np
import pytest

from edgepose.evaluation.agreement import agreement
from edgepose.runtime.errors import DatasetError


def poses(persons=2):
    return np.random.Generator(np.random.PCG64(5)).uniform(0, 200, (persons, 16, 2))


def test_hand_computed():
    reference, heads = poses(), np.array([10.0, 50.0])
    points = reference.copy()
    points[:, 3, 0] += 3.0
    near = agreement(points, reference, heads, 0.1)
    assert near.total == pytest.approx(100 * 31 / 32)
    assert near.per_joint["right_elbow"] == 50
    assert agreement(points, reference, heads, 0.5).total == 100


def test_what_the_reference_did_not_find_is_left_out():
    reference = poses(1)
    points = reference.copy()
    reference[0, 2] = np.nan
    points[0, 4] = np.nan
    share = agreement(points, reference, np.array([10.0]))
    assert share.total == pytest.approx(100 * 14 / 15)
    assert share.per_joint["right_shoulder"] is None
    assert share.per_joint["right_wrist"] == 0
    with pytest.raises(DatasetError):
        agreement(points, np.full_like(reference, np.nan), np.array([10.0]))
