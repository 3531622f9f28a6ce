"""``edgepose bench --device`` and ``--fleet``: the same on devices over SSH, with a line of progress for each."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from rich.progress import BarColumn, Progress, TextColumn

from edgepose.cli.console import err, new_table, out, print_error
from edgepose.fleet import Job, Outcome, run_jobs
from edgepose.runtime.bench_progress import progress_words
from edgepose.runtime.errors import EXIT_DONE, EXIT_FAILED, EXIT_GATE


def bench_devices(jobs: Sequence[Job], folder: Path, ssh: Sequence[str], *, again: bool, as_json: bool) -> int:
    """Run ``jobs``, show how they go and what came out, and return the exit code."""
    with _JobsProgress(jobs) as progress:
        outcomes = run_jobs(jobs, folder, progress, ssh, again)
    if as_json:
        sys.stdout.write(json.dumps([_summary(one) for one in outcomes], indent=1, sort_keys=True) + "\n")
    else:
        _print_outcomes(outcomes)
    for one in outcomes:
        if one.error is not None:
            print_error(f"{one.job.name}: {one.error.message}", one.error.hint)
    if any(one.record is not None for one in outcomes):
        err.print(f"records: {folder}; see them with 'edgepose report {folder}'", markup=False, soft_wrap=True)
    if any(one.error is not None for one in outcomes):
        return EXIT_FAILED
    return EXIT_DONE if all(_gate_held(one) for one in outcomes) else EXIT_GATE


class _JobsProgress:
    """A line for each job on a terminal; elsewhere one line for each that begins and ends."""

    def __init__(self, jobs: Sequence[Job]):
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[words]}"),
            console=err,
            disable=not err.is_terminal,
        )
        self._tasks = {job: self._bars.add_task(job.name, total=None, words="waiting") for job in jobs}
        self._lock = threading.Lock()
        self._phases: dict[Job, str] = {}

    def __enter__(self) -> _JobsProgress:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def __call__(self, job: Job, phase: str, done: float, total: float | None) -> None:
        words = phase
        if phase == "copying" and total:
            words = f"copying: {done / 1e6:.1f} of {total / 1e6:.1f} MB"
        elif phase in ("warm-up", "measuring", "drift"):
            words = progress_words(phase, done, total)
        self._bars.update(self._tasks[job], completed=done, total=total, words=words)
        with self._lock:
            new = self._phases.get(job) != phase
            self._phases[job] = phase
        if new and not err.is_terminal and phase in ("connecting", "kept", "failed", "done"):
            err.print(f"{job.name}: {phase}", markup=False, soft_wrap=True)


def _print_outcomes(outcomes: Sequence[Outcome]) -> None:
    numbers = ("p50 ms", "p95 ms", "poses/s", "peak MB", "within 0.1 head")
    table = new_table("device", "bundle", *numbers, "", right=numbers)
    for one in outcomes:
        if one.record is None:
            table.add_row(one.job.device.name, one.job.bundle.name, *["-"] * len(numbers), "[red]failed[/]")
            continue
        document = one.record.document
        total, drift = document["latency_ms"]["total"], document["drift"]
        times = (f"{total['p50']:.2f}", f"{total['p95']:.2f}", f"{document['poses_per_s']:.1f}")
        table.add_row(
            one.job.device.name,
            one.job.bundle.name,
            *([document["kind"]] * 3 if one.record.times_mean_nothing else times),
            f"{document['memory']['peak_mb'] or 0:.0f}",
            f"{drift['within_0.1_head']['total']:.1f} %",
            _remarks(one),
        )
    out.print(table)
    for one in outcomes:
        for sentence in one.record.document["warnings"] if one.record is not None else []:
            err.print(f"[bold yellow]warning:[/] {one.job.name}: ", end="")
            err.print(sentence, markup=False, soft_wrap=True)


def _remarks(outcome: Outcome) -> str:
    assert outcome.record is not None
    words = ["[red]gate not held[/]"] if not _gate_held(outcome) else []
    words += ["[red]throttled[/]"] if outcome.record.document["throttling"]["throttled"] else []
    return ", ".join(words + (["measured before"] if outcome.kept else []))


def _gate_held(outcome: Outcome) -> bool:
    gate = outcome.record.document["gate"] if outcome.record is not None else None
    return gate is None or bool(gate["held"])


def _summary(outcome: Outcome) -> dict[str, object]:
    error = outcome.error
    return {
        "device": outcome.job.device.name,
        "host": outcome.job.device.host,
        "bundle": str(outcome.job.bundle),
        "record": None if outcome.record is None else str(outcome.record.path),
        "kept": outcome.kept,
        "gate_held": None if outcome.record is None else _gate_held(outcome),
        "error": None if error is None else {"message": error.message, "hint": error.hint},
    }
