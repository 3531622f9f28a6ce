"""``edgepose export-c``: the decoder as C99, for firmware without Python."""

from __future__ import annotations

from pathlib import Path

import typer

from edgepose.cli.console import out, print_json


def export_c(
    file: Path = typer.Argument(..., help="The bundle."),
    output: Path = typer.Option(..., "--output", "-o", help="The folder to write into."),
    decoder: str | None = typer.Option(None, "--decoder", help="official (smoothed, for stills) or realtime."),
    as_json: bool = typer.Option(False, "--json", help="Print the result as JSON."),
) -> None:
    """Write decoder, preprocessing and constants of a bundle as portable C99 beside its engine."""
    from edgepose.export_c import export_c as export

    exported = export(file, output, decoder)
    if as_json:
        print_json({"folder": str(exported.folder), "files": list(exported.files), "engine": exported.engine})
        return
    for name in exported.files:
        out.print(str(exported.folder / name), markup=False, soft_wrap=True)
    out.print(f"\nnext: cmake -S {exported.folder} -B build && cmake --build build", markup=False, soft_wrap=True)
