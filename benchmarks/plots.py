"""Plots of the precisions' records for ``docs/precision.md``. The same records give the same bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.precision_records import AGREEMENT, LOSSES, Row, Speed, VariantRecord
from edgepose.runtime.atomic import write_bytes

# Colours that the colour-blind tell apart (Okabe and Ito), and a shape each; hollow is what is simulated.
STYLES = {
    "fp16": ("#009E73", "s"),
    "int8": ("#D55E00", "o"),
    "mixed": ("#0072B2", "D"),
    "half": ("#E69F00", "v"),
    "symmetric": ("#CC79A7", "^"),
}
INT8 = "edgepose int8"
ENGINES = {"edgepose": ("#000000", "s", "float"), INT8: ("#D55E00", "o", "int8")}
GREY = "#888888"
# Of the distance between two variants.
ROW_HEIGHT = 0.19


def draw_plots(records: Sequence[VariantRecord], speeds: Sequence[Speed], folder: Path) -> list[Path]:
    """Draw what the records have: ``precision-loss.svg``, ``precision-agreement.svg`` and ``precision-speed.svg``."""
    figures = {}
    if records:
        figures["loss"] = _dots(records, LOSSES, "What is lost against the float engine")
        figures["agreement"] = _dots(records, AGREEMENT, "How many joints stay where the float engine has them")
    # Where there is either half alone, there is nothing to weigh.
    timed = {one.variant for one in speeds if one.engine == INT8}
    compared = [one for one in speeds if one.variant in timed & {record.variant for record in records}]
    if compared:
        figures["speed"] = _speed(records, compared)
    paths = []
    for name, figure in figures.items():
        paths.append(folder / f"precision-{name}.svg")
        save_svg(figure, paths[-1])
    return paths


def save_svg(figure: Figure, path: Path) -> None:
    """Write ``figure`` to ``path``, free of dates and chance."""
    drawn = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "edgepose"}):
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    write_bytes(path, drawn.getvalue())


def _dots(records: Sequence[VariantRecord], panels: dict[str, str], title: str) -> Figure:
    figure = Figure(figsize=(9, 1.6 + 0.75 * len(records)), layout="constrained")
    all_axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    known: dict[str, Any] = {}
    for axes, (name, label) in zip(all_axes, panels.items(), strict=True):
        for place, record in enumerate(records):
            for number, row in enumerate(record.rows):
                offset = (number - (len(record.rows) - 1) / 2) * ROW_HEIGHT
                known[row.name] = _dot(axes, row, name, place + offset)
        axes.set_xlabel(label)
        axes.set_yticks(range(len(records)), [record.variant for record in records])
        axes.set_ylim(len(records) - 0.5, -0.5)
        for place in range(1, len(records)):
            axes.axhline(place - 0.5, color="#eeeeee", linewidth=1)
        if name in LOSSES:
            axes.axvline(0, color=GREY, linewidth=0.8)
        _tidy(axes)
    bound = all_axes[0].scatter([], [], marker="|", s=90, color=GREY, label="required")
    figure.suptitle(title, fontsize=12)
    figure.legend(
        handles=[*(known[name] for name in STYLES if name in known), bound], loc="outside lower center", ncol=3
    )
    return figure


def _dot(axes: Axes, row: Row, name: str, place: float) -> Any:
    colour, marker = STYLES[row.name]
    one = row.figures[name]
    if one.bound is not None:
        axes.scatter([one.bound], [place], marker="|", s=90, color=GREY, zorder=2)
    below, above = one.span
    return axes.errorbar(
        [one.value],
        [place],
        xerr=[[max(below, 0)], [max(above, 0)]],
        fmt=marker,
        color=colour,
        markerfacecolor="white" if row.kind == "host-simulated" else colour,
        markersize=6,
        elinewidth=1.4,
        zorder=3,
        label=f"{row.title} ({row.kind})",
    )


def _speed(records: Sequence[VariantRecord], speeds: Sequence[Speed]) -> Figure:
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    axes = figure.subplots()
    losses = {record.variant: {row.name: row.figures["loss50"] for row in record.rows} for record in records}
    ends: dict[str, list[tuple[float, float]]] = {}
    for one in speeds:
        colour, marker, words = ENGINES[one.engine]
        lost = losses[one.variant].get("int8") if one.engine == INT8 else None
        change, below, above = (0.0, 0.0, 0.0) if lost is None else (-lost.value, lost.span[1], lost.span[0])
        axes.errorbar(
            [one.ratio],
            [change],
            xerr=[[one.ratio - one.low], [one.high - one.ratio]],
            yerr=None if lost is None else [[max(below, 0)], [max(above, 0)]],
            fmt=marker,
            color=colour,
            markersize=7,
            elinewidth=1.4,
            zorder=3,
        )
        ends.setdefault(one.variant, []).append((one.ratio, change))
        axes.annotate(
            f"{one.variant} {words}",
            (one.ratio, change),
            textcoords="offset points",
            xytext=(9, 9),
            rotation=30,
            fontsize=9,
        )
    for points in ends.values():
        axes.plot(*zip(*points, strict=True), color="#bbbbbb", linewidth=1, zorder=1)
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set_xlabel(
        "times as fast as the official TFLite file of the same variant (network, 1 thread, measured on the host)"
    )
    axes.set_ylabel("change of PCKh@50 against float, points")
    axes.margins(x=0.12, y=0.25)
    _tidy(axes)
    figure.suptitle("What int8 gains and costs", fontsize=12)
    return figure


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#eeeeee")
    axes.set_axisbelow(True)
