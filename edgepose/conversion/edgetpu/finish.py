"""Compiles the int8 engine of a bundle for the Edge TPU, and seals the bundle again."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgepose.conversion.bundle_writer import seal
from edgepose.conversion.edgetpu.compatibility import CompatibilityReport, report_compatibility
from edgepose.conversion.edgetpu.compiler import HOW_TO_INSTALL, check_time_limit, find_compiler, run_compiler
from edgepose.conversion.edgetpu.judge import Compilation, judge, require_whole
from edgepose.conversion.edgetpu.options import EdgeTpuOptions
from edgepose.conversion.edgetpu.tflite_file import Tensor
from edgepose.conversion.plan import check_output
from edgepose.runtime.atomic import write_bytes
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.errors import GateError, UsageError

COMPILED_MEMBER = "engine_edgetpu.tflite"
FORMAT = "edgetpu"


@dataclass(frozen=True)
class FinishResult:
    """The finished bundle: where it is, its manifest document, the prediction and what the compiler made."""

    path: Path
    manifest: dict[str, Any]
    predicted: CompatibilityReport
    compilation: Compilation


def require_mappable(report: CompatibilityReport) -> None:
    """Raise :class:`GateError` with the blocking rows where the whole engine is not predicted to map."""
    if report.whole:
        return
    rows = map(str, report.rows(blocking=True))
    raise GateError(
        f"the Edge TPU is predicted not to take the whole engine: {'; '.join([*report.problems, *rows])}",
        "let the rest run on the CPU with --no-require-full-mapping, or use a Lite variant",
    )


def compile_engine(
    engine: bytes, compiler: Path, options: EdgeTpuOptions, variant: str, step: Callable[[str], None] = lambda _: None
) -> Compilation:
    """Compile the int8 ``engine`` of ``variant``.

    Raises :class:`ConversionError` where the compiler makes nothing of it, :class:`GateError` where it leaves
    operators to the CPU that ``options`` do not allow it.
    """
    compilation = judge(run_compiler(engine, compiler, options.time_limit_s, step), engine)
    if options.requires_full_mapping(variant):
        require_whole(compilation)
    return compilation


def with_compiled_engine(document: dict[str, Any], engine: bytes, compilation: Compilation) -> dict[str, Any]:
    """A manifest ``document`` (without ``members``) that names the compiled engine, and ``engine`` as its CPU twin."""
    document = copy.deepcopy(document)
    spec = document["engine"]
    spec["cpu_member"] = spec.get("cpu_member", spec["member"])
    spec["member"] = COMPILED_MEMBER
    for role, tensor in (("input", compilation.input), ("output", compilation.output)):
        spec[role] = _named(spec[role], tensor)
    provenance = document["provenance"]
    provenance["cpu_engine"] = provenance.get("cpu_engine", provenance.get("engine", {}))
    provenance["engine"] = {
        "sha256": hashlib.sha256(compilation.engine).hexdigest(),
        "compiled_from": hashlib.sha256(engine).hexdigest(),
    }
    provenance.setdefault("tools", {})["edgetpu_compiler"] = compilation.log.version or "unknown"
    measured = document["measured"]
    measured["engine_bytes"] = len(compilation.engine)
    measured.setdefault("edgetpu", {})["compiled"] = compilation.to_record()
    return document


def finish(
    path: Path, output: Path | None, options: EdgeTpuOptions, step: Callable[[str], None] = lambda _: None
) -> FinishResult:
    """Compile the engine of the bundle at ``path`` and write the bundle anew, to ``output`` or in its place.

    Everything else in it stays as it is. Raises :class:`UsageError` where the bundle is of another kind or there is
    no compiler, and what :func:`compile_engine` raises; the file is then what it was before.
    """
    check_time_limit(options.time_limit_s)
    if output is not None:
        check_output(output)
    bundle = Bundle.open(path)
    manifest = bundle.manifest
    if manifest.engine.format != FORMAT:
        raise UsageError(
            f"{path} holds a {manifest.engine.format} engine, which is not one for the Edge TPU",
            "convert with --target coral-usb, coral-m2, coral-dev-board or coral-dev-board-mini",
        )
    compiler = find_compiler(options.compiler)
    if compiler is None:
        raise UsageError(
            "there is no edgetpu_compiler on the search path", f"name it with --edgetpu-compiler; {HOW_TO_INSTALL}"
        )
    engine = bundle.cpu_engine_bytes()
    predicted = report_compatibility(engine)
    compilation = compile_engine(engine, compiler, options, manifest.variant, step)
    document = with_compiled_engine(manifest.document, engine, compilation)
    contents = {name: bundle.read(name) for name in document.pop("members")}
    contents[COMPILED_MEMBER] = compilation.engine
    target = path if output is None else output
    write_bytes(target, seal(document, contents))
    return FinishResult(target, Bundle.open(target).manifest.document, predicted, compilation)


def _named(spec: dict[str, Any], tensor: Tensor) -> dict[str, Any]:
    return {**spec, "name": tensor.name or spec["name"]}
