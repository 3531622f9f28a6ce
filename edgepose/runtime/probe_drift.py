"""How far an engine's joints are from the float model's, on crops that carry the float model's answers."""

import numpy as np

from edgepose.bench.bootstrap import share_intervals
from edgepose.runtime.joints import JOINTS
from edgepose.runtime.probe import CROP_SIDE_IN_HEADS

THRESHOLDS = (0.5, 0.1)


def measure_drift(estimator, crops, source, progress=None):
    """What ``estimator`` finds in ``crops`` (:class:`ProbeCrop`, any iterable), against what the float model found.

    A JSON-able mapping: ``source`` and ``decoder``, ``persons``; ``within_0.1_head`` and ``within_0.5_head`` (percent
    of joints that lie so near to the float model's); and where true joints are known ``pckh50``, ``pckh10``, and
    ``pckh50_points``, ``pckh10_points`` (the engine's less the float model's; negative is a loss), else null. Each is
    ``{"joints", "total", "interval95", "per_joint", "per_joint_interval95"}``, intervals over persons, paired.
    ``crops`` in it: each one's ``name``, ``head``, ``keypoints`` and ``float_keypoints``, in pixels.
    ``progress(persons)`` is told how many are done.
    """
    names, heads, found, floats, truths = [], [], [], [], []
    for crop in crops:
        names.append(crop.name)
        heads.append(crop.head or max(crop.image.shape[:2]) / CROP_SIDE_IN_HEADS)
        found.append(estimator(crop.image).keypoints.astype(np.float64))
        floats.append(crop.keypoints.astype(np.float64))
        truths.append(np.full((len(JOINTS), 2), np.nan) if crop.truth is None else crop.truth.astype(np.float64))
        if progress is not None:
            progress(len(names))
    ruler = np.array(heads)[:, None]

    def distances(points, others):
        return np.linalg.norm(np.array(points) - np.array(others), axis=2) / ruler

    to_float, ours, theirs = distances(found, floats), distances(found, truths), distances(floats, truths)
    known = ~np.isnan(ours)
    everything = np.ones_like(known)
    report = {
        "source": source,
        "decoder": estimator.decoder,
        "persons": len(names),
        "within_0.1_head": _shares(to_float <= 0.1, everything),
        "within_0.5_head": _shares(to_float <= 0.5, everything),
    }
    for threshold in THRESHOLDS:
        name = "pckh{:.0f}".format(100 * threshold)
        with np.errstate(invalid="ignore"):  # joints without a truth compare as not found, and are not counted
            hits, float_hits = ours <= threshold, theirs <= threshold
        labelled = known.any()
        report[name] = _shares(hits & known, known) if labelled else None
        report[name + "_points"] = _shares(hits.astype(int) - float_hits, known) if labelled else None
    report["crops"] = [
        {"name": name, "head": round(float(head), 3), "keypoints": _rounded(ours), "float_keypoints": _rounded(peer)}
        for name, head, ours, peer in zip(names, heads, found, floats)
    ]
    return report


def _shares(hits, counted):
    """Percent of ``hits`` (1, 0, or -1 in a difference) among ``counted``, both [n, 16], in hundredths of a percent."""
    hits = hits * counted
    # The last column is of all joints together.
    hits, counted = (np.column_stack([one, one.sum(1)]) for one in (hits, counted))
    intervals = share_intervals(hits, counted)
    shares = [
        round(float(100.0 * found / wanted), 2) if wanted else None
        for found, wanted in zip(hits.sum(0), counted.sum(0))
    ]
    intervals = [None if one is None else [round(one.low, 2), round(one.high, 2)] for one in intervals]
    return {
        "joints": int(counted[:, -1].sum()),
        "total": shares[-1],
        "interval95": intervals[-1],
        "per_joint": dict(zip(JOINTS, shares)),
        "per_joint_interval95": dict(zip(JOINTS, intervals)),
    }


def _rounded(points):
    return [[round(float(value), 2) for value in point] for point in points]
