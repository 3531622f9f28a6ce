"""A place for a figure to stand in: walls, floor, blurred things, and noise at every scale."""

from __future__ import annotations

import cv2
import numpy as np


def draw_background(rng: np.random.Generator, width: int, height: int, floor: float) -> np.ndarray:
    """A scene, float32 BGR [height, width, 3] in 0..1; its ground begins above ``floor``, the feet's row."""
    wall, ground = _tone(rng), _tone(rng)
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    scene = np.broadcast_to(wall * (1.1 - 0.25 * rows), (height, width, 3)).copy()
    _scatter(rng, scene, wall)
    horizon = int(np.clip(floor - rng.uniform(0.08, 0.3) * height, 0, height))
    if horizon < height:
        depth = np.linspace(0.75, 1.1, height - horizon, dtype=np.float32)[:, None, None]
        scene[horizon:] = ground * depth
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


def _scatter(rng: np.random.Generator, scene: np.ndarray, wall: np.ndarray) -> None:
    """Put boxes, posts and round things on the wall, in tones not far from it."""
    height, width = scene.shape[:2]
    for _ in range(int(rng.integers(2, 12))):
        tone = 0.55 * wall + 0.45 * _tone(rng)
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
