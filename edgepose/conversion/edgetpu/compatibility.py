"""The static report: which operators of a TFLite file the Edge TPU will take, by which rule, and what would mend it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from edgepose.conversion.edgetpu.memory import (
    LARGEST_MAPPED,
    SMALLEST_FAILED,
    MemoryPrediction,
    predict_memory,
)
from edgepose.conversion.edgetpu.operator_rules import BEHIND, FIRST_RUNTIME, MAPPED, RULES, find, is_too_new
from edgepose.conversion.edgetpu.tflite_file import TfliteFile, parse_tflite
from edgepose.runtime.backends.edgetpu import CUSTOM_OPERATOR
from edgepose.runtime.errors import ConversionError

TAKEN, UNCERTAIN, LEFT = "mapped", "uncertain", "not mapped"


@dataclass(frozen=True)
class OperatorVerdict:
    """What becomes of one operator: ``verdict`` is mapped, uncertain or not mapped; ``status`` is the compiler's word.

    ``rule`` decides it, ``tensor`` is the one that it is about, where it is about one; ``mend`` would change it, and is
    empty where it is mapped.
    """

    index: int
    operator: str
    version: int
    output: str
    verdict: str
    status: str
    rule: str
    mend: str
    tensor: str


@dataclass(frozen=True)
class ReportRow:
    """``count`` operators of a kind and version that meet the same verdict by the same rule.

    ``tensor``: the first that the rule is about, empty where it is about none.
    """

    operator: str
    version: int
    verdict: str
    status: str
    rule: str
    mend: str
    count: int
    tensor: str

    def __str__(self) -> str:
        concerned = f" ('{self.tensor}')" if self.tensor else ""
        return f"{self.count} x {self.operator} v{self.version}: {self.rule}{concerned}"


@dataclass(frozen=True)
class CompatibilityReport:
    """The prediction for a whole file: a verdict an operator, problems of the file as a whole, memory.

    ``problems`` fail a compilation, ``cautions`` may. ``runtime``: the oldest Edge TPU runtime that has all of its
    operators.
    """

    operators: tuple[OperatorVerdict, ...]
    problems: tuple[str, ...]
    cautions: tuple[str, ...]
    memory: MemoryPrediction
    runtime: int
    file_bytes: int

    @property
    def mapped(self) -> int:
        """How many operators are predicted to be mapped."""
        return sum(each.verdict == TAKEN for each in self.operators)

    @property
    def blocking(self) -> tuple[OperatorVerdict, ...]:
        """The operators that are not predicted to be mapped."""
        return tuple(each for each in self.operators if each.verdict != TAKEN)

    def rows(self, *, blocking: bool = False) -> list[ReportRow]:
        """The verdicts put together, in the graph's order; those that are not mapped alone where ``blocking``."""
        groups: dict[tuple[str, int, str, str, str, str], list[OperatorVerdict]] = {}
        for each in self.blocking if blocking else self.operators:
            key = (each.operator, each.version, each.verdict, each.status, each.rule, each.mend)
            groups.setdefault(key, []).append(each)
        return [ReportRow(*key, len(group), group[0].tensor) for key, group in groups.items()]

    @property
    def whole(self) -> bool:
        """Whether every operator is predicted to be mapped, and nothing fails the compilation."""
        return not self.problems and not self.blocking and bool(self.operators)

    @property
    def summary(self) -> str:
        """One sentence for people."""
        total = len(self.operators)
        return f"{self.mapped} of {total} operators predicted to map" + (
            "" if not self.problems else f"; the compilation is predicted to fail: {self.problems[0]}"
        )

    def counts(self) -> dict[str, int]:
        """How many operators of each kind there are, sorted by name."""
        return dict(sorted(Counter(each.operator for each in self.operators).items()))

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {**self.to_record(), "operators": [asdict(each) for each in self.operators]}

    def to_record(self) -> dict[str, Any]:
        """For the manifest: what is not mapped in full, the rest as counts."""
        return {
            "kind": "predicted",
            "operators": len(self.operators),
            "mapped": self.mapped,
            "whole": self.whole,
            "counts": self.counts(),
            "blocking": [asdict(each) for each in self.blocking],
            "problems": list(self.problems),
            "cautions": list(self.cautions),
            "memory": self.memory.to_dict(),
            "edgetpu_runtime": self.runtime,
        }


def report_compatibility(data: bytes, name: str = "the engine") -> CompatibilityReport:
    """Predict what the Edge TPU compiler makes of the TFLite file ``data``.

    Raises :class:`ConversionError` for a file that is none, is damaged, is compiled already, or computes nothing.
    """
    file = parse_tflite(data, name)
    if any(operator.custom and operator.name == CUSTOM_OPERATOR.decode() for operator in file.operators):
        raise ConversionError(
            f"{name} is compiled for the Edge TPU already", "name the int8 file that it was compiled from"
        )
    if not file.operators:
        raise ConversionError(f"{name} holds no operator", "name the model itself")
    memory = predict_memory(file)
    runtimes = [RULES[operator.name].runtime for operator in file.operators if operator.name in RULES]
    return CompatibilityReport(
        operators=tuple(_verdicts(file)),
        problems=tuple(_problems(file, memory)),
        cautions=tuple(_cautions(memory)),
        memory=memory,
        runtime=max(runtimes, default=FIRST_RUNTIME),
        file_bytes=file.size,
    )


def _verdicts(file: TfliteFile) -> list[OperatorVerdict]:
    """The Edge TPU takes one connected part: what needs an operator that was left behind the part stays on the CPU."""
    verdicts = []
    taken: set[int] = set()  # tensors that the Edge TPU computes, or that need one that it does
    cut: set[int] = set()  # tensors that need one computed on the CPU from what the Edge TPU computed
    for index, operator in enumerate(file.operators):
        finding = find(file, operator)
        needs = set(operator.inputs)
        if needs & cut and (finding is None or not finding.certain):
            verdict = (LEFT, BEHIND, "an operator before it is not mapped", "mend that one", "")
        elif finding is None:
            verdict = (TAKEN, MAPPED, RULES[operator.name].text, "", "")
        else:
            certainty = LEFT if finding.certain else UNCERTAIN
            verdict = (certainty, finding.status, finding.rule, finding.mend, finding.tensor)
        if verdict[0] != LEFT:
            taken.update(operator.outputs)
        elif needs & (taken | cut):
            cut.update(operator.outputs)
        output = file.written(operator)[0].name if operator.outputs else ""
        verdicts.append(OperatorVerdict(index, operator.name, operator.version, output, *verdict))
    return verdicts


def _problems(file: TfliteFile, memory: MemoryPrediction) -> list[str]:
    """What the file as a whole is refused for."""
    problems = []
    if file.subgraphs > 1:
        problems.append(f"it holds {file.subgraphs} graphs; the compiler takes one: convert without control flow")
    if not any(tensor.quantised for tensor in file.tensors):
        problems.append("it is not quantised ('Model not quantized'): quantise it to int8")
    dynamic = [tensor.name for tensor in file.tensors if tensor.dynamic]
    if dynamic:
        problems.append(f"'{dynamic[0]}' has no fixed shape: convert with a fixed input shape")
    if any(tensor.outside for tensor in file.tensors):
        problems.append("it keeps weights behind the flatbuffer, where parsers of 2021 do not look: write them inside")
    new = [operator for operator in file.operators if is_too_new(operator)]
    if new:
        problems.append(
            f"{new[0].name} version {new[0].version} is newer than the compiler, which then parses nothing of the file"
        )
    if memory.activation_verdict == "too large":
        problems.append(
            f"{_largest(memory)}; no model with more than {LARGEST_MAPPED:,} is known to map: use a smaller input"
        )
    return problems


def _cautions(memory: MemoryPrediction) -> list[str]:
    """What may fail the compilation, and has not always."""
    if memory.activation_verdict != "uncertain":
        return []
    return [
        f"{_largest(memory)}: models with {SMALLEST_FAILED:,} have failed for it, others with up to "
        f"{LARGEST_MAPPED:,} map; a smaller input is surer"
    ]


def _largest(memory: MemoryPrediction) -> str:
    name, shape, elements = memory.largest_activation
    return f"'{name}' ({' x '.join(map(str, shape))}) has {elements:,} elements"
