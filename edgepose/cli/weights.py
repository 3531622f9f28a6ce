"""``edgepose weights``: the official weights, here and at their source."""

from __future__ import annotations

import typer

from edgepose.cli.console import new_table, out, print_json
from edgepose.cli.progress import CountedProgress

app = typer.Typer(help="List and fetch the official weights.", no_args_is_help=True)


@app.command("list")
def list_weights(as_json: bool = typer.Option(False, "--json", help="Print as JSON.")) -> None:
    """List the official files and which of them are on this machine."""
    from edgepose.checkpoints import list_official_weights

    entries = list_official_weights()
    if as_json:
        print_json([{**entry._asdict(), "path": str(entry.path) if entry.path else None} for entry in entries])
        return
    table = new_table("variant", "file", "git blob", "on this machine")
    for entry in entries:
        table.add_row(entry.variant, entry.file_name, entry.git_blob_id[:12], str(entry.path or "-"))
    out.print(table)


@app.command("fetch")
def fetch_weights(
    variant: str = typer.Argument(..., help="RT, I, II, III, IV, RT_LITE, I_LITE or II_LITE."),
    as_json: bool = typer.Option(False, "--json", help="Print the path as JSON."),
) -> None:
    """Fetch the official weights of one variant, pinned by digest; an interrupted download continues."""
    from edgepose.checkpoints import fetch_official_weights

    with CountedProgress(f"EfficientPose {variant}", of_bytes=True) as progress:
        path = fetch_official_weights(variant, progress)
    if as_json:
        print_json({"path": str(path)})
    else:
        out.print(str(path), soft_wrap=True)
