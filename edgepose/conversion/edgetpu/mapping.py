"""The last stage of a conversion for Coral: the prediction, the compiler's work where it is here, and the record."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgepose.conversion.edgetpu.compatibility import CompatibilityReport, report_compatibility
from edgepose.conversion.edgetpu.finish import COMPILED_MEMBER, compile_engine, require_mappable, with_compiled_engine
from edgepose.conversion.edgetpu.judge import Compilation
from edgepose.conversion.edgetpu.options import EdgeTpuOptions
from edgepose.network.variants import VARIANTS, Variant

# What squeeze-and-excitation and swish are made of; the Lite variants have none of it.
EXTRA_OPERATORS = ("LOGISTIC", "MEAN", "MUL", "QUANTIZE")
# Percent of joints that int8 leaves within 0.1 head of the float model's, and points of PCKh@50 that it loses, on 600
# upright persons (benchmarks/results/quantisation-*.json).
RECORDED = {
    "RT": (86.1, 0.3),
    "I": (87.2, 0.2),
    "II": (88.9, 0.2),
    "RT_LITE": (91.3, 0.4),
    "I_LITE": (92.8, 0.4),
    "II_LITE": (91.3, 0.2),
}


@dataclass(frozen=True)
class Mapping:
    """What the Edge TPU makes of an engine: ``predicted``, and ``compilation`` where the compiler was here."""

    predicted: CompatibilityReport
    compilation: Compilation | None
    warnings: tuple[str, ...]

    @property
    def note(self) -> str:
        """One line for the table of stages."""
        if self.compilation is None:
            return f"{self.predicted.summary}; not compiled: there is no edgetpu_compiler here"
        log = self.compilation.log
        return f"compiled by edgetpu_compiler {log.version}: {log.mapped} of {self.total} operators mapped"

    @property
    def total(self) -> int:
        """How many operators the engine has."""
        return len(self.predicted.operators)

    def applied_to(self, document: dict[str, Any], engine: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
        """A manifest ``document`` with all of this in it, and the members that it adds to those of ``engine``."""
        document = copy.deepcopy(document)
        document["measured"]["edgetpu"] = {"predicted": self.predicted.to_record()}
        if self.compilation is None:
            return document, {}
        return with_compiled_engine(document, engine, self.compilation), {COMPILED_MEMBER: self.compilation.engine}


def map_engine(
    engine: bytes,
    compiler: Path | None,
    options: EdgeTpuOptions,
    variant: Variant,
    step: Callable[[str], None] = lambda _: None,
) -> Mapping:
    """Predict what the Edge TPU makes of the int8 ``engine``, and compile it where there is a ``compiler``.

    Raises :class:`GateError` where operators are left to the CPU that ``options`` do not allow it, and
    :class:`ConversionError` where the compiler makes nothing of it.
    """
    predicted = report_compatibility(engine)
    if options.requires_full_mapping(variant.name):
        require_mappable(predicted)
    compilation = None
    if compiler is not None:
        step("running edgetpu_compiler")
        compilation = compile_engine(engine, compiler, options, variant.name, step)
    return Mapping(predicted, compilation, tuple(_warnings(predicted, compilation, variant)))


def _warnings(predicted: CompatibilityReport, compilation: Compilation | None, variant: Variant) -> list[str]:
    warnings = []
    counts = predicted.counts()
    extra = {name: counts[name] for name in EXTRA_OPERATORS if name in counts}
    if extra:
        words = ", ".join(f"{count} {name}" for name, count in extra.items())
        advised = f"{variant.name}_LITE" if f"{variant.name}_LITE" in VARIANTS else "II_LITE"
        losses = "; ".join(
            f"in int8 {name} keeps {RECORDED[name][0]} % of the joints within 0.1 head of its float model's and loses "
            f"{RECORDED[name][1]} points of PCKh@50"
            for name in (variant.name, advised)
            if name in RECORDED
        )
        warnings.append(
            f"{variant.name} is not made for the Edge TPU: {sum(extra.values())} of its {len(predicted.operators)} "
            f"operators ({words}) are squeeze-and-excitation and swish, which {advised} does without; {losses}"
        )
    if compilation is None:
        warnings += predicted.cautions
    if compilation is None and not predicted.whole:
        rows = "; ".join([*predicted.problems, *map(str, predicted.rows(blocking=True))])
        warnings.append(f"not every operator is predicted to map: {rows}")
    if compilation is not None and not compilation.whole:
        rows = "; ".join(f"{row.count} x {row.operator}: {row.status}" for row in compilation.blocking)
        warnings.append(f"the CPU computes what the Edge TPU does not take: {rows}")
    return warnings
