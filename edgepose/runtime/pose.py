"""Sixteen joints of one person: what an estimator answers."""

import numpy as np

from edgepose.runtime.errors import UsageError, did_you_mean
from edgepose.runtime.joints import JOINTS


class Pose(object):
    """The joints of one person in one frame.

    Coordinates are continuous: the frame spans [0, width] x [0, height], and the centre of its first pixel is
    (0.5, 0.5). Scores are about 1 where the network is certain and near 0 where it sees nothing. ``names`` are the
    joints in order; ``pose["left_wrist"]`` is ``(x, y, score)`` of one of them. A pose does not change once made.
    """

    __slots__ = ("_keypoints", "_scores")
    names = JOINTS

    def __init__(self, keypoints, scores):
        """Copy ``keypoints`` [16, 2] and ``scores`` [16]. Raises :class:`UsageError` for other shapes."""
        keypoints = np.array(keypoints, dtype=np.float32)
        scores = np.array(scores, dtype=np.float32)
        if keypoints.shape != (len(JOINTS), 2) or scores.shape != (len(JOINTS),):
            raise UsageError(
                "a pose is made of keypoints [16, 2] and scores [16], not {} and {}".format(
                    list(keypoints.shape), list(scores.shape)
                )
            )
        keypoints.setflags(write=False)
        scores.setflags(write=False)
        self._keypoints = keypoints
        self._scores = scores

    @property
    def keypoints(self):
        """Float32 [16, 2], read-only: x and y in pixels of the caller's frame."""
        return self._keypoints

    @property
    def scores(self):
        """Float32 [16], read-only: the decoder's map at each joint."""
        return self._scores

    def __getitem__(self, name):
        """``(x, y, score)`` of the joint called ``name``. Raises :class:`UsageError` for a name that is none."""
        try:
            index = JOINTS.index(name)
        except ValueError:
            raise UsageError("there is no joint {!r}{}".format(name, did_you_mean(name, JOINTS)), ", ".join(JOINTS))
        x, y = self.keypoints[index]
        return float(x), float(y), float(self.scores[index])

    def __reduce__(self):
        return Pose, (self.keypoints, self.scores)

    def __eq__(self, other):
        if not isinstance(other, Pose):
            return NotImplemented
        return np.array_equal(self.keypoints, other.keypoints) and np.array_equal(self.scores, other.scores)

    def __hash__(self):
        return hash((self.keypoints.tobytes(), self.scores.tobytes()))

    def __repr__(self):
        lines = ["  {:<15} {:8.1f} {:8.1f}   {:.2f}".format(name, *self[name]) for name in JOINTS]
        return "Pose(  # x, y, score\n{}\n)".format("\n".join(lines))

    def to_dict(self):
        """``{name: {"x": pixels, "y": pixels, "score": number}}`` of plain numbers, in joint order, for JSON."""
        joints = {}
        for name in JOINTS:
            x, y, score = self[name]
            joints[name] = {"x": round(x, 3), "y": round(y, 3), "score": round(score, 5)}
        return joints
