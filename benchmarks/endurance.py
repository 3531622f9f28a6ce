"""Endurance: what a stream leaves behind after many frames, and after being opened and closed many times."""

from __future__ import annotations

import gc
import os
import threading
import time
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from benchmarks.bundles import bundle_path
from benchmarks.moving import walking_figure
from benchmarks.results import Figure, Report
from edgepose import PoseStream
from edgepose.bench.sensors.memory import resident_mb

FRAMES, QUICK_FRAMES = 100_000, 2_000
CYCLES, QUICK_CYCLES = 1_000, 30
WARM_UP = 0.1  # share of the frames
SAMPLES = 100
GROWTH_PER_50000_MB = 1.0


def run(bundles: Path, quick: bool) -> Report:
    """100,000 frames through one stream, then 1,000 streams of a few frames each."""
    report = Report(
        "endurance",
        "Endurance",
        "RT_LITE in int8, one thread, `PoseStream` with tracking, smoothing and every frame: 120 rendered frames of "
        "640×480 over and over. Memory is the resident set (`/proc/self/status`), a straight line fitted after the "
        "first tenth. Then streams opened from the bundle's file and closed after three frames; threads, open files "
        "and memory are counted before and after.",
    )
    bundle = bundle_path(bundles, "RT_LITE", "int8")
    pictures = [frame.image for frame in walking_figure(4, 120)]
    _frames(report, bundle, pictures, QUICK_FRAMES if quick else FRAMES)
    _cycles(report, bundle, pictures, QUICK_CYCLES if quick else CYCLES)
    return report


def _frames(report: Report, bundle: Path, pictures: list[np.ndarray], frames: int) -> None:
    every = frames // SAMPLES
    counts, memory = [], []
    began = time.monotonic()
    poses = 0
    with PoseStream(bundle, islice(cycle(pictures), frames), threads=1) as stream:
        for event in stream:
            if event.kind != "pose":
                continue
            assert event.frame == poses, f"pose {poses} is of frame {event.frame}"
            poses += 1
            if poses % every == 0:
                counts.append(poses)
                memory.append(resident_mb())
        counters = stream.counters
    seconds = time.monotonic() - began
    assert poses == frames == counters.looked_at
    assert counters.dropped == counters.events_dropped == counters.refused == 0
    warm = int(len(counts) * WARM_UP)
    slope = float(np.polyfit(counts[warm:], memory[warm:], 1)[0]) * 50_000
    report.add(
        Figure("frames, each with its pose", poses, "", at_least=frames),
        Figure("memory after the first tenth", memory[warm], "MB"),
        Figure("memory at the end", memory[-1], "MB"),
        Figure("growth a 50,000 frames", slope, "MB", at_most=GROWTH_PER_50000_MB),
        Figure("frames a second, beside other work on the machine", frames / seconds, "1/s"),
    )
    report.samples["frames"] = counts
    report.samples["resident_mb"] = memory


def _cycles(report: Report, bundle: Path, pictures: list[np.ndarray], cycles: int) -> None:
    memory, slowest = [], 0.0
    for number in range(cycles + 1):
        if number == cycles // 10:
            gc.collect()
            threads, files, warm = threading.active_count(), open_files(), resident_mb()
        with PoseStream(bundle, iter(pictures[:3]), threads=1) as stream:
            poses = [event for event in stream if event.kind == "pose"]
            began = time.monotonic()
        assert len(poses) == 3
        slowest = max(slowest, time.monotonic() - began)
        memory.append(resident_mb())
    gc.collect()
    report.add(
        Figure("streams opened and closed", cycles, "", at_least=cycles),
        Figure("threads left", threading.active_count() - threads, "", at_most=0),
        Figure("open files left", open_files() - files, "", at_most=0),
        Figure("memory left, after the first tenth", resident_mb() - warm, "MB"),
        Figure("slowest close", slowest, "s", at_most=2.0),
    )
    report.samples["cycles_resident_mb"] = memory


def open_files() -> int:
    """File descriptors that this process holds."""
    return len(os.listdir("/proc/self/fd"))
