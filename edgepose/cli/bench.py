"""``edgepose bench``: what a bundle does on this machine, or on devices over SSH."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer

from edgepose.cli.progress import CountedProgress


def bench(
    file: Path = typer.Argument(..., help="The bundle."),
    seconds: float = typer.Option(5.0, "--seconds", help="Measure at least this long, once steady."),
    soak: float | None = typer.Option(None, "--soak", help="Measure a sustained load of that many minutes instead."),
    source: list[Path] = typer.Option([], "--source", help="Images or videos to read frames of (the probe's crops)."),
    label: str | None = typer.Option(None, "--label", help="What the record calls this device."),
    output: Path | None = typer.Option(None, "--output", "-o", help="Write the record to this file."),
    max_drift: float | None = typer.Option(
        None, "--max-drift", help="Exit 3 where more points of PCKh@50, or of PCKh@10, are lost."
    ),
    max_p95_ms: float | None = typer.Option(None, "--max-p95-ms", help="Exit 3 where the p95 of the latency is more."),
    max_rss_mb: float | None = typer.Option(None, "--max-rss-mb", help="Exit 3 where the peak memory is more."),
    threads: int | None = typer.Option(None, "--threads", help="Threads of the engine."),
    as_json: bool = typer.Option(False, "--json", help="Print the record, every sample included, as JSON."),
) -> None:
    """Measure latency, memory, heat, power and drift of a bundle, with the conditions they were taken under."""
    from edgepose.bench.gates import Limits
    from edgepose.runtime.bench_command import bench_settings, require_gate, write_record
    from edgepose.runtime.bench_record import bench_bundle
    from edgepose.runtime.bench_table import bench_table
    from edgepose.runtime.quiet import engine_chatter_hidden

    options: dict[str, Any] = {
        "threads": threads,
        "settings": bench_settings(seconds, soak),
        "limits": Limits(max_drift, max_p95_ms, max_rss_mb),
    }
    with CountedProgress(f"measuring {file.name}") as bar:

        def show(_: str, done: float, total: float | None) -> None:
            bar(int(done), None if total is None else int(total))

        with engine_chatter_hidden():
            record = bench_bundle(file, sources=source, label=label, progress=show, **options)
    write_record(record, None if output is None else str(output))
    if as_json:
        write_record(record, "-")
    else:
        sys.stdout.write(bench_table(record) + "\n")
    require_gate(record)
