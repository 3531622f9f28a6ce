"""``edgepose compare``: two bench records, and whether one is faster."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from edgepose.cli.console import new_table, out, print_json

if TYPE_CHECKING:
    from edgepose.records.compare import Comparison

HEADER = ("", "A", "B", "B is, times as fast", "95 %")


def compare(
    a: Path = typer.Argument(..., help="A record of 'edgepose bench'."),
    b: Path = typer.Argument(..., help="Another, to hold against it."),
    markdown: bool = typer.Option(False, "--markdown", help="Print Markdown, for a pull request."),
    as_json: bool = typer.Option(False, "--json", help="Print as JSON."),
) -> None:
    """Say how many times as fast B is as A; call it a difference only where conditions and interval allow it."""
    from edgepose.records import read_record
    from edgepose.records.compare import compare_records

    comparison = compare_records(read_record(a), read_record(b))
    if as_json:
        print_json(comparison.to_dict())
    elif markdown:
        sys.stdout.write(_markdown(comparison))
    else:
        _print(comparison)


def _verdict(comparison: Comparison) -> str:
    from edgepose.records.compare import FASTER, NONE, NOT_CALLED, SLOWER

    ratio = comparison.ratios[0]
    return {
        FASTER: f"B is faster: {ratio.value:.2f} times as fast at the median",
        SLOWER: f"B is slower: {ratio.value:.2f} times as fast at the median",
        NONE: "no difference: the interval of the ratio holds 1",
        NOT_CALLED: "no difference is called, as the conditions differ",
    }[comparison.verdict]


def _rows(comparison: Comparison) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        (
            f"p{ratio.percentile} ms",
            f"{ratio.a_ms:.2f}",
            f"{ratio.b_ms:.2f}",
            f"{ratio.value:.3f}",
            f"{ratio.interval.low:.3f} to {ratio.interval.high:.3f}",
        )
        for ratio in comparison.ratios
    ]
    documents = [one.document for one in (comparison.a, comparison.b)]
    rows.append(("peak MB", *(_known(one["memory"]["peak_mb"], "{:.0f}") for one in documents), "", ""))
    energies = [(one["power"] or {}).get("energy_per_pose_mj") for one in documents]
    rows.append(("mJ a pose", *(_known(one, "{:.1f}") for one in energies), "", ""))
    drifts = [one["drift"] for one in documents]
    if None not in drifts and drifts[0]["source"] == drifts[1]["source"]:
        rows.append(("% within 0.1 head", *(f"{one['within_0.1_head']['total']:.1f}" for one in drifts), "", ""))
    return rows


def _known(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _print(comparison: Comparison) -> None:
    table = new_table(*HEADER, right=HEADER[1:])
    for row in _rows(comparison):
        table.add_row(*row)
    out.print(f"A: {comparison.a.name}\nB: {comparison.b.name}\n", markup=False, soft_wrap=True)
    out.print(table)
    out.print(f"\n{_verdict(comparison)}", markup=False, soft_wrap=True)
    for reason in comparison.reasons:
        out.print(f"  {reason}", markup=False, soft_wrap=True)
    for subject in comparison.subject:
        out.print(f"compared: {subject}", markup=False, soft_wrap=True, style="dim")


def _markdown(comparison: Comparison) -> str:
    lines = [
        f"**{_verdict(comparison)}**",
        "",
        f"A: {_escaped(comparison.a.name)}  ",
        f"B: {_escaped(comparison.b.name)}",
        "",
        f"| {' | '.join(HEADER)} |",
        "| --- | ---: | ---: | ---: | --- |",
        *(f"| {' | '.join(map(_escaped, row))} |" for row in _rows(comparison)),
        "",
        *(f"- {_escaped(reason)}" for reason in comparison.reasons),
        *(f"- compared: {_escaped(subject)}" for subject in comparison.subject),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")
