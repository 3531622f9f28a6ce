"""What a conversion is to do: a request whose every word is checked before any work starts."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from edgepose.conversion.calibrators import CALIBRATORS
from edgepose.conversion.edgetpu.compiler import check_time_limit, find_compiler
from edgepose.conversion.edgetpu.options import EdgeTpuOptions
from edgepose.evaluation.gate import Limits
from edgepose.network.variants import Variant, get_variant
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.errors import BundleError, UsageError, did_you_mean
from edgepose.targets import Target, all_targets, get_target

# What --precision auto tries under a bound on drift: the fastest first, and of equally fast ones the smallest.
FASTEST_FIRST = ("int8", "fp16", "fp32")
NO_LIMITS = Limits()
NO_OPTIONS = EdgeTpuOptions()
# The engines that are written in each precision.
ENGINE_PRECISIONS = {
    "tflite": ("fp32", "fp16", "int8"),
    "onnx": ("fp32",),
    "edgetpu": ("int8",),
    "tensorrt": FASTEST_FIRST,
}


@dataclass(frozen=True)
class ConversionRequest:
    """What to convert, for which device.

    ``checkpoint`` is a path, ``official``, ``demo``, or None: official where they can be had, else demo.
    ``calibration`` names a calibration set. ``limits`` bound
    the drift on the part of it that is held out.
    ``calibrator`` chooses the ranges of int8: one of :data:`CALIBRATORS`. ``edgetpu`` is for the compiler of Coral's.
    """

    variant: str
    target: str
    precision: str = "auto"
    checkpoint: str | None = None
    onnx: Path | None = None
    calibration: str | None = None
    engine: str | None = None
    output: Path | None = None
    limits: Limits = NO_LIMITS
    calibrator: str = CALIBRATORS[0]
    edgetpu: EdgeTpuOptions = NO_OPTIONS


@dataclass(frozen=True)
class ConversionPlan:
    """A checked request. ``precisions`` are tried in turn; ``passed_over`` says why others are not, by name.

    ``compiler``: the Edge TPU compiler, for engines that need it, where it is here.
    """

    variant: Variant
    target: Target
    precisions: tuple[str, ...]
    passed_over: dict[str, str]
    engine: str
    output: Path | None
    compiler: Path | None

    def name(self, precision: str) -> str:
        """The bundle's name: variant, target, precision, and the engine where it is not the target's first."""
        parts = [self.variant.name.lower().replace("_", "-"), self.target.name, precision]
        return "-".join(parts if self.engine == self.target.engines[0] else [*parts, self.engine])

    def path(self, precision: str) -> Path:
        """Where the bundle goes."""
        return Path(f"{self.name(precision)}.edgepose") if self.output is None else self.output


def plan_conversion(request: ConversionRequest) -> ConversionPlan:
    """Check ``request``. Raises :class:`UsageError` for anything that cannot be, with what can."""
    variant = get_variant(request.variant)
    target = get_target(request.target)
    requested = target.resolve_precision(request.precision)
    engine = target.resolve_engine(request.engine)
    if not target.ready:
        ready = [target.name for target in all_targets().values() if target.ready]
        raise UsageError(
            f"this version does not convert for {target.name} yet: its {engine} engine is still to come",
            f"it converts for {', '.join(ready)}",
        )
    if request.onnx is not None and request.checkpoint is not None:
        raise UsageError("--onnx and --checkpoint name two sources for one network", "give one of them")
    passed_over: dict[str, str] = {}
    compiler = None
    if request.precision == "auto" and request.limits.any:
        for precision in FASTEST_FIRST:
            if not target.precisions[precision].supported:
                passed_over[precision] = target.precisions[precision].reason
            elif precision not in ENGINE_PRECISIONS[engine]:
                passed_over[precision] = f"the {engine} engine is not written in it"
        precisions = tuple(precision for precision in FASTEST_FIRST if precision not in passed_over)
        if not set(precisions) - {"fp32"}:
            # Nothing is left that a bound could choose among; fp32 has a gate of its own.
            told = "; ".join(f"{precision}: {reason}" for precision, reason in passed_over.items())
            raise UsageError(
                f"a bound on drift leaves no choice of precision for {target.name} with the {engine} engine: {told}",
                "leave the bound out" if len(target.engines) == 1 else "leave it out, or take another --engine",
            )
    else:
        precisions = (requested,)
    if precisions[0] not in ENGINE_PRECISIONS[engine]:
        raise UsageError(
            f"the {engine} engine is written in {' and '.join(ENGINE_PRECISIONS[engine])} alone, not {precisions[0]}",
            "use --engine tflite",
        )
    if precisions == ("fp32",) and (request.calibration is not None or request.limits.any):
        option = "--calibration" if request.calibration is not None else "a bound on drift"
        raise UsageError(
            f"{option} serves int8 and fp16, and this conversion is fp32",
            "leave it out, or let --precision auto choose under --max-drift or --min-agreement",
        )
    if request.calibrator not in CALIBRATORS:
        raise UsageError(
            f"unknown calibrator '{request.calibrator}'{did_you_mean(request.calibrator, CALIBRATORS)}",
            f"choose one of {', '.join(CALIBRATORS)}",
        )
    if engine == "edgetpu":
        check_time_limit(request.edgetpu.time_limit_s)
        compiler = find_compiler(request.edgetpu.compiler)
    elif request.edgetpu.given:
        raise UsageError(
            f"{target.name} has no Edge TPU, and its options cannot be",
            "leave out --edgetpu-compiler, --require-full-mapping and --time-limit",
        )
    plan = ConversionPlan(variant, target, precisions, passed_over, engine, request.output, compiler)
    for precision in precisions:
        check_output(plan.path(precision))
    return plan


def check_output(path: Path) -> None:
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
