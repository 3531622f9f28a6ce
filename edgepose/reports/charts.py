"""The plots of a report: how latencies are distributed, how they go with heat, and what accuracy costs."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from edgepose.records import Record
from edgepose.reports.inline_svg import (
    ALARM,
    INK,
    MUTED,
    PAGE,
    SERIES,
    inline_svg,
    letters,
    names_as_they_are,
    new_figure,
    series_colour,
    shortened,
    tidy,
)
from edgepose.reports.point_names import NamedPoint, name_points
from edgepose.reports.published import PublishedPoint

# Samples that a strip shows one by one; of more, as many evenly drawn by rank, the extremes among them.
DOTS = 400
# Bins of a timeline: more cannot be told apart on a phone.
BINS = 150
# Letters of a name across the page; of a sensor's, two side by side.
NAME_LETTERS = 58
SENSOR_LETTERS = 20
# Marks of devices beyond as many as there are colours: Matplotlib's, and as letters.
MARKS = tuple(zip("os^v<>*D", "●■▲▼◄►★◆", strict=True))
# Height of the names of points.
NAME_SIZE = 7


class LegendEntry(NamedTuple):
    """How a device is drawn: in the page's colour ``series``, as ``marker`` of Matplotlib, whose letter is ``mark``."""

    device: str
    series: int
    marker: str
    mark: str


class ParetoChart(NamedTuple):
    """The chart of accuracy over latency; its legend is for the page, where it can be as long as it likes."""

    svg: str
    legend: list[LegendEntry]


class _Point(NamedTuple):
    """A point of that chart; ``low`` to ``high`` is its interval, ``title`` tells all of it. Others' have no entry."""

    x: float
    y: float
    low: float
    high: float
    name: str
    title: str
    entry: LegendEntry | None


@names_as_they_are()
def distribution_chart(records: Sequence[Record]) -> str:
    """A strip of samples for each record: every one a tick; the box from p50 to p95, p99 and the slowest marked."""
    figure = new_figure(0.63 + 0.52 * len(records))
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
        name = _two_lines(record.name)
        text = axes.text(
            0, place - 0.27, name, transform=axes.get_yaxis_transform(), color=INK, fontsize=8, va="bottom"
        )
        # Names must not squeeze the axes.
        text.set_in_layout(False)
    axes.set_ylim(len(records) - 0.6, -0.9)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    _log_ms(axes)
    tidy(axes)
    return inline_svg(figure, "distribution")


def _two_lines(name: str) -> str:
    """``name`` on as many lines as fit above a strip; a little less than two full ones, as they break at words."""
    name = shortened(name, 2 * NAME_LETTERS - 16)
    return "\n".join(textwrap.wrap(name, NAME_LETTERS * len(name) // letters(name), max_lines=2, placeholder="…"))


@names_as_they_are()
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


@names_as_they_are()
def pareto_chart(records: Sequence[Record], published: Sequence[PublishedPoint]) -> ParetoChart | None:
    """Accuracy over latency: a panel for each set that PCKh was measured on, and one of what others published."""
    sets: dict[tuple[str, int], list[Record]] = {}
    for record in records:
        drift = record.document["drift"]
        if drift is not None and drift["pckh50"] is not None:
            sets.setdefault((drift["source"], drift["persons"]), []).append(record)
    if not sets:
        return None
    devices = sorted({record.device for ones in sets.values() for record in ones})
    entries = {
        device: LegendEntry(device, place % len(SERIES), *MARKS[place // len(SERIES) % len(MARKS)])
        for place, device in enumerate(devices)
    }
    panels = [
        (f"PCKh@50, {shortened(source, 30)} ({persons} persons)", [_measured(one, entries[one.device]) for one in ones])
        for (source, persons), ones in sets.items()
    ]
    if published:
        where = shortened(", ".join(sorted({point.device for point in published})), 40)
        title = f"published by others, not measured here:\nmAP, other data; {where}"
        panels.append((title, [_published(point) for point in published]))
    figure = new_figure(0.4 + 1.9 * len(panels))
    all_axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    times = [point.x for _, points in panels for point in points]
    titles: dict[str, str] = {}
    for axes, (title, points) in zip(all_axes, panels, strict=True):
        axes.set_title(title, fontsize=8, loc="left", color=INK)
        for point in points:
            gid = f"point{len(titles)}"
            titles[gid] = point.title
            _draw_point(axes, point, gid)
        for device in devices:
            _join_best(axes, [point for point in points if point.entry and point.entry.device == device])
        # On both sides, room for the names.
        _log_ms(axes, (min(times) / 2, max(times) * 4))
        axes.set_xlabel("")
        axes.margins(y=0.25)
        axes.set_ylim(top=min(axes.get_ylim()[1], 103))
        tidy(axes, grid="both")
    all_axes[-1].set_xlabel("ms, p50 of the whole call (published: as stated by their source)", fontsize=8)
    figure.draw_without_rendering()  # after which places are known
    for axes, (_, points) in zip(all_axes, panels, strict=True):
        name_points(axes, [_named(point) for point in points], NAME_SIZE)
    return ParetoChart(inline_svg(figure, "pareto", titles), list(entries.values()))


def _measured(record: Record, entry: LegendEntry) -> _Point:
    pckh = record.document["drift"]["pckh50"]
    bundle = record.document["bundle"]
    ms, total = record.document["latency_ms"]["total"]["p50"], pckh["total"]
    low, high = pckh["interval95"]
    name = f"{bundle['variant']} {bundle['precision']}" if bundle["variant"] else bundle["name"]
    title = f"{record.name}: {ms:.2f} ms, PCKh@50 {total:.1f} ({low:.1f} to {high:.1f})"
    return _Point(ms, total, min(low, total), max(high, total), name, title, entry)


def _published(point: PublishedPoint) -> _Point:
    title = f"{point.model}, {point.device}: {point.ms:g} ms, {point.metric} {point.value:g}"
    return _Point(point.ms, point.value, point.value, point.value, point.model, title, None)


def _named(point: _Point) -> NamedPoint:
    colour = INK if point.entry else MUTED
    return NamedPoint(point.x, point.y, point.low, point.high, point.name, colour, point.entry)


def _draw_point(axes: Any, point: _Point, gid: str) -> None:
    colour = series_colour(point.entry.series) if point.entry else MUTED
    marker, fill = (point.entry.marker, colour) if point.entry else ("D", "none")
    axes.vlines(point.x, point.low, point.high, color=colour, linewidth=0.8)
    axes.plot([point.x], [point.y], marker, color=colour, markerfacecolor=fill, gid=gid)


def _join_best(axes: Any, points: Sequence[_Point]) -> None:
    """A line through those of a device's ``points`` that none of its others beats in both."""
    points = sorted(points, key=lambda point: (point.x, -point.y))
    best = [point for number, point in enumerate(points) if all(point.y > other.y for other in points[:number])]
    if best and best[0].entry:
        colour = series_colour(best[0].entry.series)
        axes.plot([point.x for point in best], [point.y for point in best], "--", color=colour, linewidth=0.9)


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
    drawn = [
        axes.plot(times, values, color=series_colour(place + 1), linewidth=1.2)[0]
        for place, (_, times, values) in enumerate(lines)
    ]
    axes.set_ylabel(label, fontsize=8)
    names = [shortened(name, SENSOR_LETTERS) for name, *_ in lines]
    axes.legend(drawn, names, fontsize=7, frameon=False, loc="best", ncols=2, handlelength=1.2, labelcolor=INK)


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
