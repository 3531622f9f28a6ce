"""The plots of a report: whatever the number and the names of records, all can be read."""

import html
import json
import re
import shutil
import subprocess
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_records import tiny_record, with_latencies

from edgepose.records import Record
from edgepose.reports import render_page
from edgepose.reports.charts import distribution_chart, pareto_chart, timeline_chart
from edgepose.reports.inline_svg import letters, shortened
from edgepose.reports.published import published_points

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
BOARDS = ["nursery", "hall", "Raspberry Pi 5", "Jetson Nano", "Jetson Orin Nano", "Coral Dev Board"]
LONG = [f"building {one % 5} corridor west nursery camera {one} (Raspberry Pi 4 Model B Rev 1.4)" for one in range(29)]
SETS = {
    "one": [("desk", 12.0, 70.8)],
    "two": [("desk", 12.0, 70.8), ("desk", 8.0, 70.1)],
    "one machine": [("desk", 12 + 0.02 * one, 70.8 + 0.1 * (one % 3)) for one in range(7)],
    "six boards": [(b, 40 / (1 + n), 70.8 - drop + 0.1 * n) for n, b in enumerate(BOARDS) for drop in (0, 0.7)],
    "long names": [(n, 5 * 1.15**k, 68 + k * 7 % 4) for k, n in enumerate([*LONG, 79 * "x"])],
    "at the top": [("desk", 12.0, 100.0), ("hall", 15.0, 99.5), (30 * "托儿所", 19.0, 99.9)],
}

# Every text that leaves its drawing, and of the names of points (7 px) those outside their panel, or over something.
JUDGE = """
const shrunk = (e) => { const r = e.getBoundingClientRect();
  return {l: r.left + 1, r: r.right - 1, t: r.top + 1, b: r.bottom - 1, text: e.textContent.trim()}; };
const within = (a, b) => a.l >= b.l - 2 && a.r <= b.r + 2 && a.t >= b.t - 2 && a.b <= b.b + 2;
const over = (a, b) => a.l < b.r && b.l < a.r && a.t < b.b && b.t < a.b;
const faults = [];
let names = 0;
for (const svg of document.querySelectorAll("svg")) {
  const texts = [...svg.querySelectorAll("text")];
  for (const one of texts) {
    const box = shrunk(one);
    if (!within(box, shrunk(svg))) faults.push("cut off: " + box.text);
    for (const other of texts)
      if (one !== other && over(box, shrunk(other))) faults.push(box.text + " over " + shrunk(other).text);
    if (!/font(-size)?: 7px/.test(one.getAttribute("style"))) continue;
    names += 1;
    const axes = one.closest('[id*="-axes_"]');
    if (!within(box, shrunk(axes.querySelector('[id*="-patch_"]')))) faults.push("outside: " + box.text);
    for (const point of axes.querySelectorAll('[id*="-point"] use'))
      if (over(box, shrunk(point))) faults.push("over a point: " + box.text);
  }
}
document.title = JSON.stringify([names, faults]);
"""


def record(device, ms, pckh):
    document = with_latencies(tiny_record(device=device), [ms, ms * 1.1, ms * 1.2])
    shares = {"joints": 64, "per_joint": {}, "per_joint_interval95": {}}
    document["drift"]["pckh50"] = {**shares, "total": pckh, "interval95": [pckh - 2, min(100, pckh + 2)]}
    return Record(Path("a.json"), document)


def sensed():
    """A run beside which four sensors of long names were read."""
    one = record("desk", 12.0, 70.0)
    names = [f"/sys/class/thermal/zone of the {place} of the board $" for place in ("cpu", "gpu", "top", "side")]
    series = [{"kind": "temperature", "name": name, "unit": "C", "values": [48.0, 80.0]} for name in names]
    one.document["sensors"] = {"times_s": [0.0, 0.04], "took_ms": [1.0, 1.0], "series": series, "absent": {}}
    return one


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("width", [1100, 390])
def test_names_are_whole_inside_their_panels_and_over_nothing(width, tmp_path):
    charts = []
    for ones in SETS.values():
        records = [record(*one) for one in ones]
        # On two sets, one with a long name.
        records[-1].document["drift"]["source"] = 80 * "x"
        charts += [distribution_chart(records), pareto_chart(records, published_points()).svg]
    charts.append(timeline_chart(sensed(), 0))
    style = "svg { display: block; width: 100%; margin-bottom: 2em }"
    (tmp_path / "charts.html").write_text(
        f"<!DOCTYPE html><meta charset=utf-8><style>{style}</style><div style='width:{min(width - 58, 710)}px'>"
        f"{''.join(charts)}</div><script>{JUDGE}</script>"
    )
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", f"file://{tmp_path}/charts.html",
    ]  # fmt: skip
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # The page has one title of its own; those of points are in the drawings.
    names, faults = json.loads(html.unescape(re.findall(r"<title>(\[.*?\])</title>", shown)[0]))
    assert faults == []
    assert names > 40


def test_a_long_list_of_devices_is_told_below_the_chart_in_marks_of_its_own():
    chart = pareto_chart([record(*one) for one in SETS["long names"]], published_points())
    assert [one.device for one in chart.legend] == sorted([*LONG, 79 * "x"])
    assert len({(one.series, one.mark) for one in chart.legend}) == 30


def test_every_point_tells_what_it_is_under_the_pointer():
    chart = pareto_chart([record(*one) for one in SETS["one machine"]], published_points())
    titles = re.findall(r"<title>(.*?)</title>", chart.svg)
    assert len(titles) == 7 + len(published_points())
    assert re.fullmatch(r"desk, .*: 13\.20 ms, PCKh@50 70\.8 \(68\.8 to 72\.8\)", titles[0])
    # Lying on each other, and alike: one name serves.
    assert len(re.findall(r"font(?:-size)?: 7px", chart.svg)) == 1 + len(published_points())


def test_the_same_records_give_the_same_charts():
    first, again = (pareto_chart([record(*one) for one in SETS["six boards"]], published_points()) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("label", [r"$\bad$", "lab $5 or $6", "_under", "托儿所 👶", 'a <b> & "c"', "^{x}_2 \\frac"])
def test_labels_stand_in_the_charts_as_they_were_typed(label):
    page = render_page([record(label, 12.0, 70.0)])
    drawn = html.unescape(page[page.index('id="latency"') :])
    assert f">{label}, " in drawn.replace("-->", "")
    assert f"</span> {label}</li>" in drawn


@given(st.text(), st.integers(3, 60))
def test_a_shortened_name_is_no_wider_than_it_may_be(text, most):
    short = shortened(text, most)
    assert letters(short) <= most
    assert short == " ".join(text.split()) or "…" in short
