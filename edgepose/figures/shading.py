"""Rounded solids to pixels: exact depth and normals of tapered capsules, then light.

A tapered capsule is the union of the spheres whose centre and radius run linearly from one end to the other.
Seen along z (orthographic), the depth of a pixel is the largest of ``c_z(t) + sqrt(r(t)^2 - |p -
c_xy(t)|^2)`` over t in [0, 1], which has a closed form. Capsules of one group are merged and their normals
smoothed, so that a chain of them reads as one body; groups are then merged by depth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

NOTHING = np.float32(-1e9)

# Colours (float32 BGR, 0..1, [n, 3]) of the points (float32 [n, 3], in the group's own axes and units).
Paint = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Capsule:
    """A tapered capsule from ``start`` to ``end`` ([3] each), with a radius at each end."""

    start: np.ndarray
    end: np.ndarray
    start_radius: float
    end_radius: float
    paint: Paint


@dataclass(frozen=True)
class Group:
    """Capsules that read as one body; ``origin`` [3] and ``axes`` [3, 3] place the points that paints see."""

    capsules: list[Capsule]
    origin: np.ndarray
    axes: np.ndarray = field(default_factory=lambda: np.eye(3))
    gloss: float = 0.1  # strength of the highlight
    smoothing: float = 0.008  # of normals, in the units of the capsules


@dataclass(frozen=True)
class Light:
    """One lamp (``direction`` [3]: unit vector towards it) and what comes from everywhere; white = 1."""

    direction: np.ndarray
    diffuse: float
    ambient: float
    tint: np.ndarray  # BGR, about 1


@dataclass
class Layers:
    """What has been drawn: colour float32 BGR [H, W, 3] and depth float32 [H, W] (larger is nearer)."""

    colour: np.ndarray
    depth: np.ndarray


def draw_group(layers: Layers, group: Group, scale: float, offset: np.ndarray, light: Light) -> None:
    """Draw ``group`` into ``layers``; pixel = ``scale`` * (x, y) + ``offset`` [2]."""
    height, width = layers.depth.shape
    radius = np.array([max(c.start_radius, c.end_radius) for c in group.capsules])[:, None]
    ends = np.array([[c.start[:2], c.end[:2]] for c in group.capsules])
    margin = radius + 2 * group.smoothing
    low = np.floor((ends.min(1) - margin).min(0) * scale + offset).astype(int)
    high = np.ceil((ends.max(1) + margin).max(0) * scale + offset).astype(int) + 1
    left, top = np.maximum(low, 0)
    right, bottom = np.minimum(high, [width, height])
    if left >= right or top >= bottom:
        return
    buffers = _Buffers((bottom - top, right - left))
    for index, capsule in enumerate(group.capsules):
        _merge_capsule(buffers, index, capsule, scale, offset - [left, top])
    normals: np.ndarray = buffers.normals
    if group.smoothing * scale > 0.3:
        normals = cv2.GaussianBlur(normals, (0, 0), group.smoothing * scale)

    window = (slice(top, bottom), slice(left, right))
    visible = buffers.depth > layers.depth[window]
    chosen = np.flatnonzero(visible).astype(np.int32)
    rows = chosen // np.int32(right - left)
    columns = chosen - rows * np.int32(right - left)
    z = buffers.depth.ravel()[chosen]
    points = np.empty((len(chosen), 3), np.float32)
    points[:, 0] = (columns + (left + 0.5 - offset[0])) / scale
    points[:, 1] = (rows + (top + 0.5 - offset[1])) / scale
    points[:, 2] = z
    own = (points - group.origin.astype(np.float32)) @ group.axes.astype(np.float32)
    paints = list(dict.fromkeys(capsule.paint for capsule in group.capsules))
    paint_of = np.array([paints.index(capsule.paint) for capsule in group.capsules])[buffers.owner.ravel()[chosen]]
    albedo = np.empty((len(chosen), 3), np.float32)
    for number, paint in enumerate(paints):
        share = np.flatnonzero(paint_of == number)
        albedo[share] = paint(own[share])
    pixels = (rows + top) * width + columns + left
    layers.colour.reshape(-1, 3)[pixels] = _lit(albedo, normals.reshape(-1, 3)[chosen], light, group.gloss)
    np.copyto(layers.depth[window], buffers.depth, where=visible)


def crease_shade(depth: np.ndarray, reach: float, strength: float) -> np.ndarray:
    """Brightness factor of each pixel of ``depth``, float32 [H, W]: below 1 behind its surroundings.

    The unsharp-masked depth of Luft et al. 2006; ``reach`` is the blur in pixels, depths are shares of
    stature.
    """
    drawn = depth > NOTHING
    filled = np.where(drawn, depth, depth[drawn].min() if drawn.any() else np.float32(0))
    behind = cv2.GaussianBlur(filled, (0, 0), reach) - filled
    return np.where(drawn, 1 - np.float32(strength) * np.clip(behind * 12, 0, 1), np.float32(1))


class _Buffers:
    """Depth [h, w], normals [h, w, 3] and number of the capsule in front [h, w] of one group's window."""

    def __init__(self, shape: tuple[int, int]):
        self.depth = np.full(shape, NOTHING, np.float32)
        self.normals = np.zeros((*shape, 3), np.float32)
        self.owner = np.zeros(shape, np.int32)


def _merge_capsule(buffers: _Buffers, index: int, capsule: Capsule, scale: float, offset: np.ndarray) -> None:
    """Put one capsule where it is nearer than what ``buffers`` hold."""
    axis = (capsule.end - capsule.start).astype(np.float32)
    taper = np.float32(capsule.end_radius - capsule.start_radius)
    k = axis[0] ** 2 + axis[1] ** 2 - taper * taper
    if k < 1e-8:
        # Seen end-on: one of the two end spheres covers the other.
        for centre, radius in ((capsule.start, capsule.start_radius), (capsule.end, capsule.end_radius)):
            ball = Capsule(centre, centre + np.array([2e-4, 0, 0]), radius, radius, capsule.paint)
            _merge_capsule(buffers, index, ball, scale, offset)
        return
    ends = np.array([capsule.start[:2], capsule.end[:2]])
    radii = np.array([[capsule.start_radius], [capsule.end_radius]])
    low = np.maximum(np.floor((ends - radii).min(0) * scale + offset).astype(int), 0)
    high = np.minimum(np.ceil((ends + radii).max(0) * scale + offset).astype(int) + 1, buffers.depth.shape[::-1])
    if (low >= high).any():
        return
    box = (slice(low[1], high[1]), slice(low[0], high[0]))
    x = ((np.arange(low[0], high[0]) + 0.5 - offset[0]) / scale - capsule.start[0]).astype(np.float32)[None, :]
    y = ((np.arange(low[1], high[1]) + 0.5 - offset[1]) / scale - capsule.start[1]).astype(np.float32)[:, None]

    # Squared half-chord of the sphere at t: constant + 2 * linear * t - k * t^2.
    linear = np.float32(capsule.start_radius) * taper + x * axis[0] + y * axis[1]
    constant = np.float32(capsule.start_radius**2) - x * x - y * y
    peak = np.maximum(constant + linear * linear / k, 0)
    t = np.clip(linear / k + axis[2] / np.sqrt(k * k + k * axis[2] ** 2) * np.sqrt(peak), 0, 1)
    squared = constant + t * (2 * linear - k * t)
    half_chord = np.sqrt(np.maximum(squared, 0))
    z = np.float32(capsule.start[2]) + axis[2] * t + half_chord
    nearer = (squared > 0) & (z > buffers.depth[box])
    inverse_radius = 1 / (np.float32(capsule.start_radius) + taper * t)
    np.copyto(buffers.depth[box], z, where=nearer)
    np.copyto(buffers.owner[box], np.int32(index), where=nearer)
    normals = buffers.normals[box]
    np.copyto(normals[..., 0], (x - axis[0] * t) * inverse_radius, where=nearer)
    np.copyto(normals[..., 1], (y - axis[1] * t) * inverse_radius, where=nearer)
    np.copyto(normals[..., 2], half_chord * inverse_radius, where=nearer)


def _lit(albedo: np.ndarray, normals: np.ndarray, light: Light, gloss: float) -> np.ndarray:
    """Lambert and Blinn-Phong, a little darker where the surface turns away from the viewer."""
    normals = normals / np.maximum(np.sqrt((normals * normals).sum(1, keepdims=True)), np.float32(1e-6))
    facing = np.maximum(normals @ light.direction.astype(np.float32), 0)
    half = light.direction + np.array([0, 0, 1])
    highlight = np.maximum(normals @ (half / np.linalg.norm(half)).astype(np.float32), 0) ** 24
    edge = 0.72 + 0.28 * np.clip(normals[:, 2], 0, 1)
    strength = (light.ambient + light.diffuse * facing) * edge
    return albedo * strength[:, None] * light.tint.astype(np.float32) + np.float32(gloss) * highlight[:, None]
