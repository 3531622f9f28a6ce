"""Live: what following the person and smoothing do to joints that are known, in moving pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.bundles import bundle_path
from benchmarks.moving import FPS, HEIGHT, PERSON_PIXELS, WIDTH, MovingFrame, moving_photograph, walking_figure
from benchmarks.official_recipe import reference_dataset
from benchmarks.results import Figure, Report
from edgepose import PoseEstimator, PoseStream, load
from edgepose.runtime.stream.events import PoseEvent

PHOTOGRAPHS, PHOTOGRAPH_FRAMES = 24, 40
FIGURES, FIGURE_FRAMES = (4, 12, 27, 0), 120
STILL_S = 1.5
# Until here a still figure may not have been found yet, nor the filter settled.
SETTLED = 15
LARGEST_LAG = 8.0


def run(bundles: Path, quick: bool) -> Report:
    """RT_LITE in int8 on moving photographs and walking figures."""
    report = Report(
        "live",
        "Live",
        f"RT_LITE in int8 through `PoseStream`, frames of {WIDTH}×{HEIGHT} at {FPS:g} a second, in which a person of "
        f"{PERSON_PIXELS:g} pixels moves: {PHOTOGRAPHS} upright persons of LSPET that drift, come nearer and go away "
        "before rendered scenes, and four rendered figures that stand still and then walk and wave. Joints of frames "
        "in which no person was found count as not found. Jitter is the median change, from frame to frame, of a "
        "joint's error; lag is the delay of the truth that fits the moving joints best. All of it is simulated "
        "motion with a camera's noise, not a camera.",
    )
    records = [record for record in reference_dataset().records if record.upright][::25][:PHOTOGRAPHS]
    seeds = FIGURES
    if quick:
        records, seeds = records[:3], FIGURES[:1]
    photographs = [list(moving_photograph(one, seed, PHOTOGRAPH_FRAMES)) for seed, one in enumerate(records)]
    figures = [list(walking_figure(seed, FIGURE_FRAMES, STILL_S)) for seed in seeds]
    evaluated = [record.evaluate for record in records]
    every = [np.ones(16, bool)] * len(figures)
    with load(bundle_path(bundles, "RT_LITE", "int8"), threads=1) as estimator:
        for name, sequences, counted in (("photographs", photographs, evaluated), ("figures", figures, every)):
            _tracking(report, estimator, name, sequences, counted, quick)
        _smoothing(report, estimator, figures)
    return report


def poses_of(estimator: PoseEstimator, frames: list[MovingFrame], **options) -> list[PoseEvent]:
    """The pose event of each frame."""
    with PoseStream(estimator, [(frame.seconds, frame.image) for frame in frames], **options) as stream:
        return [event for event in stream if event.kind == "pose"]


def errors_of(frames: list[MovingFrame], events: list[PoseEvent]) -> np.ndarray:
    """[frames, 16, 2] from the truth, in head lengths; infinite where there is no pose."""
    found = [np.full((16, 2), np.inf) if event.pose is None else event.pose.keypoints for event in events]
    return np.array(
        [(joints - frame.keypoints) / frame.head for joints, frame in zip(found, frames, strict=True)], np.float64
    )


def share_within(errors: list[np.ndarray], counted: list[np.ndarray], heads: float) -> float:
    """Percent of the ``counted`` joints of all sequences within ``heads`` head lengths: PCKh."""
    near = np.concatenate(
        [(np.linalg.norm(one, axis=2) <= heads)[:, these].ravel() for one, these in zip(errors, counted, strict=True)]
    )
    return float(100 * near.mean())


def lag_of(frames: list[MovingFrame], events: list[PoseEvent], first: int) -> list[float]:
    """Frames by which each joint that moves from frame ``first`` on is late."""
    truth = np.array([frame.keypoints for frame in frames])
    measured = np.array([np.full((16, 2), np.nan) if event.pose is None else event.pose.keypoints for event in events])
    times = np.arange(first, len(frames))
    lags = []
    for joint in range(16):
        if np.ptp(truth[first:, joint], axis=0).max() < 0.5 * frames[0].head:
            continue
        costs = {}
        for lag in np.arange(-1.0, LARGEST_LAG, 0.1):
            late = np.column_stack(
                [np.interp(times - lag, np.arange(len(frames)), truth[:, joint, axis]) for axis in (0, 1)]
            )
            rest = measured[first:, joint] - late
            rest = np.abs(rest - np.nanmedian(rest, axis=0))
            # A joint that jumps to another limb says nothing about lag.
            costs[lag] = np.nanmean(np.minimum(rest, 0.5 * frames[0].head))
        lags.append(float(min(costs, key=costs.__getitem__)))
    return lags


def jitter_of(errors: np.ndarray) -> float:
    """Median length of the change of a joint's error from frame to frame, percent of a head."""
    with np.errstate(invalid="ignore"):
        steps = np.linalg.norm(np.diff(errors, axis=0), axis=2)
    return float(100 * np.median(steps[np.isfinite(steps)]))


def _tracking(report, estimator, name, sequences, counted, quick) -> None:
    ways = {
        "the whole frame": {"tracking": False, "smoothing": False},
        "tracked": {"smoothing": False},
        "tracked and smoothed": {},
    }
    shares = {}
    for way, options in ways.items():
        errors = [errors_of(frames, poses_of(estimator, frames, **options)) for frames in sequences]
        for heads in (0.5, 0.1):
            shares[way, heads] = share_within(errors, counted, heads)
            report.add(Figure(f"{name}, {way}: PCKh@{100 * heads:g}", shares[way, heads], ""))
    report.add(
        Figure(
            f"{name}: PCKh@10, tracked less the whole frame",
            shares["tracked", 0.1] - shares["the whole frame", 0.1],
            "points",
            at_least=None if quick else 1.0,
        )
    )


def _smoothing(report, estimator, sequences) -> None:
    moving = round(STILL_S * FPS) + 5
    jitter, lags = {}, {}
    for way, options in {"as measured": {"smoothing": False}, "smoothed": {}}.items():
        events = [poses_of(estimator, frames, **options) for frames in sequences]
        errors = [errors_of(frames, found) for frames, found in zip(sequences, events, strict=True)]
        still = np.median([jitter_of(one[SETTLED : moving - 6]) for one in errors])
        jitter[way] = float(still)
        report.add(Figure(f"jitter of still figures, {way}", jitter[way], "% of a head"))
        report.add(
            Figure(
                f"jitter of moving figures, {way}", float(np.median([jitter_of(one[moving:]) for one in errors])), "%"
            )
        )
        lags[way] = [
            lag for frames, found in zip(sequences, events, strict=True) for lag in lag_of(frames, found, moving)
        ]
        report.add(Figure(f"lag, {way}", float(np.median(lags[way])), "frames"))
    added = float(np.median(lags["smoothed"]) - np.median(lags["as measured"]))
    report.add(
        Figure("jitter of still figures: times less", jitter["as measured"] / jitter["smoothed"], "×", at_least=3.0),
        Figure("lag that smoothing adds", added, "frames", at_most=1.0),
        Figure(f"the same at {FPS:g} frames a second", 1000 * added / FPS, "ms"),
    )
    report.samples["lags"] = lags
