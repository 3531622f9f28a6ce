"""A short clip of one figure that goes from pose to pose, for programs that read videos."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgepose.figures.background import draw_background
from edgepose.figures.body import build_body, sample_appearance
from edgepose.figures.render import RenderedFigure, cast_shadow, draw_figure, expose, frame_points, sample_light
from edgepose.figures.skeleton import pose_skeleton, sample_angles, sample_proportions
from edgepose.runtime.joints import JOINTS

CLIP_FPS = 25.0
POSE_FRAMES = 24  # from one pose to the next


def render_clip(seed: int, size: tuple[int, int] = (640, 480), frames: int = 96) -> Iterator[RenderedFigure]:
    """The frames of a clip of the upright adult of ``seed``, one by one; ``size`` is (width, height) in pixels.

    The camera stands still; the same arguments give the same bytes on one machine.
    """
    width, height = size
    rng = np.random.Generator(np.random.PCG64(seed))
    proportions = sample_proportions(rng)
    poses = [sample_angles(rng) for _ in range(2 + (frames - 1) // POSE_FRAMES)]
    look = sample_appearance(rng)
    skeletons = []
    for frame in range(frames):
        index, part = divmod(frame, POSE_FRAMES)
        share = (1 - np.cos(np.pi * part / POSE_FRAMES)) / 2
        before, after = poses[index], poses[index + 1]
        angles = {name: (1 - share) * before[name] + share * after[name] for name in before}
        skeletons.append(pose_skeleton(proportions, angles))
    points = np.array([point for skeleton in skeletons for point in skeleton.points.values()])
    scale, offset, region = frame_points(rng, points, width, height)
    floor = np.median([skeleton.points["left_toe"][1] for skeleton in skeletons]) * scale + offset[1]
    scene, light = draw_background(rng, width, height, float(floor)), sample_light(rng)
    for skeleton in skeletons:
        background = scene.copy()
        cast_shadow(background, skeleton, scale, offset, light, lying=False)
        picture = draw_figure(background, build_body(skeleton, proportions, look), scale, offset, light)
        yield RenderedFigure(
            # The same touch for every frame: a camera that does not flicker.
            image=expose(np.random.Generator(np.random.PCG64(seed)), picture),
            keypoints=np.array([skeleton.points[name][:2] * scale + offset for name in JOINTS], np.float32),
            head_length=proportions.head * scale,
            region=region,
        )
