"""Families of poses and people beyond the upright adult: sitting, crouching, in action, lying, infants in a crib.

A family says which habits limbs have (:class:`~edgepose.figures.skeleton.AnglePose`), how old the figure is, from
where the camera looks, and whether the figure lies flat on what is behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgepose.figures.skeleton import (
    ARM_POSES,
    LEG_POSES,
    SIDES,
    TRUNK_POSE,
    AnglePose,
    Proportions,
    Skeleton,
    about_x,
    about_z,
    draw_angles,
    pose_skeleton,
    sample_proportions,
)
from edgepose.runtime.errors import UsageError, did_you_mean

# Of an infant of some months, in shares of its own stature; the head is a quarter of it.
INFANT = Proportions(
    head=0.205,
    neck=0.025,
    trunk=0.315,
    shoulder_width=0.112,
    hip_width=0.058,
    upper_arm=0.150,
    forearm=0.118,
    hand=0.085,
    thigh=0.172,
    shank=0.165,
    foot=0.115,
    girth=1.22,
)


@dataclass(frozen=True)
class Family:
    """One family; ``age`` is (lowest, highest) on a scale from 0, an adult, to 1, an infant.

    ``pitch`` and ``roll``: mean and spread, degrees, of the camera above the horizon and about its axis; a spread
    of 180 is any. ``lying``: the background is what the figure lies on.
    """

    weight: float
    trunk: AnglePose
    arms: tuple[AnglePose, ...]
    legs: tuple[AnglePose, ...]
    age: tuple[float, float] = (0.0, 0.0)
    children: float = 0.0  # share of figures that are children, of any age up to 0.8
    pitch: tuple[float, float] = (4.0, 6.0)
    roll: tuple[float, float] = (0.0, 4.0)
    lying: bool = False


def _trunk(**changes: tuple[float, float]) -> AnglePose:
    return AnglePose(1.0, {**TRUNK_POSE.angles, **changes})


def _arm(weight: float, abduction: float, flexion: float, twist: float, elbow: float, spread: float) -> AnglePose:
    return AnglePose(
        weight,
        {
            "shoulder_abduction": (abduction, spread),
            "shoulder_flexion": (flexion, spread),
            "shoulder_twist": (twist, spread),
            "elbow_flexion": (elbow, spread),
        },
    )


def _leg(weight: float, abduction: float, flexion: float, twist: float, knee: float, spread: float) -> AnglePose:
    return AnglePose(
        weight,
        {
            "hip_abduction": (abduction, 0.6 * spread),
            "hip_flexion": (flexion, spread),
            "hip_twist": (twist, 0.6 * spread),
            "knee_flexion": (knee, spread),
        },
    )


_REACHING = (
    _arm(0.4, 150, 5, 0, 15, 18),  # overhead
    _arm(0.3, 15, 85, 0, 20, 20),  # to the front
    _arm(0.3, 95, 5, -30, 20, 22),  # to the side
)
_RESTING = (_arm(0.6, 12, 25, 20, 55, 14), _arm(0.4, 15, 35, 35, 30, 16))
_ANYWHERE = (_arm(1.0, 65, 30, 0, 55, 45),)
FAMILIES: dict[str, Family] = {
    "upright": Family(0.30, _trunk(heading=(0, 45)), ARM_POSES, LEG_POSES, children=0.25),
    "away": Family(0.08, _trunk(heading=(180, 40)), ARM_POSES, LEG_POSES, children=0.25),
    "reaching": Family(
        0.14, _trunk(heading=(0, 45), spine_bend=(8, 10), spine_lean=(0, 9)), _REACHING, LEG_POSES, children=0.2
    ),
    "sitting": Family(
        0.12,
        _trunk(heading=(0, 45), spine_bend=(6, 8)),
        (*_RESTING, *ARM_POSES),
        (_leg(0.6, 8, 82, 5, 82, 9), _leg(0.4, 14, 78, 10, 60, 16)),
        children=0.3,
        pitch=(12, 10),
    ),
    "crouching": Family(
        0.06,
        _trunk(heading=(0, 60), spine_bend=(20, 9)),
        (*_REACHING, *_RESTING),
        (_leg(0.6, 14, 85, 12, 105, 14), _leg(0.4, 10, 60, 10, 75, 20)),
        children=0.3,
        pitch=(10, 8),
    ),
    "action": Family(
        0.16,
        _trunk(heading=(0, 70), spine_bend=(8, 12), spine_lean=(0, 10), spine_twist=(0, 15), lean=(0, 14)),
        (*_ANYWHERE, *_REACHING),
        (_leg(0.5, 10, 30, 8, 45, 30), _leg(0.3, 30, 20, 20, 20, 20), _leg(0.2, 5, -10, 5, 60, 25)),
        children=0.2,
        roll=(0, 15),
    ),
    "lying": Family(
        0.06,
        _trunk(heading=(0, 30)),
        (*ARM_POSES, *_REACHING),
        (*LEG_POSES, _leg(0.6, 10, 35, 10, 60, 20)),
        children=0.2,
        pitch=(0, 12),
        roll=(0, 180),
        lying=True,
    ),
    "infant": Family(
        0.08,
        _trunk(heading=(0, 18), neck_turn=(0, 28)),
        (_arm(0.5, 75, 5, -60, 80, 20), _arm(0.5, 45, 20, 0, 65, 30)),
        (_leg(0.7, 40, 55, 30, 85, 18), _leg(0.3, 20, 35, 20, 40, 22)),
        age=(0.9, 1.0),
        pitch=(0, 10),
        roll=(0, 35),
        lying=True,
    ),
}


def choose_family(rng: np.random.Generator) -> str:
    """The name of a family, each as often as its weight says."""
    weights = np.array([family.weight for family in FAMILIES.values()])
    return str(rng.choice(list(FAMILIES), p=weights / weights.sum()))


def get_family(name: str) -> Family:
    """The family of that name. Raises :class:`UsageError` where there is none."""
    if name not in FAMILIES:
        raise UsageError(f"there is no family of poses {name!r}{did_you_mean(name, FAMILIES)}", ", ".join(FAMILIES))
    return FAMILIES[name]


def sample_figure(rng: np.random.Generator, family: Family) -> tuple[Proportions, Skeleton]:
    """A posed figure of ``family``, as its camera sees it."""
    age = rng.uniform(*family.age)
    if rng.random() < family.children:
        age = rng.uniform(0.15, 0.8)
    proportions = aged(sample_proportions(rng), float(age))
    angles = draw_angles(rng, family.trunk)
    for side in SIDES:
        for poses in (family.arms, family.legs):
            weights = np.array([pose.weight for pose in poses])
            pose = poses[int(rng.choice(len(poses), p=weights / weights.sum()))]
            angles.update({f"{side}_{name}": value for name, value in draw_angles(rng, pose).items()})
    pitch = family.pitch[0] + family.pitch[1] * float(np.clip(rng.standard_normal(), -2, 2))
    mean, spread = family.roll
    roll = rng.uniform(-180, 180) if spread >= 180 else mean + spread * float(np.clip(rng.standard_normal(), -2, 2))
    return proportions, pose_skeleton(proportions, angles, about_z(float(roll)) @ about_x(pitch))


def aged(adult: Proportions, age: float) -> Proportions:
    """``adult`` at an ``age`` between 0, itself, and 1, an infant with the same deviations from the average."""
    average = Proportions(0.137, 0.045, 0.29, 0.108, 0.056, 0.172, 0.146, 0.10, 0.242, 0.246, 0.145, 1.0)
    return Proportions(
        **{
            name: value / getattr(average, name) * ((1 - age) * getattr(average, name) + age * getattr(INFANT, name))
            for name, value in vars(adult).items()
        }
    )
