"""The measured part of ``docs/precision.md``: tables and plots made of the records, between two marks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks.plots import draw_plots
from benchmarks.precision_records import Measured, Row, VariantRecord, read_records, read_speeds
from edgepose.runtime.atomic import write_bytes

DOCS = Path(__file__).resolve().parent.parent / "docs"
BEGIN, END = "<!-- begin: made of the records -->", "<!-- end -->"
ALTERNATIVES = {
    "loss": "Loss of PCKh@50 and @10 of every variant and precision, with intervals",
    "agreement": "Share of joints within 0.1 head of the float engine's, of every variant and precision",
    "speed": "Change of PCKh@50 over speed, float and int8",
}


def write_page(results: Path, docs: Path) -> list[Path]:
    """Write the measured part of ``docs/precision.md`` and its plots from the records in ``results``."""
    records = read_records(results)
    plots = draw_plots(records, read_speeds(results), docs)
    page = docs / "precision.md"
    text = page.read_text(encoding="utf-8")
    made = "\n".join([BEGIN, *_lines(records, plots), END])
    if BEGIN not in text or END not in text:
        raise ValueError(f"{page} lacks the marks between which figures go")
    text = re.sub(f"{BEGIN}.*?{END}", lambda _: made, text, flags=re.DOTALL)
    write_bytes(page, text.encode())
    return [page, *plots]


def _lines(records: Sequence[VariantRecord], plots: Sequence[Path]) -> list[str]:
    if not records:
        return ["", "Nothing is recorded yet.", ""]
    lines = []
    for path in plots:
        lines += ["", f"![{ALTERNATIVES[path.stem.rpartition('-')[2]]}]({path.name})"]
    lines += [
        "",
        "| | | PCKh@50 lost | PCKh@10 lost | within 0.1 head, % | multiply-adds in int8 | kept |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for record in records:
        name = f"**{record.variant}**, float {record.pckh50:.1f} / {record.pckh10:.1f}"
        for row in record.rows:
            lines.append(_line(name, row))
            name = ""
    for record in records:
        if record.peers:
            lines += _peer_lines(record)
    dates = sorted({record.measured_at[:10] for record in records})
    persons = " and ".join(sorted({f"{record.persons}" for record in records}))
    seeds = ", ".join(f"{record.variant} {max(row.seeds for row in record.rows)}" for record in records)
    return [
        *lines,
        "",
        f"{persons} upright persons of LSPET, annotated crop, still-image decoder. Means over calibration sets of 128",
        f"other photographs ({seeds}); in brackets the 95 % interval, paired, over persons; a negative loss is a gain.",
        f"Recorded {' to '.join(sorted({dates[0], dates[-1]}))}.",
        "",
    ]


def _peer_lines(record: VariantRecord) -> list[str]:
    ours = next(row for row in record.rows if row.name == "int8")
    lines = [
        "",
        f"Ranges of {record.variant} by the usual calibrators (first calibration set alone), all else alike, measured:",
        "",
        "| | PCKh@50 lost | PCKh@10 lost | within 0.1 head, % |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, row in (("edgepose's", ours), *((peer.name, peer) for peer in record.peers)):
        lines.append(f"| {name} | " + " | ".join(map(_cell, row.figures.values())) + " |")
    return lines


def _line(name: str, row: Row) -> str:
    share = "" if row.integer_macs is None else f"{100 * row.integer_macs:.0f} %"
    kept = {None: "", True: "✓", False: "**✗**"}[row.holds]
    cells = [name, f"{row.title}, *{row.kind}*", *map(_cell, row.figures.values()), share, kept]
    return "| " + " | ".join(cells) + " |"


def _cell(one: Measured) -> str:
    bound = "" if one.bound is None else f", bound {one.bound:g}"
    return f"{one.value:.2f} ({one.low:.2f} to {one.high:.2f}{bound})"
