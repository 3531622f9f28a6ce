"""``edgepose run``: images, folders and videos to joints."""

from __future__ import annotations

from pathlib import Path

import typer

from edgepose.cli.accelerator import ALLOW_CPU_HELP, TPU_HELP, warn_of_fallback
from edgepose.cli.console import err, print_error, print_warning
from edgepose.cli.progress import CountedProgress
from edgepose.runtime.errors import EXIT_FAILED, UsageError


def run(
    file: Path = typer.Argument(..., help="The bundle."),
    sources: list[str] = typer.Argument(..., help="Images, videos, or folders of them."),
    overlay: str | None = typer.Option(
        None, "--overlay", help="Draw the joints: an image, a video, or a folder for several sources."
    ),
    json_path: str | None = typer.Option(
        None, "--json", help="Write .json, or .jsonl (a line a frame); - prints the lines."
    ),
    csv_path: str | None = typer.Option(None, "--csv", help="Write a row a frame; - prints them."),
    decoder: str | None = typer.Option(None, "--decoder", help="official (smoothed, for stills) or realtime."),
    region: str | None = typer.Option(None, "--region", help="X,Y,W,H: look at this part of every frame, in pixels."),
    min_score: float = typer.Option(0.0, "--min-score", help="Leave out joints that score less."),
    threads: int | None = typer.Option(None, "--threads", help="Threads of the engine."),
    tpu: str | None = typer.Option(None, "--tpu", help=TPU_HELP),
    allow_cpu: bool = typer.Option(False, "--allow-cpu", help=ALLOW_CPU_HELP),
) -> None:
    """Find the joints in images, folders and videos; print them, or write JSON, CSV and overlays."""
    import edgepose
    from edgepose.runtime.announce import announced
    from edgepose.runtime.quiet import engine_chatter_hidden
    from edgepose.runtime.run import Outputs, Progress, run_sources

    outputs = Outputs(json=json_path, csv=csv_path, overlay=overlay)
    with announced(), engine_chatter_hidden():
        loaded = edgepose.load(file, threads=threads, decoder=decoder, device=tpu, allow_cpu=allow_cpu)
    warn_of_fallback(loaded)
    with loaded as estimator, CountedProgress("finding joints") as bar:

        def show(progress: Progress) -> None:
            several = progress.sources > 1
            done, total = (progress.number, progress.sources) if several else (progress.frame, progress.frames)
            bar(done, total)

        summary = run_sources(estimator, sources, outputs, parse_region(region), min_score, progress=show)
    for warning in summary.warnings:
        print_warning(warning)
    for _, error in summary.failures:
        print_error(error.message, error.hint)
    written = [path for path in outputs if path not in (None, "-")]
    if written:
        frames = "1 frame" if summary.frames == 1 else f"{summary.frames} frames"
        err.print(f"{frames}: {', '.join(written)}", markup=False, soft_wrap=True)
    if summary.failures:
        raise typer.Exit(EXIT_FAILED)


def parse_region(text: str | None) -> tuple[float, ...] | None:
    """``X,Y,W,H`` as four numbers. Raises :class:`UsageError`."""
    if text is None:
        return None
    try:
        x, y, width, height = (float(number) for number in text.split(","))
    except ValueError as error:
        raise UsageError(f"--region {text!r} is not X,Y,W,H", "four numbers in pixels of the frame") from error
    return x, y, width, height
