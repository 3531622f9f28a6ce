"""``edgepose finish``: compile the engine of a bundle for the Edge TPU, on a machine that has the compiler."""

from __future__ import annotations

from pathlib import Path

import typer

from edgepose.cli.console import err, out, print_json, print_warning
from edgepose.cli.edgetpu import edgetpu_sentences
from edgepose.conversion.edgetpu.options import TIME_LIMIT_S


def finish(
    file: Path = typer.Argument(..., help="The bundle that 'edgepose convert --target coral-...' wrote."),
    edgetpu_compiler: str | None = typer.Option(
        None, "--edgetpu-compiler", help="Path of edgetpu_compiler, where it is not on the search path."
    ),
    require_full_mapping: bool | None = typer.Option(
        None,
        "--require-full-mapping/--no-require-full-mapping",
        help="Fail where an operator is left to the CPU; the default for the Lite variants.",
        show_default=False,
    ),
    time_limit: int = typer.Option(TIME_LIMIT_S, "--time-limit", help="Seconds that the compiler may take."),
    output: Path | None = typer.Option(None, "--output", "-o", help="The bundle to write; FILE itself by default."),
    as_json: bool = typer.Option(False, "--json", help="Print what the compiler made as JSON."),
) -> None:
    """Compile the engine of a bundle for the Edge TPU and seal the bundle again."""
    from edgepose.conversion.edgetpu.finish import finish
    from edgepose.conversion.edgetpu.options import EdgeTpuOptions

    options = EdgeTpuOptions(edgetpu_compiler, require_full_mapping, time_limit)
    with err.status("running edgetpu_compiler") as status:
        result = finish(file, output, options, lambda detail: status.update(f"running edgetpu_compiler {detail}"))
    if not result.compilation.whole:
        print_warning("not every operator runs on the Edge TPU: the CPU computes the others, slower")
    if as_json:
        print_json({"bundle": str(result.path), **result.manifest["measured"]["edgetpu"]})
        return
    for line in edgetpu_sentences(result.manifest):
        out.print(line, soft_wrap=True, markup=False)
    out.print(f"[bold green]{result.path}[/], {result.path.stat().st_size / 1e6:.2f} MB", soft_wrap=True)
    out.print()
    out.print(f"On the device:      python3 {result.path.name} check", soft_wrap=True)
