"""``edgepose convert``: from a checkpoint to one bundle."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from edgepose.cli.console import new_table, out, print_json, print_warning
from edgepose.cli.edgetpu import edgetpu_sentences
from edgepose.cli.held_out import build_sentences, held_out_sentences
from edgepose.conversion.calibrators import CALIBRATORS
from edgepose.conversion.edgetpu.options import TIME_LIMIT_S
from edgepose.conversion.progress import StageReport
from edgepose.runtime.quiet import engine_chatter_hidden

STAGE_TITLES = {
    "samples": "open the calibration set",
    "weights": "find the weights",
    "export": "export to ONNX, compare with torch",
    "simplify": "simplify the ONNX, compare with the source",
    "calibrate": "choose the ranges of int8",
    "lower": "lower to the engine, compare with ONNX Runtime",
    "map": "map to the Edge TPU",
    "measure": "measure the drift on crops held out",
    "bundle": "write the bundle, check its joints",
}


class ConsoleProgress:
    """Shows a spinner with the running stage, and warnings above it; holds back what libraries print meanwhile."""

    def __enter__(self) -> ConsoleProgress:
        with contextlib.ExitStack() as stack:
            # A descriptor of its own: the process's is held back.
            terminal = stack.enter_context(os.fdopen(os.dup(2), "w"))
            stack.enter_context(engine_chatter_hidden())
            self._console = Console(file=terminal, highlight=False)
            self._status = stack.enter_context(self._console.status(""))
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def begin(self, stage: str) -> None:
        """Name the stage beside the spinner."""
        self._stage = STAGE_TITLES[stage]
        self._status.update(self._stage)

    def detail(self, message: str) -> None:
        """Add what it is doing."""
        self._status.update(f"{self._stage}: {message}")

    def end(self, report: StageReport) -> None:
        """The table at the end tells of it."""

    def warn(self, message: str) -> None:
        """Print the warning above the spinner."""
        print_warning(message, self._console)


def convert(
    variant: str = typer.Option(..., "--variant", help="RT, I, II, III, IV, RT_LITE, I_LITE or II_LITE."),
    target: str = typer.Option(..., "--target", help="The device; 'edgepose targets' lists them."),
    precision: str = typer.Option("auto", "--precision", help="auto, fp32, fp16 or int8."),
    checkpoint: str | None = typer.Option(
        None,
        "--checkpoint",
        help="A .h5, .pt, .safetensors or official PyTorch file; 'official', the default where they can be had; or "
        "'demo', the weights that ship with edgepose.",
    ),
    onnx: Path | None = typer.Option(None, "--onnx", help="Start from an ONNX file of the same family instead."),
    calibration: str | None = typer.Option(
        None, "--calibration", help="Calibration set for int8, made by 'edgepose calibrate'; 'demo' is the default."
    ),
    calibrator: str = typer.Option(
        CALIBRATORS[0], "--calibrator", help=f"What chooses the ranges of int8: {', '.join(CALIBRATORS)}."
    ),
    max_drift: float | None = typer.Option(
        None,
        "--max-drift",
        help="Points of PCKh@50 and @10 that may be lost on the held-out part of a labelled calibration set. int8 "
        "leaves layers in float to keep to it; auto takes the fastest precision that does.",
    ),
    min_agreement: float | None = typer.Option(
        None, "--min-agreement", help="Likewise: percent of joints within 0.1 head of the float model's; no labels."
    ),
    require_full_mapping: bool | None = typer.Option(
        None,
        "--require-full-mapping/--no-require-full-mapping",
        help="Coral: fail where an operator is left to the CPU; the default for the Lite variants.",
        show_default=False,
    ),
    edgetpu_compiler: str | None = typer.Option(
        None, "--edgetpu-compiler", help="Coral: path of edgetpu_compiler, where it is not on the search path."
    ),
    time_limit: int = typer.Option(TIME_LIMIT_S, "--time-limit", help="Coral: seconds that the compiler may take."),
    engine: str | None = typer.Option(None, "--engine", help="tflite or onnx, where the target runs both."),
    output: Path | None = typer.Option(None, "--output", "-o", help="The bundle to write."),
    as_json: bool = typer.Option(False, "--json", help="Print the result as JSON."),
) -> None:
    """Convert a trained checkpoint to one file for a device."""
    from edgepose.conversion.edgetpu.options import EdgeTpuOptions
    from edgepose.conversion.pipeline import ConversionRequest, convert
    from edgepose.evaluation.gate import Limits

    limits = Limits(max_drift, min_agreement)
    edgetpu = EdgeTpuOptions(edgetpu_compiler, require_full_mapping, time_limit)
    request = ConversionRequest(
        variant, target, precision, checkpoint, onnx, calibration, engine, output, limits, calibrator, edgetpu
    )
    with ConsoleProgress() as progress:
        result = convert(request, progress)
    if as_json:
        print_json(result.to_dict())
        return
    _print_result(result)


def _print_result(result: Any) -> None:
    manifest = result.manifest
    table = new_table("stage", "result", "time", right=("time",))
    for stage in result.stages:
        table.add_row(stage.name, stage.note, "cached" if stage.cached else f"{stage.seconds:.1f} s")
    out.print()
    out.print(table)
    out.print()
    engine = manifest["engine"]
    size = "{} x {}".format(*_sides(engine["input"]))
    out.print(
        f"[bold]{manifest['name']}[/]: EfficientPose {manifest['variant']}, {size}, {manifest['precision']}, "
        f"{engine['format']} engine of {manifest['measured']['engine_bytes'] / 1e6:.2f} MB, "
        f"{engine['macs'] / 1e9:.2f} G multiply-adds",
        soft_wrap=True,
    )
    for line in [*held_out_sentences(manifest), *build_sentences(manifest)]:
        out.print(line, soft_wrap=True)
    for precision, reason in result.rejected.items():
        out.print(f"Not {precision}: {reason}", soft_wrap=True)
    for line in edgetpu_sentences(manifest):
        out.print(line, soft_wrap=True, markup=False)
    out.print(f"[bold green]{result.path}[/], {result.bytes / 1e6:.2f} MB", soft_wrap=True)
    out.print()
    if engine["member"] == "engine.tflite" and engine["format"] == "edgetpu":
        out.print(f"Compile it:         edgepose finish {result.path}", soft_wrap=True)
    on_cpu = " --allow-cpu" if engine["format"] == "edgetpu" else ""
    out.print(f"Try it here:        edgepose run {result.path} PHOTO.jpg --overlay pose.png{on_cpu}", soft_wrap=True)
    if engine["format"] == "tensorrt":
        out.print(f"On the board, once: python3 {result.path.name} build", soft_wrap=True)
    out.print(f"On the device:      python3 {result.path.name} run PHOTO.jpg --overlay pose.png", soft_wrap=True)


def _sides(tensor: dict[str, Any]) -> tuple[int, int]:
    shape = tensor["shape"]
    return (shape[1], shape[2]) if tensor["layout"] == "NHWC" else (shape[2], shape[3])
