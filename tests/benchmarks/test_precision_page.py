import xml.etree.ElementTree as ElementTree

import pytest
from quantisation_records import write_half_precision, write_records

pytest.importorskip("matplotlib")
pytest.importorskip("scipy")

from benchmarks.precision_page import BEGIN, DOCS, END, write_page
from benchmarks.precision_records import read_records, read_speeds

PLOTS = ["precision-loss.svg", "precision-agreement.svg", "precision-speed.svg"]


@pytest.fixture
def docs(tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "precision.md").write_text(f"# Before\n\n{BEGIN}\nold figures\n{END}\n\nAfter.\n")
    return docs


def test_records_are_read_in_the_order_of_the_variants_with_their_verdicts(tmp_path):
    write_records(tmp_path, ("RT_LITE", "I", "RT"))
    records = read_records(tmp_path)
    assert [record.variant for record in records] == ["RT", "I", "RT_LITE"]
    assert records[0].pckh50 == pytest.approx(100 * 19 / 28)
    verdicts = {row.name: row.holds for row in records[0].rows}
    assert verdicts == {"fp16": True, "int8": True, "mixed": True, "symmetric": False}
    assert [peer.holds for peer in records[0].peers] == [None]
    assert records[0].peers[0].name == "minmax"
    assert records[1].peers == []


def test_half_precision_is_recorded_apart_and_read_with_the_others(tmp_path):
    write_records(tmp_path, ("RT", "I"))
    write_half_precision(tmp_path, "RT")
    rows = {record.variant: [row.name for row in record.rows] for record in read_records(tmp_path)}
    assert rows["RT"] == [*rows["I"], "half"]


def test_speeds_are_ratios_of_medians_on_one_thread(tmp_path):
    write_records(tmp_path, ("RT",))
    speeds = {one.engine: one for one in read_speeds(tmp_path)}
    assert speeds["edgepose int8"].ratio == pytest.approx(20.2 / 8.1)
    assert speeds["edgepose"].low <= 20.2 / 14.1 <= speeds["edgepose"].high
    assert len(speeds) == 2


def test_the_page_gets_tables_and_plots_and_keeps_its_text(docs, tmp_path):
    write_records(tmp_path / "results")
    write_half_precision(tmp_path / "results", "RT")
    written = write_page(tmp_path / "results", docs)
    assert [path.name for path in written] == ["precision.md", *PLOTS]
    text = (docs / "precision.md").read_text()
    assert text.startswith(f"# Before\n\n{BEGIN}\n")
    assert text.endswith(f"{END}\n\nAfter.\n")
    assert "old figures" not in text
    assert "| **RT**, float 67.9 / 17.9 | fp16 TFLite, *measured* | 0.01 (-0.39 to 0.41, bound 0.8) |" in text
    assert "symmetric Q/DQ, *host-simulated* | 0.90 (0.50 to 1.30, bound 0.8)" in text
    assert "fp16 TensorRT, *host-simulated* | 0.02 (-0.38 to 0.42, bound 0.8)" in text
    assert text.count("**✗**") == 2
    assert "| minmax | 7.00 (6.60 to 7.40) |" in text
    for name in PLOTS:
        assert f"({name})" in text
        assert ElementTree.parse(docs / name).getroot().tag.endswith("svg")


def test_the_same_records_give_the_same_bytes(docs, tmp_path):
    write_records(tmp_path / "results")
    first = [path.read_bytes() for path in write_page(tmp_path / "results", docs)]
    assert [path.read_bytes() for path in write_page(tmp_path / "results", docs)] == first


def test_without_the_speed_of_int8_there_is_no_plot_of_it(docs, tmp_path):
    write_records(tmp_path / "results")
    (tmp_path / "results" / "network.json").unlink()
    assert [path.name for path in write_page(tmp_path / "results", docs)] == ["precision.md", *PLOTS[:2]]
    assert "precision-speed" not in (docs / "precision.md").read_text()


def test_without_records_the_page_says_so(docs, tmp_path):
    assert write_page(tmp_path, docs) == [docs / "precision.md"]
    assert "Nothing is recorded yet." in (docs / "precision.md").read_text()


def test_a_page_without_marks_is_left_alone(docs, tmp_path):
    (docs / "precision.md").write_text("mine")
    with pytest.raises(ValueError, match="marks"):
        write_page(tmp_path, docs)
    assert (docs / "precision.md").read_text() == "mine"


def test_our_own_page_has_the_marks_in_order():
    before, _, rest = (DOCS / "precision.md").read_text().partition(BEGIN)
    assert END not in before
    assert END in rest
