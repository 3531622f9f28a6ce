"""What is known of an engine on the Edge TPU, for people: the prediction, the compiler's word, each operator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from edgepose.cli.console import new_table

if TYPE_CHECKING:
    from rich.table import Table

    from edgepose.conversion.edgetpu.compatibility import CompatibilityReport

MIB = 1 << 20


def edgetpu_sentences(manifest: Mapping[str, Any]) -> list[str]:
    """What a bundle's manifest says about the Edge TPU, in sentences; none for other bundles."""
    record = manifest["measured"].get("edgetpu")
    if record is None:
        return []
    predicted, compiled = record["predicted"], record.get("compiled")
    lines = [f"Predicted: {predicted['mapped']} of {predicted['operators']} operators map to the Edge TPU"]
    lines += [f"Predicted problem: {problem}" for problem in predicted["problems"]]
    lines += [f"Caution: {caution}" for caution in predicted["cautions"]]
    lines.append(f"Predicted: {memory_words(predicted['memory'])}")
    if compiled is None:
        lines.append("Not compiled yet: there was no edgetpu_compiler where it was converted")
        return lines
    log = compiled["log"]
    lines.append(
        f"Compiled by edgetpu_compiler {log['version']}: {compiled['mapped']} operators mapped, "
        + ("none left to the CPU" if compiled["whole"] else f"left to the CPU: {_rows(compiled['blocking'])}")
    )
    sizes = [
        f"{log[name] / MIB:.2f} MiB {words}"
        for name, words in (
            ("on_chip_used_bytes", "of parameters on chip"),
            ("on_chip_remaining_bytes", "left there"),
            ("off_chip_bytes", "streamed for every inference"),
        )
        if log[name] is not None
    ]
    if sizes:
        lines.append(f"Memory, by the compiler: {', '.join(sizes)}")
    return lines


def memory_words(memory: Mapping[str, Any]) -> str:
    """A memory prediction in words."""
    largest = memory["largest_activation"]
    sides = " x ".join(map(str, largest["shape"]))
    return (
        f"{memory['parameter_bytes'] / MIB:.2f} MiB of parameters, compiled up to {memory['on_chip_bytes'] / MIB:.2f} "
        f"MiB on chip and {memory['off_chip_bytes'] / MIB:.2f} MiB streamed; largest activation '{largest['name']}', "
        f"{sides}: {largest['elements']:,} elements ({memory['activation_verdict']})"
    )


def operator_table(report: CompatibilityReport) -> Table:
    """A row for all operators of a kind that meet the same verdict for the same reason, in the graph's order."""
    table = new_table(
        "operator", "version", "count", "verdict", "rule", "what would mend it", right=("version", "count")
    )
    marks = {"mapped": "[green]mapped[/]", "uncertain": "[yellow]uncertain[/]", "not mapped": "[red]not mapped[/]"}
    for row in report.rows():
        rule = row.rule if row.verdict == "mapped" else f"{row.status}: {row.rule}"
        concerned = f", first '{row.tensor}'" if row.tensor else ""
        cells = (row.operator, str(row.version), str(row.count), marks[row.verdict])
        table.add_row(escape(cells[0]), *cells[1:], escape(rule + concerned), escape(row.mend))
    return table


def _rows(rows: list[dict[str, Any]]) -> str:
    return "; ".join(f"{row['count']} x {row['operator']}: {row['status']}" for row in rows)
