"""Plots as SVG that a page holds inline: as wide as its place, and in the page's own colours and letters.

Matplotlib knows colours only as numbers. A plot is drawn in the numbers of :data:`INKS`, which become the page's CSS
variables here, so that one plot serves a light and a dark page.
"""

from __future__ import annotations

import contextlib
import html
import io
import re
import unicodedata
import warnings
from collections.abc import Iterator, Mapping
from typing import Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Number that Matplotlib draws in -> CSS variable of the page.
INKS = {"#010101": "--ink", "#7f7f01": "--muted", "#dddd01": "--grid", "#fefefe": "--page", "#ee0102": "--alarm"}
INK, MUTED, GRID, PAGE, ALARM = INKS
# Colours of devices or bundles, in order.
SERIES = tuple(f"#0{number}0{number}fe" for number in range(8))
# Inches: on a phone, letters come out as large as they are drawn.
WIDTH = 4.6
FONT_SIZE = 9
# Width of a letter, of its height: as much as the widest of the fonts that pages are shown in takes on average.
LETTER = 0.65


def series_colour(number: int) -> str:
    """The colour of the ``number``-th of several, to draw in; they repeat after eight."""
    return SERIES[number % len(SERIES)]


@contextlib.contextmanager
def names_as_they_are() -> Iterator[None]:
    """Where plots are made: ``$`` begins no formula, and letters that Matplotlib lacks are left to the page's fonts."""
    with mpl.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        yield


def letters(text: str) -> int:
    """How many letters wide ``text`` is; those of East Asia, and emoji, take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def shortened(text: str, most: int) -> str:
    """``text`` on one line, at most ``most`` letters wide: its middle gives way, as names differ at their ends."""
    text = " ".join(text.split())
    if letters(text) <= most:
        return text
    head, tail = text[:most], text[-most:]
    while letters(head + tail) > most - 1:
        head, tail = (head[:-1], tail) if len(head) > len(tail) else (head, tail[1:])
    return f"{head}…{tail}"


def new_figure(height: float) -> Figure:
    """An empty figure of the page's width and ``height`` inches."""
    return Figure(figsize=(WIDTH, height), layout="constrained")


def tidy(axes: Axes, grid: Literal["both", "x", "y"] = "x") -> None:
    """Take away what is not data, and ink the rest."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED)
    axes.tick_params(which="both", colors=MUTED, labelcolor=INK, labelsize=FONT_SIZE - 1)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    axes.patch.set_alpha(0)
    axes.grid(axis=grid, color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)


def inline_svg(figure: Figure, salt: str, titles: Mapping[str, str] | None = None) -> str:
    """``figure`` as an ``<svg>`` element. The same figure and ``salt`` give the same text.

    ``titles`` are by gid of Matplotlib: the words that a browser shows where the pointer rests on what has it.
    """
    figure.patch.set_alpha(0)
    drawn = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": salt, "svg.fonttype": "none", "font.size": FONT_SIZE}):
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = drawn.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # As wide as the page lets it be, in its own proportions.
    text = re.sub(r'<svg [^>]*?viewBox="([^"]+)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true">', text, count=1)
    # Some releases of Matplotlib write one property, some several.
    text = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font: \1 system-ui, sans-serif", text)
    text = re.sub(r"font-family: [^;\"]*", "font-family: system-ui, sans-serif", text)
    # Ids must be the page's only ones of their name.
    text = re.sub(r'\bid="([^"]+)"', rf'id="{salt}-\1"', text)
    text = re.sub(r'(xlink:href="#|url\(#)', rf"\1{salt}-", text)
    for ink, variable in INKS.items():
        text = text.replace(ink, f"var({variable})")
    for number, colour in enumerate(SERIES):
        text = text.replace(colour, f"var(--series-{number})")
    for gid, words in (titles or {}).items():
        group = f'<g id="{salt}-{gid}">'
        text = text.replace(group, f"{group}<title>{html.escape(words)}</title>")
    return text
