"""The picture of the peers: accuracy over latency, one shape a family, made of ``results/peers.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.plots import GREY, save_svg
from edgepose.reports.point_names import NamedPoint, name_points

# The first word of a name to colour and shape; any other family is grey.
STYLES = {"official": ("#000000", "s"), "edgepose": ("#D55E00", "o")}
OTHERS = (GREY, "D")
PANELS = ("PCKh@50", "PCKh@10")


class Contestant(NamedTuple):
    """One line of the table: ``accuracy`` by panel, each with its interval."""

    family: str
    model: str
    ms: float
    accuracy: dict[str, tuple[float, float, float]]


def draw_peers(results: Path, docs: Path) -> list[Path]:
    """Draw ``peers.svg`` into ``docs`` where the peers are recorded in ``results``; returns what was written."""
    record = results / "peers.json"
    if not record.is_file():
        return []
    document = json.loads(record.read_text(encoding="utf-8"))
    figures = {one["name"]: one for one in document["figures"]}
    contestants = []
    for name in document["samples"]:
        if name != "persons":
            family, _, model = name.partition(" ")
            accuracy = {panel: _with_interval(figures[f"{name}: {panel}"]) for panel in PANELS}
            contestants.append(Contestant(family, model, figures[f"{name}: latency"]["value"], accuracy))
    figure = Figure(figsize=(10, 11), layout="constrained")
    all_axes = figure.subplots(len(PANELS), 1, sharex=True)
    for axes, panel in zip(all_axes, PANELS, strict=True):
        _panel(axes, panel, contestants)
    figure.axes[-1].set_xlabel("milliseconds from a person's crop to joints, one thread, median")
    persons = len(document["samples"]["persons"]["ids"])
    figure.suptitle(f"Twelve limb joints of {persons} upright persons, everybody in one process", fontsize=12)
    figure.draw_without_rendering()  # after which places are known
    for axes, panel in zip(all_axes, PANELS, strict=True):
        name_points(axes, [_named(one, panel) for one in contestants], 8)
    path = docs / "peers.svg"
    save_svg(figure, path)
    return [path]


def _with_interval(figure: dict) -> tuple[float, float, float]:
    low, high = figure["note"].split("–")
    return figure["value"], float(low), float(high)


def _named(one: Contestant, panel: str) -> NamedPoint:
    value, low, high = one.accuracy[panel]
    name = one.model if one.family in STYLES else f"{one.family} {one.model}"
    return NamedPoint(one.ms, value, low, high, name, STYLES.get(one.family, OTHERS)[0], one.family)


def _panel(axes: Axes, panel: str, contestants: list[Contestant]) -> None:
    known = set()
    for one in contestants:
        colour, marker = STYLES.get(one.family, OTHERS)
        label = one.family if one.family in STYLES else "others, as their files are"
        hollow = one.model.endswith("int8")
        value, low, high = one.accuracy[panel]
        axes.errorbar(
            [one.ms],
            [value],
            yerr=[[max(value - low, 0)], [max(high - value, 0)]],
            fmt=marker,
            color=colour,
            markerfacecolor="white" if hollow else colour,
            markersize=7,
            elinewidth=0.8,
            zorder=3,
            label=None if label in known else label,
        )
        known.add(label)
    axes.set_xscale("log")
    axes.set_ylabel(panel)
    axes.margins(x=0.15, y=0.12)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#eeeeee")
    axes.set_axisbelow(True)
    if panel == PANELS[0]:
        axes.legend(loc="lower right", fontsize=8, title="hollow: int8", title_fontsize=8)
