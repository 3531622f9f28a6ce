"""``edgepose check``: does a bundle find the joints that its float model finds, on this machine?"""

from __future__ import annotations

from pathlib import Path

import typer

from edgepose.cli.accelerator import ALLOW_CPU_HELP, TPU_HELP
from edgepose.cli.console import out, print_json
from edgepose.runtime.errors import EXIT_GATE


def check(
    file: Path = typer.Argument(..., help="The bundle."),
    threads: int | None = typer.Option(None, "--threads", help="Threads of the engine."),
    tpu: str | None = typer.Option(None, "--tpu", help=TPU_HELP),
    allow_cpu: bool = typer.Option(False, "--allow-cpu", help=ALLOW_CPU_HELP),
    as_json: bool = typer.Option(False, "--json", help="Print as JSON."),
) -> None:
    """Run a bundle on its own probe and compare with the float model's joints. Exits 3 where they do not agree."""
    from edgepose.runtime.announce import announced
    from edgepose.runtime.bundle import Bundle
    from edgepose.runtime.probe import check_probe
    from edgepose.runtime.quiet import engine_chatter_hidden

    with announced(), engine_chatter_hidden():
        report = check_probe(Bundle.open(file), threads, tpu, allow_cpu)
    if as_json:
        print_json({**report._asdict(), "passed": report.passed})
    else:
        out.print(f"{'agrees' if report.passed else 'DOES NOT AGREE'}: {report.summary}", soft_wrap=True)
    if not report.passed:
        raise typer.Exit(EXIT_GATE)
