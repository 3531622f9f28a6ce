"""``edgepose doctor``: what this machine can run, and what is missing."""

from __future__ import annotations

import dataclasses

import typer

from edgepose.cli.console import err, new_table, out, print_json
from edgepose.runtime.errors import EXIT_FAILED

_MARKS = {"ok": "[green]ok[/]", "missing": "[red]missing[/]", "note": "[yellow]-[/]"}


def doctor(as_json: bool = typer.Option(False, "--json", help="Print as JSON.")) -> None:
    """Say what this machine can run and convert, and which command mends what is missing.

    Exits 1 where bundles cannot run here.
    """
    from edgepose.doctor import diagnose

    with err.status("looking at this machine"):
        diagnosis = diagnose()
    if as_json:
        print_json(dataclasses.asdict(diagnosis))
    else:
        table = new_table("", "", "", "")
        table.show_header = False
        previous = None
        for finding in diagnosis.findings:
            area = finding.area if finding.area != previous else ""
            previous = finding.area
            table.add_row(f"[bold]{area}[/]", finding.name, _MARKS[finding.status], finding.detail)
        out.print(table)
        for finding in diagnosis.findings:
            if finding.status == "missing" and finding.mend:
                out.print(f"\n[bold]{finding.name}[/]: {finding.mend}", soft_wrap=True)
        out.print()
        out.print(f"This machine {'runs' if diagnosis.runs else '[red]cannot run[/]'} bundles", end=" ")
        out.print(f"and {'converts' if diagnosis.converts else '[yellow]cannot convert[/]'} checkpoints.")
    if not diagnosis.runs:
        raise typer.Exit(EXIT_FAILED)
