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
