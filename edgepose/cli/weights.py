"""``edgepose weights``: the official weights, here and at their source, and those that ship with edgepose."""

from __future__ import annotations

import typer

from edgepose.cli.console import new_table, out, print_json
from edgepose.cli.progress import CountedProgress

app = typer.Typer(help="List and fetch the official weights.", no_args_is_help=True)


@app.command("list")
def list_weights(as_json: bool = typer.Option(False, "--json", help="Print as JSON.")) -> None:
    """List the official files, which of them are on this machine, and edgepose's own demonstration weights."""
    from edgepose.checkpoints import demo_weights, list_official_weights

    entries = list_official_weights()
    if as_json:
        paths = [
            {"path": entry.path and str(entry.path), "demo_path": demo and str(demo)}
            for entry, demo in ((entry, demo_weights(entry.variant)) for entry in entries)
        ]
        print_json([{**entry._asdict(), **ours} for entry, ours in zip(entries, paths, strict=True)])
        return
    table = new_table("variant", "official file", "git blob", "on this machine", "demo")
    for entry in entries:
        demo = "yes" if demo_weights(entry.variant) else "-"
        table.add_row(entry.variant, entry.file_name, entry.git_blob_id[:12], str(entry.path or "-"), demo)
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
