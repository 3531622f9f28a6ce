"""``edgepose stream``: a camera or video to events."""

from __future__ import annotations

from pathlib import Path

import typer

from edgepose.cli.accelerator import ALLOW_CPU_HELP, TPU_HELP
from edgepose.cli.console import print_warning
from edgepose.cli.run import parse_region


def stream(
    file: Path = typer.Argument(..., help="The bundle."),
    source: str = typer.Argument(..., help="Camera number, GStreamer pipeline, rtsp:// address, or video file."),
    publish: list[str] = typer.Option(
        [],
        "--publish",
        help="-, tcp://HOST:PORT, unix:PATH or mqtt://HOST[:PORT]/TOPIC; several times for several places.",
        show_default="standard output",
    ),
    policy: str | None = typer.Option(
        None, "--policy", help="newest (cameras: drop frames) or every (files: drop none)."
    ),
    decoder: str | None = typer.Option(None, "--decoder", help="official (smoothed, for stills) or realtime."),
    region: str | None = typer.Option(None, "--region", help="X,Y,W,H: look here always, instead of following."),
    tracking: bool = typer.Option(True, "--tracking/--no-tracking", help="Follow the person with the crop."),
    smoothing: bool = typer.Option(True, "--smoothing/--no-smoothing", help="Steady the joints (One-Euro filter)."),
    reconnect: bool = typer.Option(True, "--reconnect/--no-reconnect", help="Open a camera again when it goes."),
    limit: int | None = typer.Option(None, "--limit", help="End after this many frames."),
    threads: int | None = typer.Option(None, "--threads", help="Threads of the engine."),
    tpu: str | None = typer.Option(None, "--tpu", help=TPU_HELP),
    allow_cpu: bool = typer.Option(False, "--allow-cpu", help=ALLOW_CPU_HELP),
) -> None:
    """Follow the person before a camera; publish poses and events as lines of JSON."""
    from edgepose.runtime.stream.command import publish_stream

    place = parse_region(region)
    publish_stream(
        file,
        source,
        publish,
        _warn,
        limit,
        policy=policy,
        tracking=tracking and place is None,
        smoothing=smoothing,
        region=place,
        reconnect=reconnect,
        threads=threads,
        decoder=decoder,
        device=tpu,
        allow_cpu=allow_cpu,
    )


def _warn(message: str, hint: str | None) -> None:
    print_warning(message if hint is None else f"{message} ({hint})")
