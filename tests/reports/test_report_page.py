import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_records import tiny_record, with_latencies

from edgepose.records import Record
from edgepose.reports import render_page
from edgepose.reports.published import published_points
from edgepose.runtime.errors import UsageError

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SOAK = [10.0 + 0.01 * (number % 9) + 4.0 * (number >= 300) for number in range(600)]


def throttled_record():
    """A sustained load that gets hot and slow in its second half."""
    record = with_latencies(tiny_record(device="nursery <b>Pi</b>"), SOAK)
    record["settings"]["scenario"] = "sustained"
    record["sensors"] = {
        "times_s": [0.0, 3.0, 6.0],
        "took_ms": [1.0] * 3,
        "series": [
            {"kind": "temperature", "name": "cpu-thermal", "unit": "C", "values": [48.0, 80.0, 84.5]},
            {"kind": "throttle_bits", "name": "throttle bits", "unit": "bits", "values": [0, 6, 6]},
        ],
        "absent": {"power": "no INA3221 monitor"},
    }
    record["throttling"] = {
        "throttled": True, "now": ["throttled"], "since_boot": [], "share_of_samples": 0.67, "reason": None
    }  # fmt: skip
    record["warnings"] = ["THROTTLED in 67% of the samples: throttled", f"cannot read /sys/{120 * 'x'}"]
    record["gate"] = {"held": False, "bounds": [{"measure": "p95", "value": 14.1, "at_most": 12.0, "held": False}]}
    return record


@pytest.fixture
def page():
    documents = [throttled_record(), tiny_record(), tiny_record(device="emu", kind="emulated")]
    documents[2]["latency_ms"]["total"]["p50"] = 4321.0987
    return render_page([Record(Path("a.json"), one) for one in documents], "the boards")


class Parsed(HTMLParser):
    """Every tag must be closed; what the page would fetch is kept."""

    void = ("meta", "img", "br", "path", "use", "rect", "circle", "line")

    def __init__(self, page):
        super().__init__()
        self.open, self.fetched, self.ids, self.tags = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            if name in ("src", "href", "xlink:href", "data", "srcset", "action"):
                self.fetched.append(value)
            if name == "id":
                self.ids.append(value)
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in self.open:
            assert self.open.pop() == tag


def test_the_page_needs_nothing_beside_itself(page):
    parsed = Parsed(page)
    assert parsed.open == []
    assert all(value.startswith(("data:image/jpeg;base64,", "#")) for value in parsed.fetched)
    assert not {"script", "link", "iframe"} & set(parsed.tags)
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_ids_are_unique_and_links_lead_to_them(page):
    parsed = Parsed(page)
    assert len(parsed.ids) == len(set(parsed.ids))
    for value in parsed.fetched:
        assert value.startswith("data:") or value[1:] in parsed.ids


def test_a_run_that_throttled_says_so_in_every_view(page):
    assert page.count("THROTTLED") >= 2  # the note above all, and the timeline
    assert 'class="tag alarm">throttled' in page
    assert "var(--alarm)" in page[page.index("Latency and heat") :]


def test_emulated_times_are_nowhere(page):
    assert "emulated" in page
    # As a number of its own: the identifiers and coordinates of the charts may hold the same digits.
    assert not re.search(r"(?<![\w.])4321(?!\w)", page)


def test_names_are_text_and_not_markup(page):
    assert "<b>Pi</b>" not in page
    assert "nursery &lt;b&gt;Pi&lt;/b&gt;" in page


def test_gates_and_reasons_are_told(page):
    assert "gate not held" in page
    assert "no INA3221 monitor" in page
    assert "sustained load" in page


def test_the_same_records_give_the_same_page():
    records = [Record(Path("a.json"), throttled_record())]
    assert render_page(records) == render_page(records)


def test_no_record_and_too_many_are_refused():
    for count in (0, 61):
        with pytest.raises(UsageError, match="1 to 60 records"):
            render_page([Record(Path("a.json"), tiny_record())] * count)


def test_published_points_are_marked_as_others(page):
    record = tiny_record()
    shares = {"joints": 64, "total": 70.6, "interval95": [68.0, 72.0], "per_joint": {}, "per_joint_interval95": {}}
    record["drift"].update(pckh50=shares)
    page = render_page([Record(Path("a.json"), record)])
    section = page[page.index("Accuracy and latency") : page.index("Drift, joint by joint")]
    for point in published_points():
        assert point.model in section
        assert point.source in section
    assert "published by others, not measured here" in section


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_it_at_any_width(width, page, tmp_path):
    """Nothing sticks out to the right, and there is something to see in the plots."""
    (tmp_path / "report.html").write_text(page)
    frame = f'<body style="margin:0"><iframe src="report.html" style="width:{width}px;height:3000px;border:0"></iframe>'
    (tmp_path / "frame.html").write_text(frame)
    measure = page.replace(
        "</body>",
        "<script>document.title = document.documentElement.scrollWidth + ' ' + document.documentElement.clientWidth;"
        "document.body.prepend(document.title)</script></body>",
    )
    (tmp_path / "report.html").write_text(measure)
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width + 200},3000",
    ]  # fmt: skip
    picture = tmp_path / "shot.png"
    subprocess.run(
        [*command, f"--screenshot={picture}", f"file://{tmp_path}/frame.html"], check=True, capture_output=True
    )
    shot = cv2.imread(str(picture))
    assert (shot[:, width:] == 255).all()  # the frame's width is kept
    seen = shot[:, :width]
    for colour in ((0xB8, 0x6F, 0x0B), (0x0B, 0x57, 0xD1)):  # of the first two series, BGR
        assert (np.abs(seen.astype(int) - colour).max(axis=2) < 24).sum() > 30
    # The page's own measure: nothing is wider than the window. Of the page itself, at the frame's width.
    dumped = subprocess.run(
        [*command, "--dump-dom", f"file://{tmp_path}/report.html"], check=True, capture_output=True, text=True
    ).stdout
    inner, window = map(int, re.search(r"<title>(\d+) (\d+)</title>", dumped).groups())
    assert inner <= window


def test_runs_of_one_device_and_bundle_are_told_apart_by_their_files():
    records = [Record(Path(f"{name}.json"), tiny_record(device="pi")) for name in ("before", "after")]
    page = render_page([*records, Record(Path("other.json"), tiny_record(device="orin"))])
    assert "pi (before)" in page
    assert "pi (after)" in page
    assert "orin (" not in page


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["before/nursery.json", "after/nursery.json"], ["before/nursery", "after/nursery"]),
        (["lab/a/x.json", "lab/x.json", "lab/y.json"], ["a/x", "x", "y"]),
        (["one/../x.json", "x.json"], ["x 1", "x 2"]),
    ],
)
def test_files_of_one_name_are_told_apart_by_their_folders_or_numbers(paths, names):
    page = render_page([Record(Path(path), tiny_record(device="pi")) for path in paths])
    told = re.findall(r"<summary>pi \((.*?)\), ", page)
    assert sorted(told) == sorted(names)
