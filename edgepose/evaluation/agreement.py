"""Agreement: how far one model's joints are from another's, in head lengths. It needs no labels."""

from __future__ import annotations

import numpy as np

from edgepose.evaluation.pckh import JointShares, joint_shares, normalised_distances


def agreement(
    points: np.ndarray, reference: np.ndarray, head_lengths: np.ndarray, threshold: float = 0.1
) -> JointShares:
    """Share of the ``reference``'s joints that ``points`` has within ``threshold`` head lengths.

    ``points`` and ``reference``: [n, 16, 2] pixels, NaN where a joint was not found; ``head_lengths``: [n]
    pixels. Joints that the reference did not find are left out; those that only ``points`` did not find
    disagree. Raises :class:`DatasetError` where the reference found none.
    """
    distances = normalised_distances(points, reference, head_lengths)
    return joint_shares(distances, ~np.isnan(distances), threshold)
