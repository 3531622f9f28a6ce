"""The sixteen joints of EfficientPose: their order, the bones between them, and the colours they are drawn in.

Source: Groos et al. 2020, section 3 and ``utils/helpers.py`` of the official project (order of the output maps).
"""

JOINTS = (
    "head_top",
    "upper_neck",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "thorax",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "pelvis",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
)

# Pairs of joint indices that a drawing connects.
BONES = (
    (0, 1),
    (1, 5),
    (5, 2),
    (5, 6),
    (5, 9),
    (2, 3),
    (3, 4),
    (6, 7),
    (7, 8),
    (9, 10),
    (9, 13),
    (10, 11),
    (11, 12),
    (13, 14),
    (14, 15),
)
