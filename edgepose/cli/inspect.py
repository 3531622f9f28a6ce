"""``edgepose inspect``: what a bundle is, where it came from, and what was measured when it was made."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape

from edgepose.cli.console import new_table, out, print_json
from edgepose.cli.edgetpu import edgetpu_sentences, memory_words, operator_table
from edgepose.cli.held_out import build_sentences, held_out_sentences

if TYPE_CHECKING:
    from edgepose.conversion.edgetpu.compatibility import CompatibilityReport

# Along the pipeline, where a manifest sorts by name.
GATE_ORDER = ("source_to_onnx", "source_to_simplified_onnx", "simplified_onnx_to_engine")


def inspect(
    file: Path = typer.Argument(..., help="The bundle; with --edgetpu any .tflite file, too."),
    edgetpu: bool = typer.Option(
        False, "--edgetpu", help="Say of every operator whether the Edge TPU takes it, and by which rule."
    ),
    require_full_mapping: bool = typer.Option(
        False, "--require-full-mapping", help="With --edgetpu: exit 3 where an operator is not predicted to map."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print the whole manifest as JSON."),
) -> None:
    """Verify a bundle and show what it says about itself; or what an Edge TPU takes of a model.

    With --edgetpu it exits 3 where the compilation is predicted to fail.
    """
    from edgepose.runtime.bundle import Bundle
    from edgepose.runtime.errors import BundleError, UsageError

    if edgetpu:
        _inspect_for_edgetpu(file, require_full_mapping, as_json)
        return
    if require_full_mapping:
        raise UsageError("--require-full-mapping is for the Edge TPU", "give --edgetpu, too")
    bundle = Bundle.open(file)
    manifest = bundle.manifest
    if as_json:
        print_json({**manifest.document, "manifest_sha256": bundle.sha256})
        return
    engine = manifest.engine
    table = new_table("", "")
    table.show_header = False
    provenance = manifest.provenance
    rows = [
        ("bundle", f"{manifest.name}, every member matches its SHA-256"),
        ("network", f"EfficientPose {manifest.variant}, {engine.macs / 1e9:.2f} G multiply-adds"),
        ("target", f"{manifest.target}, {manifest.precision}"),
        ("engine", f"{engine.format}, {manifest.members[engine.member].bytes / 1e6:.2f} MB"),
        ("input", _tensor(engine.input)),
        ("output", _tensor(engine.output)),
        ("decoder", f"{manifest.decoder.default}, upsampling x{manifest.decoder.upsampling} in the decoder"),
        ("written by", f"edgepose {manifest.edgepose}"),
    ]
    for label, key in (
        ("source", "source"),
        ("onnx", "onnx"),
        ("simplified", "simplified_onnx"),
        ("quantised", "quantised_onnx"),
        ("engine", "engine"),
        ("calibration", "calibration_set"),
    ):
        entry = provenance.get(key)
        if isinstance(entry, dict):
            kind = "".join(f"{entry[name]}, " for name in ("kind", "weights", "name") if name in entry)
            rows.append((f"{label} digest", f"{kind}sha256 {str(entry.get('sha256'))[:16]}…"))
    tools = provenance.get("tools")
    if isinstance(tools, dict):
        rows.append(("tools", ", ".join(f"{name} {version}" for name, version in sorted(tools.items()))))
    for label, value in rows:
        table.add_row(f"[bold]{label}[/]", value)
    out.print(table)
    if "held_out" in manifest.measured or "build" in manifest.measured:
        try:
            lines = [*held_out_sentences(manifest.document), *build_sentences(manifest.document)]
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(
                f"{file}: manifest.json: measured.held_out is not what edgepose writes", "convert again"
            ) from error
        out.print()
        for line in lines:
            out.print(line, soft_wrap=True)
    if "edgetpu" in manifest.measured:
        try:
            lines = edgetpu_sentences(manifest.document)
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(
                f"{file}: manifest.json: measured.edgetpu is not what edgepose writes", "convert again"
            ) from error
        out.print()
        for line in lines:
            out.print(line, soft_wrap=True, markup=False)
    gates = manifest.measured.get("gates")
    if isinstance(gates, dict) and gates:
        out.print()
        out.print(_gates(gates))


def _inspect_for_edgetpu(file: Path, require_full_mapping: bool, as_json: bool) -> None:
    from edgepose.conversion.edgetpu.compatibility import report_compatibility
    from edgepose.conversion.edgetpu.finish import require_mappable
    from edgepose.conversion.edgetpu.tflite_file import begins_as_tflite, read_tflite_path
    from edgepose.runtime.bundle import Bundle
    from edgepose.runtime.errors import GateError

    # TFLite files with metadata are archives, too.
    if file.is_file() and zipfile.is_zipfile(file) and not begins_as_tflite(file):
        data = Bundle.open(file).cpu_engine_bytes()
    else:
        data = read_tflite_path(file)
    report = report_compatibility(data, str(file))
    if as_json:
        print_json(report.to_dict())
    else:
        _print_report(report)
    if report.problems:
        raise GateError(f"the compilation is predicted to fail: {'; '.join(report.problems)}")
    if require_full_mapping:
        require_mappable(report)


def _print_report(report: CompatibilityReport) -> None:
    out.print(operator_table(report))
    out.print()
    for caution in report.cautions:
        out.print(f"[bold yellow]Caution:[/] {escape(caution)}", soft_wrap=True)
    mark = "[bold green]whole[/]" if report.whole else "[bold red]not whole[/]"
    out.print(f"Predicted: {mark}, {report.mapped} of {len(report.operators)} operators map", soft_wrap=True)
    out.print(f"Predicted: {memory_words(report.memory.to_dict())}", soft_wrap=True, markup=False)
    out.print(f"It needs Edge TPU runtime {report.runtime} or newer", soft_wrap=True)


def _tensor(spec: Any) -> str:
    sides = " x ".join(str(side) for side in spec.shape)
    return f"{spec.name}, {sides} {spec.layout}, {spec.dtype}"


def _gates(gates: dict[str, Any]) -> Any:
    numbers = ("largest difference", "allowed", "crops")
    table = new_table("gate, measured at conversion", *numbers, right=numbers)
    in_order = [name for name in GATE_ORDER if name in gates]
    for name in [*in_order, *sorted(set(gates) - set(in_order))]:
        gate = gates[name]
        table.add_row(
            name.replace("_", " "), f"{gate['max_abs']:.1e}", f"{gate['tolerance']:.0e}", str(gate["samples"])
        )
    return table
