"""The plots of a report: how latencies are distributed, how they go with heat, and what accuracy costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from edgepose.records import Record
from edgepose.reports.inline_svg import (
    ALARM,
    INK,
    MUTED,
    PAGE,
    inline_svg,
    new_figure,
    series_colour,
    tidy,
)
from edgepose.reports.published import PublishedPoint

# Samples that a strip shows one by one; of more, as many evenly drawn by rank, the extremes among them.
DOTS = 400
# Bins of a timeline: more cannot be told apart on a phone.
BINS = 150
# What a name takes of the width and height of its panel.
NAME_SHARE = (0.3, 0.1)


class _Point(NamedTuple):
    """A named point of the chart of accuracy over latency."""

    x: float
    y: float
    name: str
    colour: str


def distribution_chart(records: Sequence[Record]) -> str:
    """A strip of samples for each record: every one a tick; the box from p50 to p95, p99 and the slowest marked."""
    figure = new_figure(0.55 + 0.52 * len(records))
    axes = figure.subplots()
    for place, record in enumerate(records):
        ordered = np.sort(np.array(record.document["samples_ms"]["total"]))
        summary = record.document["latency_ms"]["total"]
        colour = series_colour(place)
        shown = ordered[np.linspace(0, len(ordered) - 1, min(DOTS, len(ordered))).astype(int)]
        axes.vlines(shown, place - 0.16, place + 0.16, color=colour, alpha=0.25, linewidth=0.7)
        axes.hlines(place, summary["p50"], summary["p95"], color=colour, linewidth=5, alpha=0.85)
        axes.plot([summary["p50"]], [place], "o", color=colour, markeredgecolor=PAGE, markersize=7)
        axes.plot([summary["p99"], summary["max"]], [place, place], "|", color=INK, markersize=11, markeredgewidth=1.6)
        axes.text(
            0.0, place - 0.27, record.name, transform=axes.get_yaxis_transform(), color=INK, fontsize=8, va="bottom"
        )
    axes.set_ylim(len(records) - 0.6, -0.75)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    _log_ms(axes)
    tidy(axes)
    return inline_svg(figure, "distribution")


def timeline_chart(record: Record, number: int) -> str | None:
    """Latency, and below it temperature and clock, over the seconds of a run; None where no times were kept."""
    document = record.document
    if document["starts_ms"] is None or len(document["starts_ms"]) < 3:
        return None
    heat = _sensor_lines(document, "temperature")
    clocks = _sensor_lines(document, "clock") or _sensor_lines(document, "gpu_clock")
    panels = 1 + bool(heat) + bool(clocks)
    figure = new_figure(0.5 + 1.15 * panels)
    all_axes = figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0]
    seconds = np.array(document["starts_ms"]) / 1e3
    _latency_band(all_axes[0], seconds, np.array(document["samples_ms"]["total"]), series_colour(number))
    rest = iter(all_axes[1:])
    for lines, label in ((heat, "°C"), (clocks, "MHz")):
        if lines:
            _lines(next(rest), lines, label)
    for start, end in _slowed_spans(document):
        for axes in all_axes:
            axes.axvspan(start, end, color=ALARM, alpha=0.15, linewidth=0)
    for axes in all_axes:
        tidy(axes, grid="y")
    all_axes[-1].set_xlabel("seconds since the first measured call", fontsize=8)
    return inline_svg(figure, f"timeline{number}")


def pareto_chart(records: Sequence[Record], published: Sequence[PublishedPoint]) -> str | None:
    """Accuracy over latency: a panel for each set that PCKh was measured on, and one of what others published."""
    measured: dict[str, list[Record]] = {}
    for record in records:
        drift = record.document["drift"]
        if drift is not None and drift["pckh50"] is not None:
            measured.setdefault(f"PCKh@50, {drift['source']} ({drift['persons']} persons)", []).append(record)
    if not measured:
        return None
    panels = len(measured) + bool(published)
    figure = new_figure(0.4 + 1.9 * panels)
    all_axes = figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0]
    named = [
        _measured_panel(axes, title, ones) for axes, (title, ones) in zip(all_axes, measured.items(), strict=False)
    ]
    if published:
        named.append(_published_panel(all_axes[-1], published))
    times = [one.document["latency_ms"]["total"]["p50"] for ones in measured.values() for one in ones]
    times += [point.ms for point in published]
    for axes, points in zip(all_axes, named, strict=True):
        # To the right, room for the names.
        _log_ms(axes, (min(times) / 1.5, max(times) * 7))
        axes.set_xlabel("")
        axes.margins(y=0.25)
        axes.set_ylim(top=min(axes.get_ylim()[1], 103))
        tidy(axes, grid="both")
        _name(axes, points)
    all_axes[-1].set_xlabel("ms, p50 of the whole call (published: as stated by their source)", fontsize=8)
    return inline_svg(figure, "pareto")


def _measured_panel(axes: Any, title: str, records: Sequence[Record]) -> list[_Point]:
    devices = sorted({record.device for record in records})
    named = []
    for place, device in enumerate(devices):
        points = sorted(
            (
                record.document["latency_ms"]["total"]["p50"],
                record.document["drift"]["pckh50"]["total"],
                record.document["drift"]["pckh50"]["interval95"],
                _short_name(record),
            )
            for record in records
            if record.device == device
        )
        colour = series_colour(place)
        best = [point for number, point in enumerate(points) if all(point[1] > other[1] for other in points[:number])]
        axes.plot([x for x, *_ in best], [y for _, y, *_ in best], "--", color=colour, linewidth=0.9)
        for x, y, (low, high), name in points:
            axes.errorbar([x], [y], yerr=[[max(0, y - low)], [max(0, high - y)]], fmt="o", color=colour, elinewidth=0.8)
            named.append(_Point(x, y, name, INK))
        axes.plot([], [], "o", color=colour, label=device)
    axes.set_title(title, fontsize=8, loc="left", color=INK)
    _legend(axes)
    return named


def _published_panel(axes: Any, published: Sequence[PublishedPoint]) -> list[_Point]:
    axes.plot([one.ms for one in published], [one.value for one in published], "D", color=MUTED, markerfacecolor="none")
    devices = ", ".join(sorted({point.device for point in published}))
    axes.set_title(
        f"published by others, not measured here: mAP, other data; {devices}", fontsize=7, loc="left", color=INK
    )
    return [_Point(point.ms, point.value, point.model, MUTED) for point in published]


def _name(axes: Any, points: Sequence[_Point]) -> None:
    """Name ``points``, each to its right; names that would cover each other move up, with a line to their points."""
    to_share = (axes.transData + axes.transAxes.inverted()).transform
    placed: list[tuple[float, float]] = []
    for point in sorted(points, key=lambda point: point.y):
        x, y = to_share((point.x, point.y))
        near = [other for at, other in placed if abs(at - x) < NAME_SHARE[0]]
        height = max(y, max(near, default=y) + NAME_SHARE[1]) if near else y
        placed.append((x, height))
        text = axes.annotate(
            point.name,
            (point.x, point.y),
            xytext=(x + 0.02, height),
            textcoords="axes fraction",
            va="center",
            fontsize=7,
            color=point.colour,
            bbox={"facecolor": PAGE, "edgecolor": "none", "pad": 0.6, "alpha": 0.8},
            arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.5} if height > y else None,
        )
        # Names must not squeeze the axes.
        text.set_in_layout(False)


def _short_name(record: Record) -> str:
    bundle = record.document["bundle"]
    return f"{bundle['variant']} {bundle['precision']}" if bundle["variant"] else str(bundle["name"])


def _latency_band(axes: Any, seconds: np.ndarray, latencies: np.ndarray, colour: str) -> None:
    """Every sample where there are few; else, of each bin of time, the band from p5 to p95, the median, the slowest."""
    axes.set_ylabel("ms", fontsize=8)
    if len(seconds) <= 2 * BINS:
        axes.plot(seconds, latencies, ".", color=colour, markersize=3)
        return
    edges = np.linspace(seconds[0], seconds[-1], BINS + 1)
    bins = np.clip(np.searchsorted(edges, seconds, side="right") - 1, 0, BINS - 1)
    groups = [(edges[one], latencies[bins == one]) for one in range(BINS) if (bins == one).any()]
    times = [time for time, _ in groups]
    low, middle, high, slowest = (
        [float(reduce(one)) for _, one in groups]
        for reduce in (lambda one: np.percentile(one, 5), np.median, lambda one: np.percentile(one, 95), np.max)
    )
    axes.fill_between(times, low, high, color=colour, alpha=0.3, linewidth=0)
    axes.plot(times, middle, color=colour, linewidth=1.2)
    axes.plot(times, slowest, ".", color=INK, markersize=2)


def _lines(axes: Any, lines: Sequence[tuple[str, list[float], list[float]]], label: str) -> None:
    for place, (name, times, values) in enumerate(lines):
        axes.plot(times, values, color=series_colour(place + 1), linewidth=1.2, label=name)
    axes.set_ylabel(label, fontsize=8)
    _legend(axes)


def _legend(axes: Any) -> None:
    legend = axes.legend(fontsize=7, frameon=False, loc="best", ncols=2, handlelength=1.2)
    for text in legend.get_texts():
        text.set_color(INK)


def _sensor_lines(document: dict[str, Any], kind: str) -> list[tuple[str, list[float], list[float]]]:
    """(name, seconds, values) of each sensor of ``kind`` that said anything, four at most: those that moved most."""
    found = []
    times = document["sensors"]["times_s"]
    for series in document["sensors"]["series"]:
        pairs = [(time, value) for time, value in zip(times, series["values"], strict=True) if value is not None]
        if series["kind"] == kind and pairs:
            values = [value for _, value in pairs]
            found.append((max(values) - min(values), (series["name"], [time for time, _ in pairs], values)))
    return [line for _, line in sorted(found, key=lambda one: -one[0])[:4]]


def _slowed_spans(document: dict[str, Any]) -> list[tuple[float, float]]:
    """From when to when the machine said that it was slowed down."""
    times, spans = document["sensors"]["times_s"], []
    for series in document["sensors"]["series"]:
        if series["kind"] in ("throttle_bits", "cooling"):
            mask = 0xF if series["kind"] == "throttle_bits" else 0xFFFF
            for index, value in enumerate(series["values"]):
                if value is not None and int(value) & mask:
                    spans.append((times[index], times[min(index + 1, len(times) - 1)]))
    return spans


def _log_ms(axes: Any, limits: tuple[float, float] | None = None) -> None:
    """A logarithmic axis of milliseconds, labelled with plain numbers."""
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    axes.set_xscale("log")
    if limits is not None:
        axes.set_xlim(limits)
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5) if high / low < 300 else (1,)))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("ms", fontsize=8)
