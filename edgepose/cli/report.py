"""``edgepose report``: one page of bench records."""

from __future__ import annotations

from pathlib import Path

import typer

from edgepose.cli.console import err


def report(
    records: list[Path] = typer.Argument(..., help="Records of 'edgepose bench', or folders of them."),
    output: Path = typer.Option(Path("report.html"), "--output", "-o", help="The page to write; - prints it."),
    title: str = typer.Option("edgepose bench", "--title", help="Its title."),
) -> None:
    """Show bench records on one page that needs nothing beside itself, on a desk or a phone."""
    from edgepose.records import read_records
    from edgepose.reports import render_page
    from edgepose.runtime.atomic import require_place, write_bytes

    found = read_records(records)
    if str(output) != "-":
        require_place(str(output), [str(record.path) for record in found])
    # What a terminal gave as bytes that are no text cannot stand in a page.
    page = render_page(found, title).encode("utf-8", "replace")
    if str(output) == "-":
        typer.echo(page, nl=False)
        return
    write_bytes(str(output), page)
    err.print(f"wrote {output}", markup=False, soft_wrap=True)
