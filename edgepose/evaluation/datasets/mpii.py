"""What MPII's formats have in common: its joints, its person square and its head length.

Andriluka et al. 2014. Coordinates are Matlab's: the *centre* of the first pixel is (1, 1), so half a pixel leaves them
for :class:`edgepose.Pose`, whose corner of the first pixel is (0, 0).
"""

from __future__ import annotations

from pathlib import Path

from edgepose.evaluation.datasets.regions import Region, square_around
from edgepose.runtime.joints import JOINTS

# MPII's joint ids 0 to 15.
MPII_JOINTS = (
    "right_ankle",
    "right_knee",
    "right_hip",
    "left_hip",
    "left_knee",
    "left_ankle",
    "pelvis",
    "thorax",
    "upper_neck",
    "head_top",
    "right_wrist",
    "right_elbow",
    "right_shoulder",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
)
#: The place of MPII's joint ``id`` in EfficientPose's order.
PLACES = tuple(JOINTS.index(name) for name in MPII_JOINTS)
ORIGIN = -0.5  # from MPII's pixels to ours
CROP_SCALE = 1.25  # human-pose-estimation.pytorch, lib/dataset/mpii.py: "avoid cropping limbs"
# evalMPII, util_get_head_size.m: SC_BIAS = 0.6, "0.8*0.75", of the diagonal of the head box. MPII placed head_top and
# upper_neck 0.8 diagonals apart, so three quarters of their distance is the same length where the box is not at hand.
HEAD_OF_DIAGONAL = 0.6
HEAD_OF_JOINTS = 0.75


def person_square(x: float, y: float, scale: float) -> Region:
    """The square of a person, not enlarged: 200 pixels a unit of ``scale``, its centre 15 below ``objpos`` (x, y).

    ``scale`` is the person's height over 200 pixels; the common code (human-pose-estimation.pytorch and its heirs)
    moves the centre so and then enlarges the square by :data:`CROP_SCALE`.
    """
    side = 200 * scale
    return square_around(x + ORIGIN - side / 2, y + ORIGIN + 15 * scale - side / 2, side, side)


def image_candidates(annotations: Path) -> list[Path]:
    """Where the pictures of an MPII file usually lie: ``images`` beside it or its folder, or its own folder."""
    folder = annotations.resolve().parent
    return [folder / "images", folder.parent / "images", folder]
