"""The conversion pipeline: checkpoint -> ONNX -> simplified ONNX -> engine -> bundle, each stage cached and gated."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgepose.checkpoints import checkpoint_digest, resolve_checkpoint
from edgepose.conversion.bundle_writer import bundle_bytes
from edgepose.conversion.cache import StageCache, StageResult, cache_folder, stage_key, tool_versions
from edgepose.conversion.manifest_writer import manifest_document
from edgepose.conversion.probe_writer import gate_images, probe_members
from edgepose.conversion.progress import Progress, StageReport
from edgepose.network.variants import Variant, get_variant
from edgepose.runtime.atomic import atomic_path
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.errors import BundleError, ConversionError, GateError, UsageError
from edgepose.runtime.probe import check_probe
from edgepose.targets import Target, get_target

if TYPE_CHECKING:
    from edgepose.network import EfficientPose

# What draws, prepares and judges the images of every gate.
GATE_TOOLS = ("numpy", "onnx", "onnxruntime", "opencv-python-headless")
EXPORT_TOOLS = (*GATE_TOOLS, "torch", "h5py", "safetensors", "onnxsim")
SIMPLIFY_TOOLS = EXPORT_TOOLS
LOWER_TOOLS = (*GATE_TOOLS, "ai-edge-litert", "flatbuffers")


@dataclass(frozen=True)
class ConversionRequest:
    """What to convert, for which device. ``checkpoint`` is a path, ``official`` or None (official)."""

    variant: str
    target: str
    precision: str = "auto"
    checkpoint: str | None = None
    onnx: Path | None = None
    calibration: str | None = None
    engine: str | None = None
    output: Path | None = None


@dataclass(frozen=True)
class ConversionResult:
    """The written bundle: its path, size in bytes, manifest document, and the stages that led to it."""

    path: Path
    bytes: int
    manifest: dict[str, Any]
    stages: tuple[StageReport, ...]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The result as ``--json`` prints it."""
        summary = {key: value for key, value in self.manifest.items() if key != "members"}
        return {
            "bundle": str(self.path),
            "bytes": self.bytes,
            "manifest": summary,
            "stages": [vars(stage) for stage in self.stages],
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True)
class ConversionPlan:
    """A request whose every word has been checked, before any work starts."""

    variant: Variant
    target: Target
    precision: str
    engine: str
    output: Path

    @property
    def name(self) -> str:
        """The bundle's name: variant, target, precision, and the engine where it is not the target's first."""
        parts = [self.variant.name.lower().replace("_", "-"), self.target.name, self.precision]
        return "-".join(parts if self.engine == self.target.engines[0] else [*parts, self.engine])


def plan_conversion(request: ConversionRequest) -> ConversionPlan:
    """Check ``request``. Raises :class:`UsageError` for anything that cannot be, with what can."""
    variant = get_variant(request.variant)
    target = get_target(request.target)
    precision = target.resolve_precision(request.precision)
    engine = target.resolve_engine(request.engine)
    if not target.ready:
        ready = _ready_targets()
        raise UsageError(
            f"this version does not convert for {target.name} yet: its {engine} engine is still to come",
            f"it converts for {', '.join(ready)}",
        )
    if precision == "int8":
        raise UsageError(
            "this version does not quantise to int8 yet",
            "choose --precision fp32 or fp16; nothing was downgraded",
        )
    if request.calibration is not None:
        raise UsageError(f"--calibration serves int8 alone, and this conversion is {precision}", "leave it out")
    if request.onnx is not None and request.checkpoint is not None:
        raise UsageError("--onnx and --checkpoint name two sources for one network", "give one of them")
    if engine == "onnx" and precision != "fp32":
        raise UsageError(f"the onnx engine is written in fp32 alone, not {precision}", "use --engine tflite")
    plan = ConversionPlan(variant, target, precision, engine, Path())
    output = request.output if request.output is not None else Path(f"{plan.name}.edgepose")
    _check_output(output)
    return ConversionPlan(variant, target, precision, engine, output)


def convert(request: ConversionRequest, progress: Progress) -> ConversionResult:
    """Convert as ``request`` says and write one bundle.

    Raises :class:`UsageError` for a request that cannot be, :class:`CheckpointError` for unusable weights,
    :class:`ConversionError` where a stage cannot do its work, :class:`GateError` where a measured check does not
    hold. On any error, Ctrl-C included, the output file is what it was before; finished stages stay cached.
    """
    return _Conversion(request, plan_conversion(request), progress).run()


class _Conversion:
    """One run of the pipeline. The network is read only where a stage that needs it is not cached."""

    def __init__(self, request: ConversionRequest, plan: ConversionPlan, progress: Progress):
        self.request = request
        self.plan = plan
        self.progress = progress
        self.cache = StageCache(cache_folder())
        self.reports: list[StageReport] = []
        self.warnings: list[str] = []
        self.torch_heatmaps: np.ndarray | None = None  # of the export's gate, where the export was not cached

    def run(self) -> ConversionResult:
        self.source = source = self._find_source()
        exported = self._stage(
            "export",
            {"source": source, "variant": self.plan.variant.name},
            EXPORT_TOOLS,
            self._import_onnx if self.request.onnx is not None else self._export,
        )
        self._warn_of(exported)
        simplified = self._stage(
            "simplify",
            {"onnx": _sha256(exported.payload), "source": source, "variant": self.plan.variant.name},
            SIMPLIFY_TOOLS,
            lambda: self._simplify(exported),
        )
        self._warn_of(simplified)
        engine = self._stage(
            "lower",
            {
                "onnx": _sha256(simplified.payload),
                "engine": self.plan.engine,
                "precision": self.plan.precision,
                "upsampling": exported.record["upsampling"],
                "variant": self.plan.variant.name,
            },
            LOWER_TOOLS,
            lambda: self._lower(simplified, exported.record["upsampling"]),
        )
        return self._write(source, exported, simplified, engine)

    @cached_property
    def checkpoint_path(self) -> Path:
        return resolve_checkpoint(self.request.checkpoint, self.plan.variant.name)

    @cached_property
    def network(self) -> EfficientPose:
        from edgepose.checkpoints import build_network, load_checkpoint

        self.checkpoint = load_checkpoint(self.checkpoint_path, self.plan.variant.name)
        self._require_unchanged(self.checkpoint.sha256)
        return build_network(self.plan.variant.name, self.checkpoint)

    @cached_property
    def images(self) -> np.ndarray:
        return gate_images(self.plan.variant)

    def _find_source(self) -> dict[str, str]:
        """What the network comes from: the kind and digest of a checkpoint or ONNX file."""
        self.progress.begin("weights")
        started = time.perf_counter()
        if self.request.onnx is not None:
            from edgepose.conversion.bring_your_own_onnx import read_bounded

            source = {"kind": "onnx", "sha256": _sha256(read_bounded(self.request.onnx))}
            note = str(self.request.onnx)
        else:
            source = {"kind": "checkpoint", "sha256": checkpoint_digest(self.checkpoint_path)}
            note = str(self.checkpoint_path)
        self._finish("weights", note, started, cached=False)
        return source

    def _require_unchanged(self, sha256: str) -> None:
        """The file is read twice: what is converted must be what the stages are cached under."""
        if sha256 != self.source["sha256"]:
            raise ConversionError("the weights changed while they were being converted", "run the conversion again")

    def _export(self) -> StageResult:
        from edgepose.conversion.export_torch_to_onnx import export_torch_to_onnx
        from edgepose.conversion.gates import gate_torch_to_onnx, run_torch
        from edgepose.conversion.upsampling_head import network_upsampling_head

        head = network_upsampling_head(self.network)
        keep_head = head.present and not head.constant
        onnx = export_torch_to_onnx(self.network, self.plan.variant.resolution, keep_head=keep_head)
        self.torch_heatmaps = run_torch(self.network, self.images, keep_head)
        gate = gate_torch_to_onnx(self.network, onnx, self.images, keep_head, self.torch_heatmaps)
        record = {
            "origin": self.checkpoint.source,
            "upsampling": 1 if keep_head else head.factor,
            "warnings": [f"the upsampling head stays in the engine: {head.reason}"] if keep_head else [],
            "gate": gate.as_dict(),
            "note": f"differs from torch by at most {gate.max_abs:.1e}",
        }
        return StageResult(onnx, record)

    def _import_onnx(self) -> StageResult:
        from edgepose.conversion.bring_your_own_onnx import load_bring_your_own_onnx

        assert self.request.onnx is not None
        own = load_bring_your_own_onnx(self.request.onnx, self.plan.variant.name)
        self._require_unchanged(own.sha256)
        keep_head = own.head.present and not own.head.constant
        record = {
            "origin": "onnx-file",
            "simplified": own.simplified,
            "upsampling": 1 if keep_head else own.head.factor,
            "warnings": list(own.notes),
            "note": "read and checked",
        }
        return StageResult(own.onnx, record)

    def _simplify(self, exported: StageResult) -> StageResult:
        from edgepose.conversion.complexity import count_macs
        from edgepose.conversion.gates import gate_onnx_to_onnx, gate_torch_to_onnx
        from edgepose.conversion.optimise_onnx import optimise_onnx
        from edgepose.conversion.simplify import simplify_onnx

        simplified = simplify_onnx(exported.payload)
        optimised = optimise_onnx(simplified.onnx)
        if self.request.onnx is not None:
            gate = gate_onnx_to_onnx(exported.payload, optimised.onnx, self.images, "onnx_to_simplified_onnx")
        else:
            keep_head = exported.record["upsampling"] == 1
            gate = gate_torch_to_onnx(self.network, optimised.onnx, self.images, keep_head, self.torch_heatmaps)
        record = {
            "macs": count_macs(optimised.onnx),
            "rewrites": optimised.rewrites,
            "simplified": simplified.simplified,
            "warnings": [simplified.warning] if simplified.warning else [],
            "gate": gate.as_dict(),
            "note": f"differs from the source by at most {gate.max_abs:.1e}",
        }
        return StageResult(optimised.onnx, record)

    def _lower(self, simplified: StageResult, upsampling: int) -> StageResult:
        from edgepose.conversion.gates import gate_onnx_to_tflite
        from edgepose.conversion.lower_onnx_to_tflite import lower_onnx_to_tflite
        from edgepose.conversion.optimise_onnx import optimise_for_xnnpack

        if self.plan.engine == "onnx":
            return StageResult(simplified.payload, {"operators": {}, "note": "ONNX Runtime runs the ONNX itself"})
        weights = {"fp32": "float32", "fp16": "float16"}[self.plan.precision]
        model = lower_onnx_to_tflite(optimise_for_xnnpack(simplified.payload).onnx, weights=weights)
        gate = gate_onnx_to_tflite(
            simplified.payload, model.data, self.images, precision=self.plan.precision, upsampling=upsampling
        )
        record = {
            "operators": model.operators,
            "gate": gate.as_dict(),
            "note": f"{sum(model.operators.values())} operators, "
            f"differs from ONNX Runtime by at most {gate.max_abs:.1e}",
        }
        return StageResult(model.data, record)

    def _write(
        self, source: dict[str, str], exported: StageResult, simplified: StageResult, engine: StageResult
    ) -> ConversionResult:
        self.progress.begin("bundle")
        started = time.perf_counter()
        plan = self.plan
        provenance = {
            "source": {"kind": exported.record["origin"], "sha256": source["sha256"]},
            "onnx": {"sha256": _sha256(exported.payload)},
            "simplified_onnx": {
                "sha256": _sha256(simplified.payload),
                "simplified": simplified.record["simplified"],
                "rewrites": simplified.record["rewrites"],
            },
            "engine": {"sha256": _sha256(engine.payload), "operators": engine.record["operators"]},
            "tools": tool_versions(tuple(sorted({*EXPORT_TOOLS, *LOWER_TOOLS}))),
        }
        measured = {
            "gates": {
                name: stage.record["gate"]
                for name, stage in (
                    ("source_to_onnx", exported),
                    ("source_to_simplified_onnx", simplified),
                    ("simplified_onnx_to_engine", engine),
                )
                if "gate" in stage.record
            },
            "engine_bytes": len(engine.payload),
        }
        document = manifest_document(
            name=plan.name,
            variant=plan.variant,
            target=plan.target.name,
            precision=plan.precision,
            engine_format=plan.engine,
            upsampling=exported.record["upsampling"],
            macs=simplified.record["macs"],
            provenance=provenance,
            measured=measured,
        )
        members = {document["engine"]["member"]: engine.payload}
        members |= probe_members(plan.variant, simplified.payload, exported.record["upsampling"])
        data = bundle_bytes(document, members)
        with atomic_path(plan.output) as temporary:
            Path(temporary).write_bytes(data)
            self._gate_bundle(temporary)
        self._finish("bundle", f"{plan.output}, {len(data) / 1e6:.1f} MB", started, cached=False)
        return ConversionResult(plan.output, len(data), document, tuple(self.reports), tuple(self.warnings))

    def _gate_bundle(self, path: str) -> None:
        """The written file must open in the back end it is meant for and find the float model's joints."""
        outcome = check_probe(Bundle.open(path))
        if not outcome.passed:
            raise GateError(
                f"the bundle does not find the joints that the float model finds: {outcome.summary}",
                "nothing was written; please report this with the command you typed",
            )

    def _stage(
        self, name: str, inputs: dict[str, Any], tools: tuple[str, ...], work: Callable[[], StageResult]
    ) -> StageResult:
        self.progress.begin(name)
        started = time.perf_counter()
        key = stage_key(name, inputs, tools)
        result = self.cache.get(name, key)
        cached = result is not None
        if result is None:
            result = work()
            # A simplifier that crashed or was too slow may succeed next time.
            if result.record.get("simplified", True):
                self.cache.put(name, key, result)
        self._finish(name, result.record["note"], started, cached)
        return result

    def _finish(self, name: str, note: str, started: float, cached: bool) -> None:
        report = StageReport(name, note, round(time.perf_counter() - started, 3), cached)
        self.reports.append(report)
        self.progress.end(report)

    def _warn_of(self, stage: StageResult) -> None:
        for message in stage.record["warnings"]:
            self.warnings.append(message)
            self.progress.warn(message)


def _ready_targets() -> list[str]:
    from edgepose.targets import all_targets

    return [target.name for target in all_targets().values() if target.ready]


def _check_output(path: Path) -> None:
    """Refuse before the work starts what could not be written after it, and never replace a foreign file."""
    if path.is_dir():
        raise UsageError(f"--output {path} is a folder", "name a file, such as model.edgepose")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"--output {path}: there is no folder {path.absolute().parent}", "make it first")
    try:
        with tempfile.TemporaryFile(dir=path.absolute().parent):
            pass
    except OSError as error:
        raise UsageError(f"cannot write --output {path}: {error.strerror}", "name a folder you can write to") from error
    if path.exists():
        try:
            Bundle.open(path)
        except BundleError as error:
            raise UsageError(
                f"--output {path} exists and is not an edgepose bundle",
                "name another file, or remove it first",
            ) from error


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
