"""The ``edgepose`` command: its commands, and how errors become messages and exit codes."""

from __future__ import annotations

import os

import typer

from edgepose.cli import (
    bench,
    calibrate,
    check,
    compare,
    convert,
    doctor,
    evaluate,
    export_c,
    figure,
    finish,
    inspect,
    report,
    run,
    stream,
    targets,
    variants,
    weights,
)
from edgepose.cli.console import out, print_error
from edgepose.runtime.exits import exit_code_of
from edgepose.version import __version__

app = typer.Typer(
    name="edgepose",
    help="From a trained EfficientPose checkpoint to one file that finds sixteen joints on an edge device.",
    epilog="Exit codes: 0 done, 1 failed, 2 usage, 3 a gate did not hold, 130 interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    convert,
    finish,
    run,
    stream,
    inspect,
    check,
    evaluate,
    calibrate,
    bench,
    report,
    compare,
    variants,
    targets,
    doctor,
    figure,
):
    app.command()(getattr(command, command.__name__.rsplit(".", 1)[1]))
app.command("export-c")(export_c.export_c)
app.command("eval", hidden=True)(evaluate.evaluate)
app.add_typer(weights.app, name="weights")


def _show_version(wanted: bool) -> None:
    if wanted:
        out.print(f"edgepose {__version__}")
        raise typer.Exit()


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", help="Show the version and exit.", callback=_show_version, is_eager=True
    ),
) -> None:
    """Options of the command as a whole; the docstring users read is the app's help."""


def main() -> int:
    """Run the command line; return its exit code."""
    # FFmpeg's complaints about a damaged video would come before the error that says what to do about it.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")  # nor its warnings about a camera that is not there
    return exit_code_of(app, print_error)
