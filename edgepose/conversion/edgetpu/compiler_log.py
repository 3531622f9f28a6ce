"""Reads what ``edgetpu_compiler -s`` prints: every form that versions 1 to 16 are known to print."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from edgepose.conversion.edgetpu.operator_rules import MAPPED

MAX_LOG_CHARACTERS = 1 << 20
_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_SIZE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,4})?)\s*(B|KiB|MiB|GiB)\Z")
_VERSION = re.compile(r"Edge TPU Compiler version (\S{1,60})")
_ROW = re.compile(r"([A-Za-z0-9_.:-]{1,200})\s+([0-9]{1,9})\s+(\S.*)\Z")
_HEADER = re.compile(r"Operator\s+Count\s+Status\Z")
# Where an attempt begins: with -d the compiler makes several.
_ATTEMPT = re.compile(r"Started a compilation timeout timer|Try to compile segment with|Searching for valid delegate")
_MILLISECONDS = re.compile(r"Model compiled successfully in ([0-9]{1,9}) ms")
_SUCCEEDED = re.compile(r"Model (?:compiled successfully|successfully compiled)|Compilation succeeded!")
_ERRORS = re.compile(
    r"ERROR:|Compilation failed|Internal compiler error|Invalid model|Model could not be parsed|Model not quantized|"
    r"Registration failed|Compilation timeout\.|timed out|terminating with uncaught exception"
)
# Names of the sizes and counts, and how each version begins the line.
_FIELDS: dict[str, re.Pattern[str]] = {
    "input_bytes": re.compile(r"Input size: (.+)"),
    "output_bytes": re.compile(r"Output size: (.+)"),
    "on_chip_used_bytes": re.compile(r"On-chip memory used for caching model parameters: (.+)"),
    "on_chip_remaining_bytes": re.compile(r"On-chip memory (?:remaining|available) for caching model parameters: (.+)"),
    "off_chip_bytes": re.compile(r"Off-chip memory used for streaming uncached model parameters: (.+)"),
    "subgraphs": re.compile(r"Number of Edge TPU subgraphs: (.+)"),
    "operations": re.compile(r"Total number of operations: (.+)"),
    "edgetpu_operations": re.compile(r"Number of operations that will run on Edge TPU: (.+)"),
    "cpu_operations": re.compile(r"Number of operations that will run on CPU: (.+)"),
}
_COUNTS = ("subgraphs", "operations", "edgetpu_operations", "cpu_operations")


@dataclass(frozen=True)
class LogRow:
    """One line of the operator table; an operator may stand on several, one a status."""

    operator: str
    count: int
    status: str


@dataclass(frozen=True)
class CompilerLog:
    """What the last attempt said. Sizes in bytes, as precise as they were printed; None for what was not printed.

    ``succeeded``: it said so, and no error after it. ``errors``: its lines that tell of one, in order.
    """

    version: str | None
    succeeded: bool
    milliseconds: int | None
    rows: tuple[LogRow, ...]
    errors: tuple[str, ...]
    input_bytes: int | None = None
    output_bytes: int | None = None
    on_chip_used_bytes: int | None = None
    on_chip_remaining_bytes: int | None = None
    off_chip_bytes: int | None = None
    subgraphs: int | None = None
    operations: int | None = None
    edgetpu_operations: int | None = None
    cpu_operations: int | None = None

    @property
    def mapped(self) -> int:
        """How many operators were mapped: by the table, else by the counts above it."""
        if self.rows:
            return sum(row.count for row in self.rows if row.status == MAPPED)
        if self.edgetpu_operations is not None:
            return self.edgetpu_operations
        return 0

    @property
    def blocking(self) -> tuple[LogRow, ...]:
        """The rows that were not mapped."""
        return tuple(row for row in self.rows if row.status != MAPPED)

    def to_dict(self) -> dict[str, Any]:
        """For the manifest."""
        return {**asdict(self), "rows": [asdict(row) for row in self.rows], "errors": list(self.errors)}


def parse_compiler_log(text: str) -> CompilerLog:
    """Read the compiler's output. Never raises: what is not understood is left out, and the judge does without it."""
    lines = [line.strip() for line in text[-MAX_LOG_CHARACTERS:].splitlines()]
    version = next((found.group(1) for line in lines if (found := _VERSION.search(line))), None)
    last = _last_attempt(lines)
    values: dict[str, int | None] = {}
    rows: list[LogRow] = []
    errors: list[str] = []
    succeeded, milliseconds, in_table = False, None, False
    for line in last:
        if _HEADER.match(line):
            in_table, rows = True, []
            continue
        row = _ROW.match(line) if in_table else None
        if row is not None:
            rows.append(LogRow(row.group(1), int(row.group(2)), re.sub(r"\s+", " ", row.group(3))))
            continue
        in_table = in_table and not line
        for name, pattern in _FIELDS.items():
            if (found := pattern.match(line)) is not None:
                values[name] = _count(found.group(1)) if name in _COUNTS else size_in_bytes(found.group(1))
        if (found := _MILLISECONDS.match(line)) is not None:
            milliseconds = int(found.group(1))
        if _ERRORS.search(line):
            errors.append(line[:500])
            succeeded = False
        elif _SUCCEEDED.match(line):
            succeeded = True
    return CompilerLog(version, succeeded, milliseconds, tuple(rows), tuple(errors), **values)


def size_in_bytes(text: str) -> int | None:
    """``"3.31MiB"`` in bytes; None for anything else."""
    found = _SIZE.match(text.strip())
    return None if found is None else round(float(found.group(1)) * _UNITS[found.group(2)])


def _count(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


def _last_attempt(lines: list[str]) -> list[str]:
    starts = [index for index, line in enumerate(lines) if _ATTEMPT.match(line)]
    return lines[starts[-1] :] if starts else lines
