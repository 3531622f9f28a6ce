"""A place for a figure to stand in: walls, floor, blurred things, and noise at every scale."""

from __future__ import annotations

import cv2
import numpy as np


def draw_background(
    rng: np.random.Generator, width: int, height: int, floor: float, lively: bool = False
) -> np.ndarray:
    """A scene, float32 BGR [height, width, 3] in 0..1; its ground begins above ``floor``, the feet's row.

    ``lively``: with patterns, and things that stand out and have sharp edges.
    """
    wall, ground = _tone(rng), _tone(rng)
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    scene = np.broadcast_to(wall * (1.1 - 0.25 * rows), (height, width, 3)).copy()
    if lively and rng.random() < 0.3:
        _pattern(rng, scene)
    _scatter(rng, scene, wall, own=float(rng.uniform(0, 0.6)) if lively else 0.55)
    horizon = int(np.clip(floor - rng.uniform(0.08, 0.3) * height, 0, height))
    if horizon < height:
        depth = np.linspace(0.75, 1.1, height - horizon, dtype=np.float32)[:, None, None]
        scene[horizon:] = ground * depth
    if lively and rng.random() < 0.5:
        _scatter(rng, scene, wall, own=float(rng.uniform(0, 0.6)))
    scene = cv2.GaussianBlur(scene, (0, 0), float(rng.uniform(0.002, 0.012)) * max(width, height))
    texture = fractal_noise(rng, width, height, float(rng.uniform(0.5, 1.0)))
    return scene * (1 + np.float32(rng.uniform(0.08, 0.3)) * texture[..., None])


def fractal_noise(rng: np.random.Generator, width: int, height: int, persistence: float) -> np.ndarray:
    """Smooth noise of several octaves, float32 [height, width], zero mean, about unit range."""
    total = np.zeros((height, width), np.float32)
    weight, reach = 1.0, 0.0
    for octave in range(2, 8):
        cells = 1 << octave
        grid = rng.standard_normal((cells, cells), dtype=np.float32)
        total += np.float32(weight) * cv2.resize(grid, (width, height), interpolation=cv2.INTER_LINEAR)
        reach += weight
        weight *= persistence
    return total / np.float32(reach)


def draw_occluder(rng: np.random.Generator, picture: np.ndarray, region: tuple[int, int, int, int]) -> None:
    """Put a post, a board or a rounded thing, in place, in front of part of the ``region`` of ``picture``."""
    height, width = picture.shape[:2]
    x, y, side, _ = region
    mask = np.zeros((height, width), np.float32)
    kind = int(rng.integers(3))
    cx, cy = x + rng.uniform(0.2, 0.8) * side, y + rng.uniform(0.2, 0.95) * side
    if kind == 0:  # a post, or a rail of a crib
        turn = rng.uniform(-0.15, 0.15) if rng.random() < 0.7 else rng.uniform(1.4, 1.75)
        reach = 2 * side * np.array([np.sin(turn), np.cos(turn)])
        start, end = ((round(float(cx + s * reach[0])), round(float(cy + s * reach[1]))) for s in (-1, 1))
        cv2.line(mask, start, end, 1.0, max(1, round(float(rng.uniform(0.015, 0.06)) * side)))
    else:
        size = (float(rng.uniform(0.1, 0.3)) * side, float(rng.uniform(0.08, 0.22)) * side)
        box = ((float(cx), float(cy)), size, float(rng.uniform(-40, 40)))
        if kind == 1:
            cv2.fillPoly(mask, [cv2.boxPoints(box).round().astype(np.int32)], 1.0)
        else:
            cv2.ellipse(mask, box, 1.0, -1)
    covered = cv2.GaussianBlur(mask, (0, 0), max(0.003 * side, 0.3))[..., None]
    texture = 1 + np.float32(rng.uniform(0.05, 0.3)) * fractal_noise(rng, width, height, 0.7)[..., None]
    picture += covered * (_tone(rng) * texture - picture)


def _pattern(rng: np.random.Generator, scene: np.ndarray) -> None:
    """Stripes, checks or dots all over, as of wallpaper, bricks or a sheet."""
    height, width = scene.shape[:2]
    turn, period = rng.uniform(0, np.pi), rng.uniform(0.03, 0.15) * width
    columns, rows = np.arange(width, dtype=np.float32)[None], np.arange(height, dtype=np.float32)[:, None]
    along = (columns * np.cos(turn) + rows * np.sin(turn)) * np.float32(2 * np.pi / period)
    across = (rows * np.cos(turn) - columns * np.sin(turn)) * np.float32(2 * np.pi / period)
    kind = int(rng.integers(3))
    wave = np.sin(along) + 0 * across if kind == 0 else np.sin(along) * np.sin(across)
    marked = (wave > (0.6 if kind == 2 else 0))[..., None]
    scene += marked * np.float32(rng.uniform(0.15, 0.7)) * (_tone(rng) - scene)


def _scatter(rng: np.random.Generator, scene: np.ndarray, wall: np.ndarray, own: float) -> None:
    """Put boxes, posts and round things on the wall, in tones not far from it: ``own`` is the wall's share."""
    height, width = scene.shape[:2]
    for _ in range(int(rng.integers(2, 12))):
        tone = own * wall + (1 - own) * _tone(rng)
        colour = tuple(float(channel) for channel in tone)
        x, y = int(rng.uniform(0, width)), int(rng.uniform(0, 0.8 * height))
        kind = int(rng.integers(3))
        if kind == 0:
            size = (int(rng.uniform(0.05, 0.4) * width), int(rng.uniform(0.05, 0.4) * height))
            cv2.rectangle(scene, (x, y), (x + size[0], y + size[1]), colour, -1)
        elif kind == 1:
            thickness = max(1, int(rng.uniform(0.01, 0.05) * width))
            cv2.line(scene, (x, 0), (x + int(rng.normal(0, 0.1) * width), height), colour, thickness)
        else:
            cv2.circle(scene, (x, y), int(rng.uniform(0.03, 0.18) * height), colour, -1)


def _tone(rng: np.random.Generator) -> np.ndarray:
    value = rng.uniform(0.15, 0.85)
    return (value * rng.uniform(0.8, 1.15, 3)).astype(np.float32)
