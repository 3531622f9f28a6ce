"""What a run of the compiler is worth: judged by its output file and the operators it mapped, not by its exit code."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from edgepose.conversion.edgetpu.compiler import CompilerRun
from edgepose.conversion.edgetpu.compiler_log import CompilerLog, LogRow
from edgepose.conversion.edgetpu.tflite_file import Tensor, TfliteFile, parse_tflite
from edgepose.runtime.backends.edgetpu import CUSTOM_OPERATOR
from edgepose.runtime.errors import ConversionError, GateError

# Text of a failure, what it means, what to do. The first that fits counts.
_FAILURES = (
    (
        r"large activation tensors",
        "its activations are too large",
        "use a variant with a smaller input: RT_LITE has the smallest",
    ),
    (
        r"Didn't find op for builtin opcode '(\w+)' version '(\d+)'",
        "it does not know version {1} of {0}",
        "write a lower version; 'edgepose inspect --edgetpu FILE' shows which",
    ),
    (
        r"no_integer_overflow_from_quantization",
        "some scale of the quantisation overflows its integers",
        "calibrate with more photographs, or report this with the checkpoint",
    ),
    (
        r"dynamic-sized tensors",
        "it has tensors without a fixed shape",
        "convert with a fixed input shape",
    ),
    (
        r"Model not quantized",
        "it is not quantised",
        "quantise it to int8 first",
    ),
    (
        r"Model failed in Tflite interpreter",
        "the compiler's own TFLite cannot run it",
        "'edgepose inspect --edgetpu FILE' shows operators that are too new",
    ),
    (
        r"Invalid model|could not be parsed|Registration failed",
        "the compiler cannot parse it",
        "'edgepose inspect --edgetpu FILE' shows operators that are too new",
    ),
    (
        r"Internal compiler error|terminating with uncaught exception",
        "the compiler failed in itself, in every attempt",
        "run the same command again: it is known to come and go",
    ),
    (
        r"Compilation timeout|timed out",
        "the compiler ran out of time, mostly over large activations",
        "use a variant with a smaller input, or allow it more with --time-limit",
    ),
)


@dataclass(frozen=True)
class Compilation:
    """A compiled engine: the file, the log, how many attempts it took, and what the file itself shows.

    ``left``: names of the operators that stayed outside of the Edge TPU's, one an operator.
    """

    engine: bytes
    log: CompilerLog
    attempts: int
    left: tuple[str, ...]
    input: Tensor
    output: Tensor

    @property
    def whole(self) -> bool:
        """Whether nothing is left to the CPU, by the log and by the file."""
        return not self.left and not self.blocking

    @property
    def blocking(self) -> tuple[LogRow, ...]:
        """What was not mapped: the log's rows, or where it shows none, the file's operators."""
        if self.log.blocking or not self.left:
            return self.log.blocking
        return tuple(LogRow(name, self.left.count(name), "not in the log") for name in sorted(set(self.left)))

    def to_record(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "kind": "compiled",
            "attempts": self.attempts,
            "whole": self.whole,
            "mapped": self.log.mapped,
            "blocking": [asdict(row) for row in self.blocking],
            "log": self.log.to_dict(),
        }


def judge(run: CompilerRun, source: bytes) -> Compilation:
    """The compiled engine of ``run``, made of ``source``.

    Raises :class:`ConversionError` where there is none worth the name: no output file, one that does not hold an Edge
    TPU operator or has other inputs and outputs than ``source``, none mapped, or a log that ends in a failure.
    """
    if run.output is None or not run.log.succeeded:
        raise _failure(run)
    compiled, original = parse_tflite(run.output, "the compiler's output"), parse_tflite(source)
    name = CUSTOM_OPERATOR.decode()
    own = [operator for operator in compiled.operators if operator.custom and operator.name == name]
    if run.log.mapped == 0 or not own:
        raise ConversionError(
            "the compiler reports success, but mapped no operator to the Edge TPU",
            "use compiler 16 without -m: older runtimes take less",
        )
    ends = [_interface(file) for file in (original, compiled)]
    if [_words(tensor) for tensor in ends[0]] != [_words(tensor) for tensor in ends[1]]:
        raise ConversionError(
            "the compiler's output has other inputs and outputs than the engine it was given",
            "report this with the log",
        )
    left = tuple(operator.name for operator in compiled.operators if operator not in own)
    return Compilation(run.output, run.log, run.attempts, left, *ends[1])


def require_whole(compilation: Compilation) -> None:
    """Raise :class:`GateError` with the blocking rows where something is left to the CPU."""
    if compilation.whole:
        return
    rows = "; ".join(f"{row.count} x {row.operator}: {row.status}" for row in compilation.blocking)
    raise GateError(
        f"the Edge TPU does not take the whole engine: {rows or ', '.join(compilation.left)}",
        "let the rest run on the CPU with --no-require-full-mapping, or use a Lite variant",
    )


def _failure(run: CompilerRun) -> ConversionError:
    told = "\n".join(run.log.errors)
    for pattern, meaning, hint in _FAILURES:
        if (found := re.search(pattern, told)) is not None:
            return ConversionError(f"the Edge TPU compiler refuses the engine: {meaning.format(*found.groups())}", hint)
    if run.log.succeeded:
        return ConversionError("the Edge TPU compiler reports success, but wrote no file", "run the command again")
    said = run.log.errors[-1] if run.log.errors else f"it says nothing (exit code {run.exit_code})"
    return ConversionError(
        f"the Edge TPU compiler failed: {said}", "run 'edgetpu_compiler -s' on the engine to see more"
    )


def _interface(file: TfliteFile) -> tuple[Tensor, Tensor]:
    if len(file.inputs) != 1 or len(file.outputs) != 1:
        raise ConversionError("the compiler's output has not one input and one output", "report this with the log")
    return file.tensors[file.inputs[0]], file.tensors[file.outputs[0]]


def _words(tensor: Tensor) -> tuple[object, ...]:
    return tensor.shape, tensor.dtype, tensor.scale, tensor.zero_point
