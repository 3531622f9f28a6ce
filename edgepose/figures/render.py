"""A seed to a picture of a person whose joints are known exactly.

A figure stands where a photograph of a person would be needed and none may be shipped: inputs for gates and
probes, fixtures of tests, the picture in the README, and what the demonstration weights learn from. It is no measure
of accuracy on photographs.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from edgepose.figures.background import draw_background, draw_occluder, fractal_noise
from edgepose.figures.body import build_body, sample_appearance
from edgepose.figures.families import choose_family, get_family, sample_figure
from edgepose.figures.shading import NOTHING, Group, Layers, Light, crease_shade, draw_group
from edgepose.figures.skeleton import Skeleton, pose_skeleton, sample_angles, sample_proportions
from edgepose.runtime.errors import UsageError
from edgepose.runtime.joints import BONES, JOINTS

SUPERSAMPLING = 2
MIN_SIZE, MAX_SIZE = 32, 4096
ANY_FAMILY = "any"
OCCLUDED = 0.25  # share of figures of a family with something in front of them
BODY_MARGIN = 0.06  # of stature: what flesh and shoes add around the skeleton's points


@dataclass(frozen=True, eq=False)
class RenderedFigure:
    """A picture of one figure and what is true of it.

    ``image``: uint8 BGR [H, W, 3]. ``keypoints``: float32 [16, 2], (x, y) in pixels of the image in
    EfficientPose order, where (0, 0) is the corner of the first pixel. ``head_length``: upper neck to top of
    the head in pixels, not foreshortened, as PCKh measures it. ``region``: (x, y, width, height) of the
    square around the figure.
    """

    image: np.ndarray
    keypoints: np.ndarray
    head_length: float
    region: tuple[int, int, int, int]


def render_figure(seed: int, size: int | tuple[int, int] = 256, family: str | None = None) -> RenderedFigure:
    """Draw the figure of ``seed`` into a picture of ``size`` pixels, a side or (width, height).

    ``family``: None for an upright adult before a plain background, the name of one of
    :data:`edgepose.figures.families.FAMILIES`, or ``any`` for one that the seed chooses; the latter two come with
    children, livelier backgrounds, and things in front of the figure at times. The same arguments give the same
    bytes on one machine. Raises :class:`UsageError` for a size outside 32 to 4096 pixels, a negative seed or an
    unknown family.
    """
    width, height = (size, size) if isinstance(size, int) else size
    if not (MIN_SIZE <= width <= MAX_SIZE and MIN_SIZE <= height <= MAX_SIZE):
        raise UsageError(f"a figure cannot be drawn at {width}x{height} pixels", f"use {MIN_SIZE} to {MAX_SIZE}")
    if seed < 0:
        raise UsageError(f"seed {seed} is negative", "use a seed of 0 or more")
    rng = np.random.Generator(np.random.PCG64(seed))
    lying = False
    if family is None:
        proportions = sample_proportions(rng)
        skeleton = pose_skeleton(proportions, sample_angles(rng))
    else:
        kind = get_family(choose_family(rng) if family == ANY_FAMILY else family)
        lying = kind.lying
        proportions, skeleton = sample_figure(rng, kind)
    groups = build_body(skeleton, proportions, sample_appearance(rng))
    scale, offset, region = frame_points(rng, np.array(list(skeleton.points.values())), width, height)
    background = draw_background(
        rng, width, height, np.inf if lying else _soles(skeleton) * scale + offset[1], lively=family is not None
    )
    light = sample_light(rng)
    cast_shadow(background, skeleton, scale, offset, light, lying)
    picture = draw_figure(background, groups, scale, offset, light)
    if family is not None and rng.random() < OCCLUDED:
        draw_occluder(rng, picture, region)
    return RenderedFigure(
        image=expose(rng, picture),
        keypoints=np.array([skeleton.points[name][:2] * scale + offset for name in JOINTS], np.float32),
        head_length=proportions.head * scale,
        region=region,
    )


def draw_figure(
    background: np.ndarray, groups: list[Group], scale: float, offset: np.ndarray, light: Light
) -> np.ndarray:
    """The body ``groups`` before ``background`` (float32 BGR [h, w, 3], 0..1), of the same shape and kind."""
    height, width = background.shape[:2]
    s = SUPERSAMPLING
    layers = Layers(
        cv2.resize(background, (width * s, height * s), interpolation=cv2.INTER_LINEAR),
        np.full((height * s, width * s), NOTHING, np.float32),
    )
    for group in groups:
        draw_group(layers, group, scale * s, offset * s, light)
    picture = cv2.resize(layers.colour, (width, height), interpolation=cv2.INTER_AREA)
    picture *= crease_shade(layers.depth[::s, ::s], reach=0.018 * scale, strength=0.45)[..., None]
    return picture


def frame_points(
    rng: np.random.Generator, points: np.ndarray, width: int, height: int
) -> tuple[float, np.ndarray, tuple[int, int, int, int]]:
    """Where a figure of ``points`` [n, 3] goes: pixels a stature, offset [2] of the origin, and the square region."""
    low, high = points[:, :2].min(0) - BODY_MARGIN, points[:, :2].max(0) + BODY_MARGIN
    side = round(min(width, height) * rng.uniform(0.88, 1.0))
    corner = np.array([round(rng.uniform(0, width - side)), round(rng.uniform(0, height - side))])
    scale = side / float((high - low).max()) / rng.uniform(1.02, 1.2)
    slack = (side - (high - low) * scale) * 0.5
    offset = corner + slack * (1 + 0.5 * rng.uniform(-1, 1, 2)) - low * scale
    return scale, offset, (int(corner[0]), int(corner[1]), side, side)


def _soles(skeleton: Skeleton) -> float:
    return max(skeleton.points[f"{side}_{part}"][1] for side in ("left", "right") for part in ("heel", "toe"))


def sample_light(rng: np.random.Generator) -> Light:
    """A lamp somewhere above."""
    direction = np.array([rng.uniform(-0.8, 0.8), rng.uniform(-1.0, -0.2), rng.uniform(0.5, 1.0)])
    return Light(
        direction / np.linalg.norm(direction),
        diffuse=float(rng.uniform(0.5, 0.85)),
        ambient=float(rng.uniform(0.42, 0.62)),
        tint=rng.uniform(0.93, 1.07, 3),
    )


def cast_shadow(
    background: np.ndarray, skeleton: Skeleton, scale: float, offset: np.ndarray, light: Light, lying: bool
) -> None:
    """Darken the ground around the feet, or under the whole of a figure that lies on it."""
    shade = np.zeros(background.shape[:2], np.float32)
    if lying:
        away = -0.03 * scale * light.direction[:2]
        for one, other in BONES:
            ends = [skeleton.points[JOINTS[joint]][:2] * scale + offset + away for joint in (one, other)]
            start, end = ([round(float(value)) for value in point] for point in ends)
            cv2.line(shade, start, end, 1.0, max(1, int(0.08 * scale)))
        background *= 1 - np.float32(0.4) * cv2.GaussianBlur(shade, (0, 0), max(0.02 * scale, 0.5))[..., None]
        return
    for side in ("left", "right"):
        feet = [skeleton.points[f"{side}_{part}"][:2] * scale + offset for part in ("heel", "toe")]
        x, y = np.mean(feet, 0) + scale * np.array([-0.04 * light.direction[0], 0.025])
        axes = (max(1, int(0.11 * scale)), max(1, int(0.03 * scale)))
        cv2.ellipse(shade, (round(float(x)), round(float(y))), axes, 0, 0, 360, 1.0, -1)
    blurred = cv2.GaussianBlur(shade, (0, 0), max(0.02 * scale, 0.5))
    background *= 1 - np.float32(0.5) * blurred[..., None]


def expose(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """A camera's last touch: uneven light, a soft lens, sensor noise, eight bits."""
    height, width = picture.shape[:2]
    picture = picture * (1 + np.float32(0.06) * fractal_noise(rng, width, height, 0.5)[..., None])
    blur = float(rng.uniform(0.0, 0.9)) * max(width, height) / 256
    exposed = cv2.GaussianBlur(picture, (0, 0), blur) if blur > 0.2 else picture
    noise = rng.standard_normal(picture.shape, dtype=np.float32) * np.float32(rng.uniform(0.004, 0.02))
    return np.clip((exposed * np.float32(rng.uniform(0.85, 1.1)) + noise) * 255, 0, 255).astype(np.uint8)
