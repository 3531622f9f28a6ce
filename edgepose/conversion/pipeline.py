"""The conversion pipeline: checkpoint -> ONNX -> simplified ONNX -> engine -> bundle, each stage cached and gated."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgepose.checkpoints import ResolvedCheckpoint, checkpoint_digest, resolve_checkpoint
from edgepose.conversion.bundle_writer import bundle_bytes
from edgepose.conversion.cache import StageCache, StageResult, cache_folder, stage_key, tool_versions
from edgepose.conversion.manifest_writer import manifest_document
from edgepose.conversion.plan import ConversionPlan, ConversionRequest, plan_conversion
from edgepose.conversion.probe_writer import gate_images, probe_members
from edgepose.conversion.progress import Progress, StageReport
from edgepose.runtime.atomic import atomic_path
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.errors import ConversionError, GateError
from edgepose.runtime.probe import check_probe

if TYPE_CHECKING:
    from edgepose.conversion.edgetpu.mapping import Mapping
    from edgepose.conversion.hold_out import Samples
    from edgepose.conversion.quantisation import Calibration
    from edgepose.network import EfficientPose

# What draws, prepares and judges the images of every gate.
GATE_TOOLS = ("numpy", "onnx", "onnxruntime", "opencv-python-headless")
EXPORT_TOOLS = (*GATE_TOOLS, "torch", "h5py", "safetensors", "onnxsim")
SIMPLIFY_TOOLS = EXPORT_TOOLS
CALIBRATE_TOOLS = (*GATE_TOOLS, "torch")
LOWER_TOOLS = (*GATE_TOOLS, "ai-edge-litert", "flatbuffers")
EDGETPU = "edgetpu"
TENSORRT = "tensorrt"
# Where no calibration set is named.
DEMO_CALIBRATION = "demo"
# Shares of the multiply-adds that may go to float where int8 alone drifts too far, tried in this order.
FLOAT_SHARES = (0.025, 0.05, 0.075, 0.1)
# What symmetric integers, of half as many levels an activation, leave in float in any case.
SYMMETRIC_FLOAT_SHARE = 0.05


@dataclass(frozen=True)
class ConversionResult:
    """The written bundle: its path, size in bytes, manifest document, and the stages that led to it.

    ``rejected``: the precisions that were passed over for it, and why.
    """

    path: Path
    bytes: int
    manifest: dict[str, Any]
    stages: tuple[StageReport, ...]
    warnings: tuple[str, ...]
    rejected: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """The result as ``--json`` prints it."""
        summary = {key: value for key, value in self.manifest.items() if key != "members"}
        return {
            "bundle": str(self.path),
            "bytes": self.bytes,
            "manifest": summary,
            "stages": [vars(stage) for stage in self.stages],
            "warnings": list(self.warnings),
            "rejected": self.rejected,
        }


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
        self.measured: dict[str, Any] = {}
        self.torch_heatmaps: np.ndarray | None = None  # of the export's gate, where the export was not cached

    def run(self) -> ConversionResult:
        if self.plan.precisions != ("fp32",):  # a set that does not serve is refused before any work
            self._open_samples()
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
        self.macs: int = simplified.record["macs"]
        self.upsampling: int = exported.record["upsampling"]
        rejected = dict(self.plan.passed_over)
        for precision in self.plan.precisions:
            engine, reason = self._engine(precision, simplified)
            if reason is None:
                mapping = self._map(engine) if self.plan.engine == EDGETPU else None
                return self._write(precision, source, exported, simplified, engine, rejected, mapping)
            rejected[precision] = reason
        # What the device lacks, it lacks under every bound: only what was measured can be mended.
        told = "; ".join(f"{precision}: {rejected[precision]}" for precision in self.plan.precisions)
        raise GateError(f"what was tried for {self.plan.target.name} does not pass: {told}", self._how_to_pass())

    def _engine(self, precision: str, simplified: StageResult) -> tuple[StageResult, str | None]:
        """The engine at ``precision``, and why it may not be used; None where it may."""
        if precision == "fp32":
            return self._lowered(simplified, simplified, {"precision": precision}), None
        if precision == "fp16":
            engine = self._lowered(simplified, simplified, {"precision": precision})
            return engine, self._measure(precision, simplified, engine)
        if self.upsampling == 1:
            return simplified, "the upsampling head was trained and stays in the engine, which int8 engines do not hold"
        calibrated = self._stage(
            "calibrate",
            {
                "onnx": _sha256(simplified.payload),
                "samples": self.samples.source.digest,
                "calibrator": self.request.calibrator,
                "symmetric": self._symmetric,
                "variant": self.plan.variant.name,
            },
            CALIBRATE_TOOLS,
            lambda: self._calibrate(simplified),
        )
        least = SYMMETRIC_FLOAT_SHARE if self._symmetric else 0.0
        # Only a bound that the user gave is worth giving up more integers for, and an Edge TPU has nothing else.
        mixed = self.request.limits.any and self.plan.engine != EDGETPU
        for share in (least, *(share for share in FLOAT_SHARES if mixed and share > least)):
            inputs = {"precision": precision, "float_share": share, "calibrated": _digest(calibrated)}
            engine = self._lowered(simplified, calibrated, inputs)
            reason = self._measure(precision, simplified, engine)
            if reason is None:
                break
        return engine, reason

    @property
    def _symmetric(self) -> bool:
        return self.plan.engine == TENSORRT

    def _lowered(self, simplified: StageResult, prepared: StageResult, inputs: dict[str, Any]) -> StageResult:
        """The engine made of ``prepared``: ``simplified`` itself, or what the calibration made of it."""
        key = {
            "onnx": _sha256(simplified.payload),
            "engine": self.plan.engine,
            "upsampling": self.upsampling,
            "variant": self.plan.variant.name,
            **({"target": self.plan.target.name} if self.plan.target.tensorrt else {}),
            **inputs,
        }
        return self._stage("lower", key, LOWER_TOOLS, lambda: self._lower(simplified, prepared, inputs))

    def _map(self, engine: StageResult) -> Mapping:
        """What the Edge TPU makes of the engine: predicted, and compiled where the compiler is here."""
        from edgepose.conversion.edgetpu.mapping import map_engine

        self.progress.begin("map")
        started = time.perf_counter()
        mapping = map_engine(
            engine.payload, self.plan.compiler, self.request.edgetpu, self.plan.variant, self.progress.detail
        )
        for message in mapping.warnings:
            self.warnings.append(message)
            self.progress.warn(message)
        self._finish("map", mapping.note, started, cached=False)
        return mapping

    def _measure(self, precision: str, simplified: StageResult, engine: StageResult) -> str | None:
        """Measure the drift of ``engine`` on the crops held out; why it does not pass, or None where it does."""
        from edgepose.conversion.hold_out import gate_hold_out, measure_hold_out
        from edgepose.conversion.probe_writer import reference_bundle

        self.progress.begin("measure")
        started = time.perf_counter()
        candidate = self._candidate(precision, simplified, engine)
        reference = reference_bundle(self.plan.variant, simplified.payload, self.upsampling)
        drift = measure_hold_out(candidate, reference, self.samples, simulate=self._symmetric)
        gate = gate_hold_out(drift, precision, self.request.limits)
        self.measured = {"drift": drift.to_dict(), "gate": gate.to_dict(), "crops": len(self.samples.held_out)}
        if self.plan.engine in (EDGETPU, TENSORRT):
            self.measured["kind"] = "host-simulated"
        note = f"{precision}: {drift.within01.total:.1f} % of the joints within 0.1 head of the float model's"
        self._finish("measure", note, started, cached=False)
        if gate.held:
            return None
        left = engine.record.get("float_layers")
        mixed = f", even with {1 - engine.record['integer_macs']:.0%} of the multiply-adds in float" if left else ""
        return f"{gate}{mixed} ({len(self.samples.held_out)} crops held out of {self.samples.source.name!r})"

    def _candidate(self, precision: str, simplified: StageResult, engine: StageResult) -> Bundle:
        """The engine at ``precision`` as a bundle that runs here; what a board rounds to 16 bits is simulated."""
        from edgepose.conversion.probe_writer import bundle_in_memory

        payload = engine.payload
        if self.plan.engine == TENSORRT and precision == "fp16":
            from edgepose.conversion.lower_onnx_to_tensorrt import simulate_half

            payload = simulate_half(simplified.payload)
        return bundle_in_memory(self._document(precision, engine, {}, {}), payload)

    def _how_to_pass(self) -> str:
        if self.request.limits.any:
            return "allow more, use a larger or better fitting --calibration set, or a Lite variant"
        if self.plan.engine == EDGETPU:
            return "give --calibration a set of photographs like those the device will see, or use a Lite variant"
        return (
            "give --calibration a set of photographs like those the device will see ('edgepose calibrate'), "
            "let layers go to float with --min-agreement, or use fp16"
        )

    @cached_property
    def resolved(self) -> ResolvedCheckpoint:
        return resolve_checkpoint(self.request.checkpoint, self.plan.variant.name)

    @cached_property
    def network(self) -> EfficientPose:
        from edgepose.checkpoints import build_network, load_checkpoint

        self.checkpoint = load_checkpoint(self.resolved.path, self.plan.variant.name)
        self._require_unchanged(self.checkpoint.sha256)
        return build_network(self.plan.variant.name, self.checkpoint)

    @cached_property
    def images(self) -> np.ndarray:
        return gate_images(self.plan.variant)

    @cached_property
    def samples(self) -> Samples:
        from edgepose.conversion.hold_out import read_samples

        name = self.request.calibration
        samples = read_samples(DEMO_CALIBRATION if name is None else name)
        warnings = list(samples.warnings)
        if name is None and "int8" in self.plan.precisions:
            warnings.append(
                "int8 ranges come from the rendered figures that ship with edgepose: for photographs, name a set of "
                "photographs with --calibration ('edgepose calibrate' makes one)"
            )
        for message in warnings:
            self._warn(message)
        return samples

    def _open_samples(self) -> None:
        self.progress.begin("samples")
        started = time.perf_counter()
        samples = self.samples
        self.request.limits.require_possible(samples.dataset)
        note = f"{len(samples.source)} crops of {samples.source.name}, {len(samples.held_out)} of them held out"
        self._finish("samples", note, started, cached=False)

    def _find_source(self) -> dict[str, str]:
        """What the network comes from: the kind and digest of a checkpoint or ONNX file."""
        self.progress.begin("weights")
        started = time.perf_counter()
        if self.request.onnx is not None:
            from edgepose.conversion.bring_your_own_onnx import read_bounded

            source = {"kind": "onnx", "sha256": _sha256(read_bounded(self.request.onnx))}
            note = str(self.request.onnx)
        else:
            path = self.resolved.path
            source = {"kind": "checkpoint", "sha256": checkpoint_digest(path)}
            note = str(path)
            if self.resolved.notice is not None:
                self._warn(self.resolved.notice)
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

    def _calibrate(self, simplified: StageResult) -> StageResult:
        from edgepose.conversion.hold_out import network_inputs
        from edgepose.conversion.quantisation import calibrate

        images = network_inputs(self.plan.variant, self.samples.calibration)
        calibration = calibrate(
            simplified.payload,
            images,
            symmetric=self._symmetric,
            calibrator=self.request.calibrator,
            step=self.progress.detail,
        )
        record = {
            "ranges": calibration.ranges,
            "noise": calibration.noise,
            "made": calibration.record,
            "symmetric": self._symmetric,
            "note": f"{len(images)} crops of {self.samples.source.name}, "
            + (
                f"{calibration.record['smoothed_inputs']} inputs smoothed"
                if self._symmetric
                else f"{len(calibration.record['grouped_blocks'])} blocks in two channel groups"
            ),
        }
        return StageResult(calibration.graph.to_bytes(), record)

    def _lower(self, simplified: StageResult, prepared: StageResult, inputs: dict[str, Any]) -> StageResult:
        from edgepose.conversion.gates import gate_integer_tflite, gate_onnx_to_tflite
        from edgepose.conversion.lower_onnx_to_tflite import lower_onnx_to_tflite
        from edgepose.conversion.optimise_onnx import optimise_for_xnnpack

        precision = inputs["precision"]
        if self.plan.engine == "onnx":
            return StageResult(simplified.payload, {"operators": {}, "note": "ONNX Runtime runs the ONNX itself"})
        if self.plan.engine == TENSORRT:
            return self._prepare_for_tensorrt(simplified, prepared, inputs)
        record: dict[str, Any] = {}
        if precision == "int8":
            onnx, record, note = _quantised(prepared, inputs["float_share"])
            model = lower_onnx_to_tflite(onnx, repeats_gates=self.plan.engine != EDGETPU)
            gate_integer_tflite(model.data, whole=not record["float_layers"])
        else:
            weights = {"fp32": "float32", "fp16": "float16"}[precision]
            model = lower_onnx_to_tflite(optimise_for_xnnpack(simplified.payload).onnx, weights=weights)
            gate = gate_onnx_to_tflite(
                simplified.payload, model.data, self.images, precision=precision, upsampling=self.upsampling
            )
            record["gate"] = gate.as_dict()
            note = f"differs from ONNX Runtime by at most {gate.max_abs:.1e}"
        record |= {"operators": model.operators, "input": model.input_steps, "output": model.output_steps}
        record["note"] = f"{sum(model.operators.values())} operators, {note}"
        return StageResult(model.data, record)

    def _prepare_for_tensorrt(
        self, simplified: StageResult, prepared: StageResult, inputs: dict[str, Any]
    ) -> StageResult:
        from edgepose.conversion.gates import gate_onnx_to_onnx, gate_onnx_to_tensorrt_half
        from edgepose.conversion.lower_onnx_to_tensorrt import lower_onnx_to_tensorrt

        precision, stack = inputs["precision"], self.plan.target.tensorrt
        assert stack is not None
        record: dict[str, Any] = {}
        if precision == "int8":
            onnx, record, note = _quantised(prepared, inputs["float_share"])
            prepared_onnx = lower_onnx_to_tensorrt(onnx, precision, stack)
            gate = gate_onnx_to_onnx(onnx, prepared_onnx.onnx, self.images, "quantised_onnx_to_engine")
        else:
            prepared_onnx = lower_onnx_to_tensorrt(simplified.payload, precision, stack)
            if precision == "fp16":
                gate = gate_onnx_to_tensorrt_half(simplified.payload, self.images, self.upsampling)
            else:
                gate = gate_onnx_to_onnx(simplified.payload, prepared_onnx.onnx, self.images, "onnx_to_engine")
            note = f"differs from ONNX Runtime by at most {gate.max_abs:.1e}, host-simulated"
        record |= {
            "gate": gate.as_dict(),
            "operators": prepared_onnx.operators,
            "half": prepared_onnx.half,
            "estimate": prepared_onnx.estimate.to_dict(),
            "note": f"{sum(prepared_onnx.operators.values())} operators, {note}; the board builds the engine",
        }
        return StageResult(prepared_onnx.onnx, record)

    def _document(
        self, precision: str, engine: StageResult, provenance: dict[str, Any], measured: dict[str, Any]
    ) -> dict[str, Any]:
        return manifest_document(
            name=self.plan.name(precision),
            variant=self.plan.variant,
            target=self.plan.target.name,
            precision=precision,
            engine_format=self.plan.engine,
            upsampling=self.upsampling,
            macs=self.macs,
            provenance=provenance,
            measured=measured,
            input_steps=engine.record.get("input"),
            output_steps=engine.record.get("output"),
            build=self._build(engine),
        )

    def _build(self, engine: StageResult) -> dict[str, Any] | None:
        if self.plan.engine != TENSORRT:
            return None
        record = engine.record
        return {
            "boards": list(self.plan.target.detect),
            "half": record["half"],
            "memory_mb": record["estimate"]["memory_mb"],
        }

    def _write(
        self,
        precision: str,
        source: dict[str, str],
        exported: StageResult,
        simplified: StageResult,
        engine: StageResult,
        rejected: dict[str, str],
        mapping: Mapping | None,
    ) -> ConversionResult:
        self.progress.begin("bundle")
        started = time.perf_counter()
        plan = self.plan
        provenance = {
            "source": {
                "kind": exported.record["origin"],
                "weights": "file" if self.request.onnx is not None else self.resolved.weights,
                "sha256": source["sha256"],
            },
            "onnx": {"sha256": _sha256(exported.payload)},
            "simplified_onnx": {
                "sha256": _sha256(simplified.payload),
                "simplified": simplified.record["simplified"],
                "rewrites": simplified.record["rewrites"],
            },
            "engine": {"sha256": _sha256(engine.payload), "operators": engine.record["operators"]},
            "tools": tool_versions(tuple(sorted({*EXPORT_TOOLS, *LOWER_TOOLS}))),
        }
        record = engine.record
        if precision != "fp32":
            provenance["calibration_set"] = self.samples.record
        if precision == "int8":
            provenance["quantised_onnx"] = {"sha256": record["quantised_onnx"], **record["calibration"]}
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
        if "estimate" in record:
            measured["build"] = record["estimate"]
        if precision != "fp32":
            measured["held_out"] = self.measured
        if precision == "int8":
            measured |= {name: record[name] for name in ("integer_macs", "float_layers")}
        document = self._document(precision, engine, provenance, measured)
        members = {document["engine"]["member"]: engine.payload}
        if mapping is not None:
            document, compiled = mapping.applied_to(document, engine.payload)
            members |= compiled
        members |= probe_members(plan.variant, simplified.payload, self.upsampling)
        data = bundle_bytes(document, members)
        path = plan.path(precision)
        with atomic_path(path) as temporary:
            Path(temporary).write_bytes(data)
            self._gate_bundle(temporary)
        self._finish("bundle", f"{path}, {len(data) / 1e6:.1f} MB", started, cached=False)
        return ConversionResult(path, len(data), document, tuple(self.reports), tuple(self.warnings), rejected)

    def _gate_bundle(self, path: str) -> None:
        """The written file must open in the back end it is meant for and find the float model's joints."""
        outcome = check_probe(Bundle.open(path), allow_cpu=True, simulate=self._symmetric)
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
            self._warn(message)

    def _warn(self, message: str) -> None:
        self.warnings.append(message)
        self.progress.warn(message)


def _quantised(prepared: StageResult, float_share: float | None) -> tuple[bytes, dict[str, Any], str]:
    """(Q/DQ ONNX, what the stage's record says of it, its note): ``float_share`` of the multiply-adds stay in float."""
    from edgepose.conversion.quantisation import quantise
    from edgepose.conversion.quantisation.mixed_precision import float_layers

    calibration = _restored(prepared)
    left = float_layers(calibration, float_share) if float_share else []
    quantised = quantise(calibration, left)
    record = {
        "calibration": prepared.record["made"],
        "float_layers": left,
        "integer_macs": round(quantised.integer_macs, 4),
        "quantised_onnx": _sha256(quantised.onnx),
    }
    return quantised.onnx, record, f"{quantised.integer_macs:.0%} of the multiply-adds in int8"


def _restored(stage: StageResult) -> Calibration:
    """The calibration that a cached stage holds."""
    from edgepose.conversion.onnx_graph import OnnxGraph
    from edgepose.conversion.quantisation import Calibration
    from edgepose.conversion.quantisation.ranges import Range

    ranges = {name: Range(*bounds) for name, bounds in stage.record["ranges"].items()}
    graph = OnnxGraph.from_bytes(stage.payload, "the calibrated graph")
    return Calibration(graph, stage.record["symmetric"], ranges, stage.record["noise"], stage.record["made"])


def _digest(stage: StageResult) -> str:
    """Of all that a stage made, its record included."""
    return _sha256(stage.payload + json.dumps(stage.record, sort_keys=True).encode())


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
