import numpy as np
import pytest
from test_drift import predictions

from edgepose.evaluation.drift import drift
from edgepose.evaluation.gate import Limits, check_gate
from edgepose.runtime.errors import UsageError


@pytest.fixture
def lossy():
    """Of 32 joints, the candidate loses one at @50 and two at @10; two are not within 0.1 head."""
    candidate = np.zeros((2, 16))
    candidate[0, :2] = 6.0, 2.0
    return drift(predictions(candidate), predictions(np.zeros((2, 16))))


@pytest.mark.parametrize(
    ("limits", "held"),
    [
        (Limits(max_drift=6.25), True),
        (Limits(max_drift=6.24), False),
        (Limits(min_agreement=93.75), True),
        (Limits(min_agreement=93.76), False),
        (Limits(max_drift=50, min_agreement=50), True),
        (Limits(max_drift=50, min_agreement=99), False),
        (Limits(max_drift=0, min_agreement=50), False),
    ],
)
def test_the_point_estimate_decides(lossy, limits, held):
    assert check_gate(lossy, limits).held is held


def test_a_gain_is_not_a_loss():
    better = drift(predictions(np.zeros((2, 16))), predictions(np.full((2, 16), 6.0)))
    assert check_gate(better, Limits(max_drift=0)).held


def test_the_gate_says_which_bound_is_broken(lossy):
    gate = check_gate(lossy, Limits(max_drift=4, min_agreement=90))
    assert str(gate) == "the loss of PCKh@10 in points is 6.25 (0.00 to 12.50), not at most 4"
    document = gate.to_dict()
    assert document["held"] is False
    assert [bound["held"] for bound in document["bounds"]] == [True, False, True]
    assert document["bounds"][2]["at_least"] == 90


@pytest.mark.parametrize("limits", [{"max_drift": -0.1}, {"min_agreement": 101}, {"max_drift": float("nan")}])
def test_limits_that_cannot_be(limits):
    with pytest.raises(UsageError, match="cannot be"):
        Limits(**limits)
