"""``edgepose report``: as a user types it."""

import pytest
from tiny_records import tiny_record, write_record


@pytest.fixture
def record(tmp_path):
    return write_record(tmp_path / "record.json", tiny_record(device="lab"))


def test_a_dash_prints_the_page_that_a_file_gets(type_command, record, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    printed = type_command("report", record, "-o", "-")
    assert (printed.code, printed.err) == (0, "")
    assert not (tmp_path / "-").exists()
    assert type_command("report", record, "-o", "page.html").code == 0
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == printed.out


def test_a_page_does_not_replace_a_record(type_command, record, tmp_path):
    before = record.read_bytes()
    (tmp_path / "link.html").symlink_to(record)
    for output in (record, tmp_path / "link.html"):
        typed = type_command("report", tmp_path, "-o", output)
        assert (typed.code, "it would be replaced" in typed.err) == (2, True)
        assert record.read_bytes() == before


def test_a_title_that_is_no_text_is_shown_as_far_as_it_is(type_command, record, tmp_path):
    assert type_command("report", record, "-o", tmp_path / "page.html", "--title", "x\udce9y").code == 0
    assert "<title>x?y</title>" in (tmp_path / "page.html").read_text(encoding="utf-8")
