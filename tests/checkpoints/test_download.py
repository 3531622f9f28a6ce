"""Downloads from a server of our own that breaks off, lies, and forgets."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgepose.checkpoints import download as download_module
from edgepose.checkpoints.download import download
from edgepose.runtime.errors import CheckpointError, EdgeposeError

CONTENTS = bytes(range(256)) * 1000


class Server(ThreadingHTTPServer):
    """Serves ``contents`` at any path. ``breaks_after``: bytes sent of each answer before the line goes dead."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.contents = CONTENTS
        self.status = 200
        self.breaks_after: int | None = None
        self.knows_ranges = True
        self.tells_length = True
        self.ranges: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/file"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        wanted = self.headers["Range"]
        server.ranges.append(wanted)
        if server.status != 200:
            self.send_error(server.status)
            return
        body, status = server.contents, 200
        if wanted and server.knows_ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                self.send_error(416)
                return
            body, status = body[start:], 206
        self.send_response(status)
        if server.tells_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.breaks_after])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def destination(tmp_path) -> Path:
    return tmp_path / "weights" / "file.h5"


def is_right(contents: bytes) -> bool:
    return contents == CONTENTS


def files(destination: Path) -> set[str]:
    return {path.name for path in destination.parent.iterdir() if not path.name.endswith(".lock")}


def test_a_file_arrives_whole_and_reports_progress(server, destination):
    reported = []
    download(server.url, destination, is_right, lambda done, total: reported.append((done, total)))
    assert destination.read_bytes() == CONTENTS
    assert files(destination) == {"file.h5"}
    assert reported == sorted(reported)
    assert reported[-1] == (len(CONTENTS), len(CONTENTS))


def test_a_file_that_is_right_is_not_fetched_again(server, destination):
    for _ in range(2):
        download(server.url, destination, is_right)
    assert len(server.ranges) == 1


def test_another_file_in_its_place_is_kept_beside(server, destination):
    destination.parent.mkdir()
    destination.write_bytes(b"somebody's own")
    download(server.url, destination, is_right)
    assert destination.read_bytes() == CONTENTS
    assert destination.with_name("file.h5.old").read_bytes() == b"somebody's own"


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(breaks=st.lists(st.integers(1, len(CONTENTS) // 4), min_size=1, max_size=3))
def test_a_broken_download_continues_where_it_broke_off(breaks, server, destination):
    destination.unlink(missing_ok=True)
    server.ranges.clear()
    done = 0
    for server.breaks_after in breaks:
        done += server.breaks_after
        with pytest.raises(CheckpointError, match=f"broke after {done} of {len(CONTENTS)} bytes") as error:
            download(server.url, destination, is_right)
        assert "continues" in error.value.hint
        assert files(destination) == {"file.h5.part"}
    server.breaks_after = None
    reported = []
    download(server.url, destination, is_right, lambda *numbers: reported.append(numbers))
    assert destination.read_bytes() == CONTENTS
    assert server.ranges[-1] == f"bytes={done}-"
    assert reported[0][0] > done
    assert reported[-1] == (len(CONTENTS), len(CONTENTS))


def test_a_server_that_knows_no_ranges_sends_all_again(server, destination):
    server.breaks_after = 1000
    with pytest.raises(CheckpointError, match="broke after 1000"):
        download(server.url, destination, is_right)
    server.breaks_after, server.knows_ranges = None, False
    download(server.url, destination, is_right)
    assert destination.read_bytes() == CONTENTS


@pytest.mark.parametrize("left_over", [b"rubbish", CONTENTS + b"rubbish", CONTENTS[:-1] + b"!"])
def test_rubbish_from_an_earlier_run_is_thrown_away(left_over, server, destination):
    destination.parent.mkdir()
    destination.with_name("file.h5.part").write_bytes(left_over)
    download(server.url, destination, is_right)
    assert destination.read_bytes() == CONTENTS


def test_a_whole_part_needs_no_more_bytes(server, destination):
    destination.parent.mkdir()
    destination.with_name("file.h5.part").write_bytes(CONTENTS)
    download(server.url, destination, is_right)
    assert destination.read_bytes() == CONTENTS
    assert len(server.ranges) == 1


def test_contents_of_another_digest_are_refused_and_not_kept(server, destination):
    server.contents = CONTENTS[:-1] + b"!"
    with pytest.raises(CheckpointError, match="its digest differs"):
        download(server.url, destination, is_right)
    assert files(destination) == set()


@pytest.mark.parametrize("status", [404, 403, 500])
def test_an_error_of_the_server_is_passed_on(status, server, destination):
    server.status = status
    with pytest.raises(CheckpointError, match=f"answers {status}") as error:
        download(server.url, destination, is_right)
    assert str(destination) in error.value.hint
    assert files(destination) == set()


def test_a_server_that_does_not_tell_the_length_will_do(server, destination):
    server.tells_length = False
    reported = []
    download(server.url, destination, is_right, lambda *numbers: reported.append(numbers))
    assert destination.read_bytes() == CONTENTS
    assert reported[-1] == (len(CONTENTS), None)


@pytest.mark.parametrize("tells_length", [True, False])
def test_more_bytes_than_any_checkpoint_has_are_refused(tells_length, server, destination, monkeypatch):
    monkeypatch.setattr(download_module, "MAX_CHECKPOINT_BYTES", len(CONTENTS) - 1)
    server.tells_length = tells_length
    with pytest.raises(CheckpointError, match="larger than any checkpoint"):
        download(server.url, destination, is_right)
    assert files(destination) == set()


def test_two_at_once_fetch_once(server, destination):
    failures = []

    def fetch() -> None:
        try:
            download(server.url, destination, is_right)
        except EdgeposeError as error:
            failures.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert destination.read_bytes() == CONTENTS
    assert len(server.ranges) == 1


def test_a_folder_that_cannot_be_made_is_an_error_with_a_hint(server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EdgeposeError, match="cannot write"):
        download(server.url, tmp_path / "file" / "weights.h5", is_right)


def test_an_interrupted_download_leaves_only_its_part(server, destination):
    def interrupt(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(server.url, destination, is_right, interrupt)
    assert files(destination) == {"file.h5.part"}
    download(server.url, destination, is_right)
    assert destination.read_bytes() == CONTENTS
