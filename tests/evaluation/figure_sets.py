"""A small data set of rendered figures, and an estimator that is off by as much as a test wants."""

import json
from types import SimpleNamespace

import cv2
import numpy as np

from edgepose.figures import render_figure
from edgepose.runtime.joints import JOINTS
from edgepose.runtime.pose import Pose

PERSONS = 3


def write_figures(folder):
    """A data set of three figures; the last is not upright, and its left ankle is not evaluated."""
    records = []
    for seed in range(PERSONS):
        figure = render_figure(seed, 64)
        assert cv2.imwrite(str(folder / f"{seed}.png"), figure.image)
        x, y, side, _ = figure.region
        records.append(
            {
                "id": f"figure-{seed}",
                "image": f"{seed}.png",
                "crop": [x, y, side],
                "keypoints": (figure.keypoints - 0.5).tolist(),
                "evaluate": [True] * 15 + [seed < 2],
                "head": figure.head_length,
                "upright": seed < 2,
            }
        )
    (folder / "annotations.json").write_text(json.dumps({"joints": list(JOINTS), "records": records}))
    return folder


class OffBy:
    """An estimator that is off by ``heads`` head lengths in x, and remembers what it was shown."""

    decoder = "official"
    library = "none 1.0"

    def __init__(self, heads, missing=(), name="off-by"):
        self.heads, self.missing = heads, list(missing)
        self.bundle = SimpleNamespace(manifest=SimpleNamespace(name=name), sha256="0" * 64)
        self.seen = []

    def __call__(self, frame, region):
        figure = render_figure(len(self.seen), 64)
        self.seen.append((frame, region))
        points = figure.keypoints + np.float32([self.heads * figure.head_length, 0])
        points[self.missing] = np.nan
        return Pose(points, np.full(16, 0.5))
