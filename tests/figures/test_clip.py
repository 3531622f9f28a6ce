import itertools

import numpy as np

from edgepose.figures.clip import POSE_FRAMES, render_clip


def test_a_clip_moves_smoothly_before_a_still_camera():
    frames = list(render_clip(2, (96, 64), POSE_FRAMES + 2))
    assert len(frames) == POSE_FRAMES + 2
    steps = [np.linalg.norm(b.keypoints - a.keypoints, axis=1).max() for a, b in itertools.pairwise(frames)]
    travelled = np.linalg.norm(frames[POSE_FRAMES].keypoints - frames[0].keypoints, axis=1).max()
    assert travelled > 3
    assert max(steps) < travelled / 4
    corners = np.array([frame.image[:6, :6].astype(int) for frame in frames])
    assert (corners == corners[0]).all()
    for frame in frames:
        x, y, side, _ = frame.region
        assert (frame.keypoints >= [x, y]).all()
        assert (frame.keypoints <= [x + side, y + side]).all()


def test_a_seed_gives_the_same_clip():
    short, again = ([frame.image.tobytes() for frame in render_clip(3, (64, 64), 5)] for _ in range(2))
    assert short == again
