import json
import pickle

import numpy as np
import pytest

from edgepose.runtime.errors import UsageError
from edgepose.runtime.joints import JOINTS
from edgepose.runtime.pose import Pose


@pytest.fixture
def pose():
    return Pose(np.arange(32).reshape(16, 2) + 0.25, np.linspace(0, 1, 16))


def test_holds_float32_copies(pose):
    keypoints = np.zeros((16, 2), dtype=np.float32)
    other = Pose(keypoints, np.zeros(16))
    keypoints[0, 0] = 9
    assert other.keypoints[0, 0] == 0
    assert pose.keypoints.dtype == pose.scores.dtype == np.float32


def test_does_not_change(pose):
    with pytest.raises(ValueError, match="read-only"):
        pose.keypoints[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        pose.scores[0] = 1
    with pytest.raises(AttributeError):
        pose.scores = np.zeros(16)
    with pytest.raises(AttributeError):
        pose.name = "somebody"


def test_joints_are_looked_up_by_name(pose):
    assert pose.names == JOINTS
    assert pose["head_top"] == (0.25, 1.25, 0.0)
    assert pose["left_ankle"] == (30.25, 31.25, 1.0)
    with pytest.raises(UsageError, match="did you mean 'left_wrist'"):
        pose["left_wirst"]
    with pytest.raises(UsageError):
        pose[0]


def test_becomes_plain_numbers_for_json(pose):
    document = json.loads(json.dumps(pose.to_dict()))
    assert sorted(document) == sorted(JOINTS)
    assert document["upper_neck"] == {"x": 2.25, "y": 3.25, "score": 0.06667}


def test_shows_every_joint(pose):
    text = repr(pose)
    assert all(name in text for name in JOINTS)
    assert "31.2" in text


def test_is_equal_to_a_pose_of_the_same_joints(pose):
    again = pickle.loads(pickle.dumps(pose))
    assert again == pose
    assert hash(again) == hash(pose)
    assert pose != Pose(pose.keypoints, pose.scores[::-1])
    assert pose != "pose"


@pytest.mark.parametrize("shapes", [((15, 2), (16,)), ((16, 3), (16,)), ((16, 2), (16, 1)), ((32,), (16,))])
def test_other_shapes_are_refused(shapes):
    with pytest.raises(UsageError, match=r"\[16, 2\]"):
        Pose(np.zeros(shapes[0]), np.zeros(shapes[1]))
