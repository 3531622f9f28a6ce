"""Moving pictures with known joints: photographs that drift through a scene, and a figure that waves as it walks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from edgepose.evaluation.datasets import PersonRecord
from edgepose.figures.background import draw_background
from edgepose.figures.body import build_body, sample_appearance
from edgepose.figures.shading import NOTHING, Layers, Light, draw_group
from edgepose.figures.skeleton import pose_skeleton, sample_angles, sample_proportions
from edgepose.runtime.images import read_image
from edgepose.runtime.joints import JOINTS

WIDTH, HEIGHT, FPS = 640, 480, 30.0
PERSON_PIXELS = 280.0  # a person's larger side in the frame
NOISE = 3.0  # standard deviation of a camera's noise, grey levels


@dataclass(frozen=True, eq=False)
class MovingFrame:
    """A frame, and what is true of it: ``image`` uint8 BGR [480, 640, 3], ``keypoints`` [16, 2] (NaN: not known)."""

    seconds: float
    image: np.ndarray
    keypoints: np.ndarray
    head: float


def moving_photograph(record: PersonRecord, seed: int, frames: int) -> Iterator[MovingFrame]:
    """The person of ``record`` drifts through a rendered scene, coming nearer and going away, as a camera sees it."""
    rng = np.random.Generator(np.random.PCG64(seed))
    scene = _scene(rng)
    x, y, side = record.region[:3]
    photograph = read_image(str(record.image))
    known = record.keypoints
    low, high = np.nanmin(known, axis=0), np.nanmax(known, axis=0)
    base = PERSON_PIXELS / float((high - low).max())
    mask = np.zeros(photograph.shape[:2], np.float32)
    cv2.rectangle(mask, (int(x), int(y)), (int(x + side), int(y + side)), 1.0, -1)
    centre = (low + high) / 2
    phase, speed = rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 1.0)
    for number in range(frames):
        seconds = number / FPS
        scale = base * (1 + 0.2 * np.sin(0.9 * seconds + phase))
        place = np.array(
            [
                WIDTH / 2 + 0.28 * WIDTH * np.sin(speed * seconds + phase),
                HEIGHT / 2 + 0.12 * HEIGHT * np.sin(1.3 * seconds),
            ]
        )
        # Pixel centres lie at halves.
        shift = place - scale * centre
        matrix = np.array([[scale, 0, shift[0] + 0.5 * scale - 0.5], [0, scale, shift[1] + 0.5 * scale - 0.5]])
        size = (WIDTH, HEIGHT)
        person = cv2.warpAffine(photograph, matrix, size, flags=cv2.INTER_LINEAR).astype(np.float32)
        cover = cv2.warpAffine(mask, matrix, size, flags=cv2.INTER_LINEAR)[..., None]
        picture = cover * person + (1 - cover) * scene
        yield MovingFrame(seconds, _seen(rng, picture), known * scale + shift, record.head_length * scale)


def walking_figure(seed: int, frames: int, still_until: float = 0.0) -> Iterator[MovingFrame]:
    """A rendered figure that, after ``still_until`` seconds, walks across the scene, arms and legs swinging."""
    rng = np.random.Generator(np.random.PCG64(seed))
    proportions, angles = sample_proportions(rng), sample_angles(rng)
    look = sample_appearance(rng)
    scene = _scene(rng)
    light = Light(np.array([0.3, -0.6, 0.74]), diffuse=0.7, ambient=0.5, tint=np.ones(3))
    start = rng.uniform(0.35, 0.45) * WIDTH
    for number in range(frames):
        seconds = number / FPS
        moved = max(0.0, seconds - still_until)
        skeleton = pose_skeleton(proportions, _swung(angles, moved))
        offset = np.array([start + 0.25 * WIDTH * np.sin(0.8 * moved), 0.52 * HEIGHT])
        layers = Layers(scene / 255, np.full(scene.shape[:2], NOTHING, np.float32))
        for group in build_body(skeleton, proportions, look):
            draw_group(layers, group, PERSON_PIXELS, offset, light)
        keypoints = np.array([skeleton.points[name][:2] * PERSON_PIXELS + offset for name in JOINTS])
        yield MovingFrame(seconds, _seen(rng, layers.colour * 255), keypoints, proportions.head * PERSON_PIXELS)


def _swung(angles: dict[str, float], seconds: float) -> dict[str, float]:
    """``angles`` in the middle of a step: about one swing a second."""
    swing = np.sin(2 * np.pi * 0.9 * seconds)
    moved = dict(angles)
    moved["right_shoulder_abduction"] += 45 * (1 - np.cos(2 * np.pi * 0.5 * seconds)) / 2
    moved["left_elbow_flexion"] += 40 * (1 - np.cos(2 * np.pi * 0.7 * seconds)) / 2
    moved["right_hip_abduction"] += 8 * swing * (seconds > 0)
    moved["left_hip_abduction"] -= 8 * swing * (seconds > 0)
    return moved


def _scene(rng: np.random.Generator) -> np.ndarray:
    return np.clip(draw_background(rng, WIDTH, HEIGHT, 0.9 * HEIGHT), 0, 1) * 255


def _seen(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    noise = rng.standard_normal(picture.shape, dtype=np.float32) * np.float32(NOISE)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)
