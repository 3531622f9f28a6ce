"""edgepose: from a trained EfficientPose checkpoint to one file that finds sixteen joints on an edge device.

``edgepose.load("rt.edgepose")(frame)`` gives a :class:`Pose`, ``edgepose.PoseStream("rt.edgepose", 0)`` the poses in
front of a camera. Importing this package needs numpy and OpenCV alone,
on Python 3.6 and newer; converting checkpoints needs the ``convert`` extra.
"""

import sys

from edgepose.runtime.errors import EdgeposeError
from edgepose.runtime.estimator import PoseEstimator, load
from edgepose.runtime.joints import JOINTS
from edgepose.runtime.pose import Pose
from edgepose.version import __version__

__all__ = ["JOINTS", "EdgeposeError", "Pose", "PoseEstimator", "PoseStream", "__version__", "load"]

if sys.version_info >= (3, 7):

    def __getattr__(name):
        """``PoseStream`` when it is first asked for (PEP 562): most programs have no camera."""
        if name == "PoseStream":
            from edgepose.runtime.stream.pose_stream import PoseStream

            globals()[name] = PoseStream
            return PoseStream
        raise AttributeError("module {!r} has no attribute {!r}".format(__name__, name))

else:
    from edgepose.runtime.stream.pose_stream import PoseStream
