"""A choice of persons that is representative of many, and the same for the same seed.

Persons are sorted into strata by three traits: the side of their square (quartiles), and either their pose, where
joints are known - how far the body's axis is from upright (30 and 90 degrees apart the classes), how wide it is for its
height (thirds) - or the look of their crop, where they are not: brightness and contrast (thirds each). Every stratum
gives its share by largest deficit, and at least one where ``count`` allows it, so that the rare is there and the common
prevails. Within a stratum the order is that of SHA-256 over seed and id, which no library's generator can change, and
a picture gives its second person only after every picture of the stratum has given one.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from edgepose.runtime.joints import JOINTS

SIZES = ("smallest quarter", "smaller quarter", "larger quarter", "largest quarter")
POSTURES = ("upright", "leaning", "lying or upside down")
_POSTURE_DEGREES = (30.0, 90.0)
WIDTHS = ("narrow", "medium", "wide")
LIGHTS = ("dark", "medium", "bright")
CONTRASTS = ("soft", "medium", "strong")
_UPPER = [JOINTS.index(name) for name in ("head_top", "upper_neck", "thorax", "right_shoulder", "left_shoulder")]
_LOWER = [JOINTS.index(name) for name in ("pelvis", "right_hip", "left_hip", "right_ankle", "left_ankle")]


class Candidate(NamedTuple):
    """A person who may be chosen.

    ``picture``: what tells pictures apart. ``side``: pixels. ``traits``: two numbers: :func:`pose_traits` where
    ``posed``, else :func:`look_traits`.
    """

    id: str
    picture: str
    side: float
    posed: bool
    traits: tuple[float, float]


class Choice(NamedTuple):
    """``indices`` of the chosen; ``coverage``: for each (trait, class) how many there are and how many were chosen."""

    indices: list[int]
    coverage: dict[tuple[str, str], tuple[int, int]]


def rank(seed: int, name: str) -> bytes:
    """Where ``name`` stands in the order of ``seed``."""
    return hashlib.sha256(f"{seed}:{name}".encode("utf-8", "surrogatepass")).digest()


def choose(candidates: Sequence[Candidate], count: int, seed: int) -> Choice:
    """``count`` of ``candidates`` (all of them where there are no more), in the order of ``seed``."""
    classes = _classes(candidates)
    order = sorted(range(len(candidates)), key=lambda index: rank(seed, candidates[index].id))
    strata: dict[tuple[tuple[str, str], ...], list[tuple[int, int]]] = defaultdict(list)
    seen: Counter[str] = Counter()
    for position, index in enumerate(order):
        picture = candidates[index].picture
        strata[classes[index]].append((seen[picture] * len(order) + position, index))
        seen[picture] += 1
    shares = _shares({key: len(members) for key, members in strata.items()}, min(count, len(candidates)))
    chosen = {index for key, members in strata.items() for _, index in sorted(members)[: shares[key]]}
    there = Counter(pair for index in order for pair in classes[index])
    taken = Counter(pair for index in chosen for pair in classes[index])
    coverage = {pair: (there[pair], taken[pair]) for pair in sorted(there, key=_display_order)}
    return Choice([index for index in order if index in chosen], coverage)


def pose_traits(keypoints: np.ndarray) -> tuple[float, float]:
    """Degrees of the body's axis from upright, and width over height, of ``keypoints`` [16, 2] with NaN for none."""
    known = keypoints[~np.isnan(keypoints[:, 0])]
    width, height = np.ptp(known, axis=0) + 1.0
    upper, lower = (part[~np.isnan(part[:, 0])] for part in (keypoints[_UPPER], keypoints[_LOWER]))
    if not len(upper) or not len(lower):
        return 0.0, float(width / height)
    across, down = lower.mean(axis=0) - upper.mean(axis=0)
    return float(np.degrees(np.arctan2(abs(across), down))), float(width / height)


def look_traits(crop: np.ndarray) -> tuple[float, float]:
    """Brightness and contrast of ``crop``, uint8 [S, S, 3]: mean and deviation of its bytes."""
    return float(crop.mean()), float(crop.std())


def _classes(candidates: Sequence[Candidate]) -> list[tuple[tuple[str, str], ...]]:
    sizes = _quantiles([one.side for one in candidates], SIZES)
    classes: list[tuple[tuple[str, str], ...]] = [()] * len(candidates)
    for posed in (True, False):
        members = [index for index, one in enumerate(candidates) if one.posed is posed]
        first, second = ([candidates[index].traits[axis] for index in members] for axis in (0, 1))
        if posed:
            titles = ("posture", "shape")
            firsts = [POSTURES[int(np.searchsorted(_POSTURE_DEGREES, value, "right"))] for value in first]
            seconds = _quantiles(second, WIDTHS)
        else:
            titles = ("light", "contrast")
            firsts, seconds = _quantiles(first, LIGHTS), _quantiles(second, CONTRASTS)
        for index, one, other in zip(members, firsts, seconds, strict=True):
            classes[index] = (("size", sizes[index]), (titles[0], one), (titles[1], other))
    return classes


def _quantiles(values: list[float], names: tuple[str, ...]) -> list[str]:
    """The class of each value: as many classes as ``names``, of the same number of values where values differ."""
    if not values:
        return []
    edges = np.quantile(values, np.arange(1, len(names)) / len(names))
    return [names[int(np.searchsorted(edges, value, "left"))] for value in values]


def _shares(sizes: dict[tuple[tuple[str, str], ...], int], count: int) -> dict[tuple[tuple[str, str], ...], int]:
    """How many each stratum gives, in proportion to its size, and at least one where ``count`` allows it."""
    total = sum(sizes.values())
    quotas = {key: count * size / total for key, size in sizes.items()}
    least = 1 if count >= len(sizes) else 0
    shares = {key: max(least, int(quota)) for key, quota in quotas.items()}
    while sum(shares.values()) > count:
        fullest = max((key for key in shares if shares[key] > least), key=lambda key: (shares[key] - quotas[key], key))
        shares[fullest] -= 1
    while sum(shares.values()) < count:
        open_ = [key for key in shares if shares[key] < sizes[key]]
        shares[max(open_, key=lambda key: (quotas[key] - shares[key], key))] += 1
    return shares


def _display_order(pair: tuple[str, str]) -> tuple[int, int]:
    axes = {"size": SIZES, "posture": POSTURES, "shape": WIDTHS, "light": LIGHTS, "contrast": CONTRASTS}
    return list(axes).index(pair[0]), axes[pair[0]].index(pair[1])
