"""A skeleton's flesh and clothes: which tapered capsules, in which colours, make the figure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from edgepose.figures.shading import Capsule, Group, Paint
from edgepose.figures.skeleton import SIDES, Proportions, Skeleton

# BGR, 0..1.
SKIN_TONES = np.array(
    [[177, 203, 240], [140, 180, 229], [113, 152, 210], [85, 124, 183], [60, 92, 148], [43, 63, 103]],
    np.float32,
) / np.float32(255)
HAIR_TONES = np.array([[20, 18, 22], [30, 42, 66], [45, 75, 120], [80, 140, 190], [160, 165, 170]], np.float32) / (
    np.float32(255)
)
EYE = np.array([30, 30, 35], np.float32) / np.float32(255)
LIPS = np.array([0.62, 0.6, 0.88], np.float32)  # times the skin

# Half width and half depth of the trunk from shoulder line (0) to crotch (1.1), shares of stature.
TRUNK_PROFILE = np.array(
    [
        [-0.06, 0.060, 0.034],
        [0.03, 0.104, 0.045],
        [0.15, 0.104, 0.056],
        [0.35, 0.095, 0.062],
        [0.60, 0.080, 0.054],
        [0.80, 0.088, 0.056],
        [1.00, 0.102, 0.062],
        [1.10, 0.092, 0.056],
    ]
)


@dataclass(frozen=True)
class Appearance:
    """What a figure wears; lengths are positions on a limb (0 its root, 1 elbow or knee, 2 its end)."""

    skin: np.ndarray
    hair: np.ndarray
    hair_style: str  # "short", "long", "bald"
    shirt: Paint
    sleeve: Paint
    sleeve_length: float
    legwear: Paint
    legwear_length: float
    looseness: float  # of cloth, share of stature added to every radius
    shirt_hem: float  # on the scale of TRUNK_PROFILE
    shoe: np.ndarray


def sample_appearance(rng: np.random.Generator) -> Appearance:
    """Clothes and colouring of one figure."""
    skin = SKIN_TONES[int(rng.integers(len(SKIN_TONES)))] * np.float32(rng.uniform(0.92, 1.05))
    cloth = _cloth(rng)
    return Appearance(
        skin=skin.astype(np.float32),
        hair=HAIR_TONES[int(rng.choice(len(HAIR_TONES), p=[0.35, 0.3, 0.15, 0.12, 0.08]))],
        hair_style=str(rng.choice(["short", "long", "bald"], p=[0.6, 0.32, 0.08])),
        shirt=_shirt_front(rng, cloth, skin.astype(np.float32)),
        sleeve=cloth,
        sleeve_length=float(rng.choice([0.0, 0.5, 1.93], p=[0.15, 0.5, 0.35])),
        legwear=_cloth(rng, plain=0.85),
        legwear_length=float(rng.choice([0.5, 0.85, 1.93], p=[0.15, 0.2, 0.65])),
        looseness=float(rng.uniform(0.002, 0.009)),
        shirt_hem=float(rng.uniform(0.8, 0.94)),
        shoe=_colour(rng, 0.02, 0.9),
    )


def build_body(skeleton: Skeleton, proportions: Proportions, look: Appearance) -> list[Group]:
    """The groups of capsules of one figure, in stature units about the pelvis."""
    skin = solid(look.skin)
    groups = [
        _trunk(skeleton, proportions, look, legs=True),
        _trunk(skeleton, proportions, look, legs=False),
        _head(skeleton, proportions, look),
    ]
    if look.hair_style != "bald":
        groups.append(_hair(skeleton, proportions, look))
    for side in SIDES:
        groups += _arm(skeleton, proportions, look, skin, side)
        groups += _leg(skeleton, proportions, look, skin, side)
    return groups


def solid(colour: np.ndarray) -> Paint:
    """One colour everywhere."""

    def paint(points: np.ndarray) -> np.ndarray:
        return np.broadcast_to(colour, (len(points), 3))

    return paint


def _cloth(rng: np.random.Generator, plain: float = 0.5) -> Paint:
    """A cloth: plain, striped or checked, with soft folds."""
    base, other = _colour(rng, 0.05, 0.95), _colour(rng, 0.05, 0.95)
    kind = str(rng.choice(["plain", "stripes", "checks"], p=[plain, 0.6 * (1 - plain), 0.4 * (1 - plain)]))
    period = rng.uniform(0.025, 0.08)
    phase = rng.uniform(0, 2 * np.pi, 3).astype(np.float32)
    waves = rng.normal(0, 45, (3, 3)).astype(np.float32)

    def paint(points: np.ndarray) -> np.ndarray:
        folds = np.sin(points @ waves + phase).sum(1) * np.float32(0.04)
        if kind == "plain":
            colours = np.broadcast_to(base, (len(points), 3))
        else:
            across = np.floor(points[:, 1] / period).astype(int)
            along = np.floor(points[:, 0] / period).astype(int) if kind == "checks" else 0
            colours = np.where(((across + along) % 2 == 0)[:, None], base, other)
        return colours * (1 + folds)[:, None]

    return paint


def _shirt_front(rng: np.random.Generator, cloth: Paint, skin: np.ndarray) -> Paint:
    """``cloth`` with what tells a chest from a back: a neckline, and at times an open jacket or a print."""
    depth, width = rng.uniform(0.025, 0.09), rng.uniform(0.03, 0.045)
    kind = str(rng.choice(["bare", "jacket", "print"], p=[0.5, 0.25, 0.25]))
    inner, gap = _colour(rng, 0.3, 0.98), rng.uniform(0.015, 0.04)

    def paint(points: np.ndarray) -> np.ndarray:
        x, y = np.abs(points[:, 0]), points[:, 1]
        front = points[:, 2] > 0
        colours = np.array(cloth(points))
        if kind == "jacket":
            colours[front & (x < gap + 0.1 * np.maximum(0.05 - y, 0))] = inner
        elif kind == "print":
            colours[front & (x < 0.045) & (np.abs(y - 0.12) < 0.03)] = inner
        colours[front & (x < width * (1 - (y + 0.05) / (depth + 0.05)))] = skin
        return colours

    return paint


def _colour(rng: np.random.Generator, darkest: float, brightest: float) -> np.ndarray:
    """A colour whose saturation is mostly low, as dyes are."""
    value = rng.uniform(darkest, brightest)
    hue = rng.uniform(0, 2 * np.pi)
    saturation = rng.beta(1.3, 2.0)
    ring = 1 + np.cos(hue + np.array([0, 2.1, 4.2]))
    return (value * (1 - saturation + saturation * ring / 2)).astype(np.float32)


def _trunk(skeleton: Skeleton, p: Proportions, look: Appearance, legs: bool) -> Group:
    """The part of the trunk under the shirt's cloth, or (``legs``) under that of the legwear."""
    low, high = (0.82, 1.1) if legs else (-0.06, look.shirt_hem)
    extra = look.looseness + (0.0 if legs else 0.006)
    paint = look.legwear if legs else look.shirt
    pelvis, waist, thorax = (skeleton.points[name] for name in ("pelvis", "waist", "thorax"))
    pelvis_axes, chest_axes = skeleton.frames["pelvis"], skeleton.frames["chest"]
    capsules = []
    for level in np.linspace(low, high, round((high - low) / 0.075) + 1):
        half_width, half_depth = (np.interp(level, TRUNK_PROFILE[:, 0], TRUNK_PROFILE[:, i]) for i in (1, 2))
        wide = p.shoulder_width / 0.108 if level < 0.4 else p.hip_width / 0.056 if level > 0.8 else 1.0
        radius = half_depth * p.girth + extra
        reach = max(half_width * (0.5 + 0.5 * wide) * (0.6 + 0.4 * p.girth) - half_depth, 0.004)
        if level < 0.7:
            centre, share = thorax + (waist - thorax) * (level / 0.7), level / 1.4
        else:
            centre, share = (
                waist + (pelvis - waist) * ((level - 0.7) / 0.3),
                0.5 + (min(level, 1) - 0.7) / 0.6,
            )
        lateral = (1 - share) * chest_axes[:, 0] + share * pelvis_axes[:, 0]
        capsules.append(Capsule(centre - reach * lateral, centre + reach * lateral, radius, radius, paint))
    if not legs:
        for side in SIDES:
            shoulder = skeleton.points[f"{side}_shoulder"]
            inner = thorax + 0.35 * (shoulder - thorax)
            capsules.append(Capsule(inner, shoulder, 0.04 * p.girth + extra, 0.031 * p.girth + extra, paint))
    axes, origin = (pelvis_axes, pelvis) if legs else (chest_axes, thorax)
    return Group(capsules, origin, axes, gloss=0.03, smoothing=0.014)


def _head(skeleton: Skeleton, p: Proportions, look: Appearance) -> Group:
    """Neck, skull, jaw, ears and nose, with a face painted on."""
    neck, top, thorax = (skeleton.points[name] for name in ("upper_neck", "head_top", "thorax"))
    axes = skeleton.frames["head"]
    unit = p.head / 0.137
    skull_radius = 0.047 * unit

    def place(x: float, y: float, z: float) -> np.ndarray:
        return top + axes @ (np.array([x, y, z]) * unit)

    skin = solid(look.skin)
    face = _face(look.skin, unit)
    capsules = [
        Capsule(
            thorax + skeleton.frames["chest"] @ np.array([0, 0.01, -0.01]),
            neck + axes @ np.array([0, -0.03, 0]),
            0.036 * p.girth,
            0.032,
            skin,
        ),
        Capsule(place(0, 0.049, -0.012), place(0, 0.052, 0.008), skull_radius, skull_radius, face),
        Capsule(place(0, 0.060, 0.012), place(0, 0.105, 0.026), 0.042 * unit, 0.024 * unit, face),
        Capsule(place(0, 0.066, 0.052), place(0, 0.083, 0.060), 0.006 * unit, 0.009 * unit, skin),
    ]
    for sign in SIDES.values():
        capsules.append(
            Capsule(
                place(sign * 0.047, 0.062, -0.004),
                place(sign * 0.044, 0.08, 0),
                0.010 * unit,
                0.007 * unit,
                skin,
            )
        )
    return Group(capsules, top, axes, gloss=0.08, smoothing=0.004)


def _face(skin: np.ndarray, unit: float) -> Paint:
    """Eyes, brows and mouth on the front of the head; points are about the top of the head."""

    def paint(points: np.ndarray) -> np.ndarray:
        x, y, z = np.abs(points[:, 0]) / unit, points[:, 1] / unit, points[:, 2]
        front = z > 0.015
        colours = np.repeat(skin[None], len(points), 0)
        eyes = front & (((x - 0.019) / 0.008) ** 2 + ((y - 0.064) / 0.0045) ** 2 < 1)
        brows = front & (np.abs(x - 0.020) < 0.011) & (np.abs(y - 0.053) < 0.0026)
        mouth = front & ((x / 0.017) ** 2 + ((y - 0.102) / 0.0045) ** 2 < 1)
        sockets = front & (((x - 0.019) / 0.014) ** 2 + ((y - 0.062) / 0.009) ** 2 < 1)
        colours[sockets] *= np.float32(0.82)
        colours[mouth] = skin * LIPS
        colours[brows] = skin * np.float32(0.35)
        colours[eyes] = EYE
        return colours

    return paint


def _hair(skeleton: Skeleton, p: Proportions, look: Appearance) -> Group:
    """A cap of hair set back from the face, and for long hair a mane behind the neck."""
    top, axes = skeleton.points["head_top"], skeleton.frames["head"]
    unit = p.head / 0.137

    def place(x: float, y: float, z: float) -> np.ndarray:
        return top + axes @ (np.array([x, y, z]) * unit)

    hair = _strands(look.hair)
    capsules = [Capsule(place(0, 0.046, -0.016), place(0, 0.041, 0.002), 0.050 * unit, 0.046 * unit, hair)]
    if look.hair_style == "long":
        for x in (-0.03, 0.0, 0.03):
            capsules.append(
                Capsule(place(x, 0.05, -0.02), place(1.3 * x, 0.15, -0.035), 0.034 * unit, 0.024 * unit, hair)
            )
    return Group(capsules, top, axes, gloss=0.12, smoothing=0.003)


def _strands(colour: np.ndarray) -> Paint:
    def paint(points: np.ndarray) -> np.ndarray:
        streaks = np.sin(points[:, 0] * 700 + 3 * np.sin(points[:, 1] * 90)) * np.float32(0.12)
        return colour * (1 + streaks)[:, None]

    return paint


def _arm(skeleton: Skeleton, p: Proportions, look: Appearance, skin: Paint, side: str) -> list[Group]:
    points = skeleton.points
    path = [points[f"{side}_{name}"] for name in ("shoulder", "elbow", "wrist")]
    radii = np.array([[0.0, 0.030], [0.4, 0.028], [1.0, 0.022], [1.3, 0.024], [2.0, 0.0155]])
    hand = points[f"{side}_hand"] - path[2]
    palm_end = path[2] + 0.5 * hand
    along = hand / np.linalg.norm(hand)
    across = np.cross(along, [0, 0, 1])
    across = across / max(float(np.linalg.norm(across)), 1e-6)
    flesh = _tube(path, radii, max(look.sleeve_length - 0.1, 0), 2.0, p.girth, 0.0, skin)
    flesh.append(Capsule(path[2], palm_end, 0.0145, 0.0165, skin))
    for spread in (-0.010, 0.0, 0.010):
        knuckle = palm_end + spread * across
        flesh.append(Capsule(knuckle, knuckle + 0.5 * hand + 0.5 * spread * across, 0.0085, 0.006, skin))
    thumb = SIDES[side] * (1 if along[1] > 0 else -1) * across
    flesh.append(
        Capsule(
            path[2] + 0.2 * hand,
            path[2] + 0.55 * hand + 0.022 * thumb * np.sign(across[0] or 1),
            0.009,
            0.006,
            skin,
        )
    )
    groups = [Group(flesh, path[0], gloss=0.08, smoothing=0.004)]
    if look.sleeve_length > 0:
        sleeve = _tube(path, radii, 0.0, look.sleeve_length, p.girth, look.looseness + 0.003, look.sleeve)
        groups.append(Group(sleeve, points["thorax"], skeleton.frames["chest"], gloss=0.03, smoothing=0.008))
    return groups


def _leg(skeleton: Skeleton, p: Proportions, look: Appearance, skin: Paint, side: str) -> list[Group]:
    points = skeleton.points
    path = [points[f"{side}_{name}"] for name in ("hip", "knee", "ankle")]
    radii = np.array(
        [[0.0, 0.047], [0.15, 0.051], [0.4, 0.046], [1.0, 0.033], [1.3, 0.034], [1.75, 0.023], [2.0, 0.021]]
    )
    flesh = _tube(path, radii, max(look.legwear_length - 0.1, 0), 2.0, p.girth, 0.0, skin)
    cloth = _tube(path, radii, 0.0, look.legwear_length, p.girth, look.looseness + 0.002, look.legwear)
    shoe = solid(look.shoe)
    heel, toe = points[f"{side}_heel"], points[f"{side}_toe"]
    ball = 0.35 * heel + 0.65 * toe
    shoes = [
        Capsule(path[2], heel, 0.022, 0.024, shoe),
        Capsule(heel, ball, 0.023, 0.023, shoe),
        Capsule(path[2], ball, 0.022, 0.020, shoe),
        Capsule(ball, toe, 0.023, 0.016, shoe),
    ]
    return [
        Group(flesh, path[0], gloss=0.08, smoothing=0.006),
        Group(cloth, points["pelvis"], skeleton.frames["pelvis"], gloss=0.03, smoothing=0.010),
        Group(shoes, path[2], gloss=0.15, smoothing=0.003),
    ]


def _tube(
    path: list[np.ndarray],
    radii: np.ndarray,
    start: float,
    stop: float,
    girth: float,
    extra: float,
    paint: Paint,
) -> list[Capsule]:
    """Capsules along ``path`` from position ``start`` to ``stop``; ``radii`` [n, 2]: position, radius."""
    stations = sorted({start, stop, *(s for s in [*radii[:, 0], 1.0] if start < s < stop)})

    def at(position: float) -> tuple[np.ndarray, float]:
        segment = min(int(position), len(path) - 2)
        point = path[segment] + (position - segment) * (path[segment + 1] - path[segment])
        return point, float(np.interp(position, radii[:, 0], radii[:, 1])) * girth + extra

    capsules = []
    for low, high in pairwise(stations):
        (a, radius_a), (b, radius_b) = at(low), at(high)
        capsules.append(Capsule(a, b, radius_a, radius_b, paint))
    return capsules
