"""``edgepose bench``: latency and memory of a bundle on this machine."""

from __future__ import annotations

from pathlib import Path

import typer

from edgepose.cli.accelerator import ALLOW_CPU_HELP, TPU_HELP
from edgepose.cli.console import err, print_json


def bench(
    file: Path = typer.Argument(..., help="The bundle."),
    seconds: float = typer.Option(5.0, "--seconds", help="Measure at least this long."),
    threads: int | None = typer.Option(None, "--threads", help="Threads of the engine."),
    tpu: str | None = typer.Option(None, "--tpu", help=TPU_HELP),
    allow_cpu: bool = typer.Option(False, "--allow-cpu", help=ALLOW_CPU_HELP),
    as_json: bool = typer.Option(False, "--json", help="Print every sample and the conditions as JSON."),
) -> None:
    """Measure the latency of each stage and the peak memory here, on the bundle's own probe."""
    from edgepose.runtime.announce import announced
    from edgepose.runtime.latency import bench_bundle, latency_table
    from edgepose.runtime.quiet import engine_chatter_hidden

    err.print(f"measuring {file.name} for at least {seconds:g} s", style="dim", markup=False)
    with announced(), engine_chatter_hidden():
        report = bench_bundle(file, threads, seconds, tpu, allow_cpu)
    if as_json:
        print_json(report)
    else:
        print(latency_table(report))  # noqa: T201
