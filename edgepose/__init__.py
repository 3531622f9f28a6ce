"""edgepose: from a trained EfficientPose checkpoint to one file that finds sixteen joints on an edge device.

``edgepose.load("rt.edgepose")(frame)`` gives a :class:`Pose`. Importing this package needs numpy and OpenCV alone,
on Python 3.6 and newer; converting checkpoints needs the ``convert`` extra.
"""

from edgepose.runtime.errors import EdgeposeError
from edgepose.runtime.estimator import PoseEstimator, load
from edgepose.runtime.joints import JOINTS
from edgepose.runtime.pose import Pose
from edgepose.version import __version__

__all__ = ["JOINTS", "EdgeposeError", "Pose", "PoseEstimator", "__version__", "load"]
