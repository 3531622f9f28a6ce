import numpy as np
import pytest

from edgepose.bench import bootstrap
from edgepose.bench.bootstrap import SEED, share_intervals


def share_interval(numerators, denominators, seed=SEED):
    """The interval of one column."""
    (interval,) = share_intervals(numerators[:, None], denominators[:, None], seed=seed)
    return interval


def hits(persons, share, joints=14, seed=0):
    return np.random.Generator(np.random.PCG64(seed)).binomial(joints, share, persons), np.full(persons, joints)


def test_the_interval_is_that_of_the_binomial_where_joints_are_independent():
    numerators, denominators = hits(400, 0.7)
    low, high = share_interval(numerators, denominators)
    share = 100 * numerators.sum() / denominators.sum()
    half = 1.96 * 100 * np.sqrt(0.7 * 0.3 / denominators.sum())
    assert low < share < high
    assert (high - low) / 2 == pytest.approx(half, rel=0.15)


def test_joints_of_one_person_are_drawn_together():
    # All joints of a person found or none: as if each person were one joint.
    numerators, denominators = hits(400, 0.7, joints=1)
    one = share_interval(numerators, denominators)
    assert share_interval(14 * numerators, 14 * denominators) == pytest.approx(one)
    wide, narrow = one, share_interval(*hits(400, 0.7, joints=14))
    assert wide.high - wide.low > 2.5 * (narrow.high - narrow.low)


def test_the_same_seed_gives_the_same_interval_and_memory_does_not_change_it(monkeypatch):
    data = hits(50, 0.5)
    first = share_interval(*data)
    assert share_interval(*data) == first
    assert share_interval(*data, seed=1) != first
    monkeypatch.setattr(bootstrap, "_DRAWS_AT_ONCE", 50 * 16)
    assert share_interval(*data) == first


def test_a_paired_difference_is_narrower_than_the_two_shares_suggest():
    ours, wanted = hits(300, 0.7)
    theirs = ours.copy()
    theirs[:30] = np.maximum(theirs[:30] - 1, 0)
    low, high = share_interval(theirs - ours, wanted)
    share = share_interval(ours, wanted)
    assert low < 100 * (theirs - ours).sum() / wanted.sum() < high < 0
    assert high - low < 0.2 * (share.high - share.low)


def test_columns_have_the_intervals_that_they_have_alone():
    columns = [hits(60, share, seed=seed) for seed, share in enumerate((0.2, 0.9))]
    together = share_intervals(*(np.stack(side, axis=1) for side in zip(*columns)))
    assert together == [share_interval(*column) for column in columns]


def test_a_column_without_counted_joints_has_no_interval():
    assert share_intervals(np.zeros((5, 2)), np.array([[0, 3]] * 5)) == [None, (0, 0)]


def test_persons_without_counted_joints_do_not_matter():
    low, high = share_interval(np.array([0, 5]), np.array([0, 10]))
    assert low == high == 50
