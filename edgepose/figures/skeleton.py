"""An articulated human skeleton: proportions, joint angles within human limits, and where they put joints.

Axes: x to the right of the picture, y down, z towards the viewer; a figure that faces the viewer has its own
left side at positive x. Lengths are shares of the figure's stature, angles are degrees. Source of the
proportions: Drillis & Contini 1966, body segment lengths as shares of stature.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIDES = {"right": 1.0, "left": -1.0}

# (lowest, highest) angle in degrees. Flexion brings a hanging limb forwards, abduction away from the body.
ANGLE_LIMITS = {
    "shoulder_abduction": (-5.0, 172.0),
    "shoulder_flexion": (-45.0, 170.0),
    "shoulder_twist": (-70.0, 70.0),
    "elbow_flexion": (0.0, 145.0),
    "hip_abduction": (-8.0, 60.0),
    "hip_flexion": (-25.0, 120.0),
    "hip_twist": (-10.0, 45.0),
    "knee_flexion": (0.0, 140.0),
    "spine_bend": (-12.0, 35.0),
    "spine_lean": (-15.0, 15.0),
    "spine_twist": (-25.0, 25.0),
    "neck_nod": (-20.0, 25.0),
    "neck_tilt": (-15.0, 15.0),
    "neck_turn": (-40.0, 40.0),
    "heading": (-360.0, 360.0),  # 0: facing the viewer
    "lean": (-20.0, 20.0),  # of the whole figure, in the picture plane
}


@dataclass(frozen=True)
class AnglePose:
    """A habit of one limb: how often it is drawn, and mean and spread (degrees) of each of its angles."""

    weight: float
    angles: dict[str, tuple[float, float]]


ARM_POSES = (
    AnglePose(
        0.45,
        {
            "shoulder_abduction": (14, 8),
            "shoulder_flexion": (2, 14),
            "shoulder_twist": (10, 20),
            "elbow_flexion": (18, 14),
        },
    ),
    AnglePose(  # hand on the hip
        0.15,
        {
            "shoulder_abduction": (50, 5),
            "shoulder_flexion": (0, 5),
            "shoulder_twist": (65, 4),
            "elbow_flexion": (95, 8),
        },
    ),
    AnglePose(  # arm to the side or overhead
        0.25,
        {
            "shoulder_abduction": (105, 32),
            "shoulder_flexion": (5, 15),
            "shoulder_twist": (-50, 30),
            "elbow_flexion": (35, 28),
        },
    ),
    AnglePose(  # arm to the front
        0.15,
        {
            "shoulder_abduction": (22, 12),
            "shoulder_flexion": (45, 22),
            "shoulder_twist": (0, 25),
            "elbow_flexion": (55, 28),
        },
    ),
)
LEG_POSES = (
    AnglePose(0.5, {"hip_abduction": (6, 4), "hip_flexion": (2, 5), "hip_twist": (12, 8), "knee_flexion": (5, 5)}),
    AnglePose(  # legs apart
        0.25, {"hip_abduction": (18, 6), "hip_flexion": (5, 8), "hip_twist": (18, 8), "knee_flexion": (8, 8)}
    ),
    AnglePose(  # a step
        0.25,
        {"hip_abduction": (5, 4), "hip_flexion": (16, 18), "hip_twist": (8, 8), "knee_flexion": (26, 18)},
    ),
)
TRUNK_POSE = AnglePose(
    1.0,
    {
        "spine_bend": (3, 5),
        "spine_lean": (0, 5),
        "spine_twist": (0, 8),
        "neck_nod": (2, 6),
        "neck_tilt": (0, 5),
        "neck_turn": (0, 16),
        "heading": (0, 28),
        "lean": (0, 4),
    },
)


@dataclass(frozen=True)
class Proportions:
    """Lengths of one figure's segments, as shares of its stature."""

    head: float  # upper neck to the top of the head
    neck: float  # shoulder line to the upper neck
    trunk: float  # hip line to the shoulder line
    shoulder_width: float  # half the distance between the shoulder joints
    hip_width: float  # half the distance between the hip joints
    upper_arm: float
    forearm: float
    hand: float
    thigh: float
    shank: float
    foot: float
    girth: float  # multiplies every radius of the body; 1 is average


@dataclass(frozen=True)
class Skeleton:
    """A posed skeleton: ``points`` by name [3], and ``frames`` (rotations [3, 3]) of head, chest, pelvis.

    The points are the sixteen joints of :data:`edgepose.runtime.joints.JOINTS` and, a side, hand, heel and
    toe.
    """

    points: dict[str, np.ndarray]
    frames: dict[str, np.ndarray]


def sample_proportions(rng: np.random.Generator) -> Proportions:
    """Proportions of an adult."""

    def around(mean: float, spread: float = 0.03) -> float:
        return float(mean * (1 + spread * np.clip(rng.standard_normal(), -2, 2)))

    return Proportions(
        head=around(0.137),
        neck=around(0.045),
        trunk=around(0.29, 0.02),
        shoulder_width=around(0.108, 0.06),
        hip_width=around(0.056, 0.06),
        upper_arm=around(0.172),
        forearm=around(0.146),
        hand=around(0.10),
        thigh=around(0.242),
        shank=around(0.246),
        foot=around(0.145),
        girth=around(1.0, 0.1),
    )


def sample_angles(rng: np.random.Generator) -> dict[str, float]:
    """Angles (degrees) of an upright figure; those of limbs are named ``right_...`` and ``left_...``."""
    angles = draw_angles(rng, TRUNK_POSE)
    for side in SIDES:
        for poses in (ARM_POSES, LEG_POSES):
            weights = np.array([pose.weight for pose in poses])
            pose = poses[int(rng.choice(len(poses), p=weights / weights.sum()))]
            angles.update({f"{side}_{name}": value for name, value in draw_angles(rng, pose).items()})
    return angles


def pose_skeleton(proportions: Proportions, angles: dict[str, float], view: np.ndarray | None = None) -> Skeleton:
    """Put ``angles`` on a skeleton of these ``proportions``; the pelvis is the origin.

    ``view``: rotation [3, 3] of the whole figure before the camera; None for a level one.
    """
    p = proportions
    pelvis = about_z(angles["lean"]) @ about_y(angles["heading"])
    if view is not None:
        pelvis = view @ pelvis
    chest = pelvis @ about_y(angles["spine_twist"]) @ about_z(angles["spine_lean"]) @ about_x(-angles["spine_bend"])
    head = chest @ about_y(angles["neck_turn"]) @ about_z(angles["neck_tilt"]) @ about_x(-angles["neck_nod"])

    points = {"pelvis": np.zeros(3)}
    waist = pelvis @ np.array([0, -0.3 * p.trunk, 0])
    points["waist"] = waist
    points["thorax"] = waist + chest @ np.array([0, -0.7 * p.trunk, 0])
    points["upper_neck"] = points["thorax"] + (0.5 * chest + 0.5 * head) @ np.array([0, -p.neck, 0.15 * p.neck])
    points["head_top"] = points["upper_neck"] + head @ np.array([0, -p.head, 0])
    for side, sign in SIDES.items():

        def bend(name: str, side: str = side) -> float:
            return angles[f"{side}_{name}"]

        arm = (
            chest
            @ about_z(sign * bend("shoulder_abduction"))
            @ about_x(bend("shoulder_flexion"))
            @ about_y(sign * bend("shoulder_twist"))
        )
        # A raised arm lifts its shoulder and draws it inwards.
        lift = max(0.0, bend("shoulder_abduction") - 60) / 110
        shoulder = points["thorax"] + chest @ np.array(
            [-sign * p.shoulder_width * (1 - 0.15 * lift), 0.02 - 0.035 * lift, 0]
        )
        elbow = shoulder + arm @ np.array([0, p.upper_arm, 0])
        forearm = arm @ about_x(bend("elbow_flexion"))
        wrist = elbow + forearm @ np.array([0, p.forearm, 0])

        leg = (
            pelvis
            @ about_z(sign * bend("hip_abduction"))
            @ about_x(bend("hip_flexion"))
            @ about_y(-sign * bend("hip_twist"))
        )
        hip = pelvis @ np.array([-sign * p.hip_width, 0, 0])
        knee = hip + leg @ np.array([0, p.thigh, 0])
        shank = leg @ about_x(-bend("knee_flexion"))
        ankle = knee + shank @ np.array([0, p.shank, 0])
        points.update(
            {
                f"{side}_shoulder": shoulder,
                f"{side}_elbow": elbow,
                f"{side}_wrist": wrist,
                f"{side}_hand": wrist + forearm @ np.array([0, p.hand, 0]),
                f"{side}_hip": hip,
                f"{side}_knee": knee,
                f"{side}_ankle": ankle,
                f"{side}_heel": ankle + shank @ np.array([0, 0.03, -0.02]),
                f"{side}_toe": ankle + shank @ np.array([0, 0.035, p.foot * 0.75]),
            }
        )
    return Skeleton(points, {"head": head, "chest": chest, "pelvis": pelvis})


def about_x(degrees: float) -> np.ndarray:
    """Rotation [3, 3] about x; brings a hanging limb forwards."""
    c, s = _cos_sin(degrees)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def about_y(degrees: float) -> np.ndarray:
    """Rotation [3, 3] about y; turns a face to the right of the picture."""
    c, s = _cos_sin(degrees)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def about_z(degrees: float) -> np.ndarray:
    """Rotation [3, 3] about z; swings a hanging limb to the left of the picture."""
    c, s = _cos_sin(degrees)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def _cos_sin(degrees: float) -> tuple[float, float]:
    radians = np.deg2rad(degrees)
    return float(np.cos(radians)), float(np.sin(radians))


def draw_angles(rng: np.random.Generator, pose: AnglePose) -> dict[str, float]:
    """The angles (degrees) of one limb with the habit ``pose``, within :data:`ANGLE_LIMITS`."""
    drawn = {}
    for name, (mean, spread) in pose.angles.items():
        low, high = ANGLE_LIMITS[name]
        drawn[name] = float(np.clip(mean + spread * np.clip(rng.standard_normal(), -2, 2), low, high))
    return drawn
