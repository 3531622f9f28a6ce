"""How a board comes by its engine: built once, found again, built anew where it does not fit, never twice at once."""

import glob
import hashlib
import json
import os
import signal
import subprocess
import sys

import pytest
from board_double import ORIN, tensorrt_spec
from tensorrt_double import VERSIONS

from edgepose.runtime.backends.tensorrt.board import Board
from edgepose.runtime.backends.tensorrt.build import workspaces
from edgepose.runtime.backends.tensorrt.engine_cache import EngineCache
from edgepose.runtime.backends.tensorrt.options import TensorRtOptions
from edgepose.runtime.errors import EdgeposeError, EngineError, UsageError


def files(board, pattern="*"):
    return sorted(glob.glob(os.path.join(board.folder, pattern)))


def change_file(path, change):
    with open(path, "rb") as file:
        data = file.read()
    with open(path, "wb") as file:
        file.write(change(data))


@pytest.mark.parametrize("version", VERSIONS)
def test_an_engine_is_built_once_and_found_again(new_board, version, told):
    board = new_board(version)
    with board.open() as backend:
        assert backend.record.built
        assert (backend.library, backend.version) == ("TensorRT", version + ".1.8")
    assert "building the TensorRT engine for this board" in told()
    with board.open() as backend:
        record = backend.record
    assert not record.built
    assert len(board.world.built) == 1
    assert record.path == files(board, "*.engine")[0]
    assert (record.jetpack, record.l4t, record.key.board) == ("4.6.6", "32.7.6", board.board.model)
    assert record.bytes > 0
    assert record.to_dict()["key"]["compute_capability"] == (5, 3)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_a_precision_is_asked_for_where_types_do_not_say_it(new_board, version, precision):
    board = new_board(version, compute_capability=(8, 7))
    board.open(spec=tensorrt_spec(precision=precision, half=version == "11.4")).close()
    flags = {"fp32": [], "fp16": ["FP16"], "int8": ["FP16", "INT8"]}[precision]
    assert board.world.built[0]["flags"] == ([] if version == "11.4" else flags)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda board: setattr(board, "version", "8.4"), "tensorrt was 8.2.1.8"),
        (lambda board: setattr(board.world, "release", "1.9"), "tensorrt was 8.2.1.8"),
        (lambda board: setattr(board.cuda, "compute_capability", (7, 2)), "compute capability was 5.3"),
        (lambda board: setattr(board, "board", Board(ORIN, None, None)), "board was NVIDIA Jetson Nano"),
    ],
)
def test_an_engine_of_another_board_or_version_is_not_used(new_board, told, change, words):
    board = new_board("8.2")
    board.open().close()
    change(board)
    with board.open() as backend:
        assert backend.record.built
    assert words in told()
    assert len(files(board, "*.engine")) == 2


def test_precision_and_graph_and_accelerator_have_engines_of_their_own(new_board):
    board = new_board("8.5", compute_capability=(7, 2))
    board.world.dla_cores = 2
    board.open().close()
    board.open(spec=tensorrt_spec(precision="fp32")).close()
    board.open(onnx=b"another graph").close()
    board.open(dla=0).close()
    board.open(dla=1).close()
    assert len(board.world.built) == len(files(board, "*.engine")) == 5


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: b"",
        lambda data: b"\xff\xfe" * 100,
        lambda data: data + b"more",
        lambda data: b"{}\n" + data,
        lambda data: data.replace(b'"schema": 1', b'"schema": 9'),
        lambda data: b"[" * 65536,
    ],
)
def test_a_damaged_engine_is_built_anew(new_board, told, damage):
    board = new_board()
    board.open().close()
    change_file(files(board, "*.engine")[0], damage)
    with board.open() as backend:
        assert backend.record.built
    assert "damaged" in told()
    with board.open() as backend:
        assert not backend.record.built


def test_an_engine_under_another_name_is_not_used(new_board, told):
    board = new_board()
    board.open().close()
    board.open(spec=tensorrt_spec(precision="fp32")).close()
    one, other = files(board, "*.engine")
    os.replace(one, other)
    board.open().close()
    board.open(spec=tensorrt_spec(precision="fp32")).close()
    assert len(board.world.built) == 4
    assert "another one's" in told()


def test_an_engine_that_tensorrt_does_not_load_is_built_anew(new_board, told):
    board = new_board()
    board.open().close()

    def other_magic(data):
        header, engine = data.split(b"\n", 1)
        engine = engine.upper()
        document = dict(json.loads(header.decode()), sha256=hashlib.sha256(engine).hexdigest())
        return json.dumps(document).encode() + b"\n" + engine

    change_file(files(board, "*.engine")[0], other_magic)
    with board.open() as backend:
        assert backend.record.built
    assert "TensorRT does not load the engine kept for it" in told()


def test_an_engine_that_does_not_fit_into_memory_is_not_built_anew(new_board):
    board = new_board()
    board.open().close()
    board.world.load_failure = "[executionContext] CUDA out of memory"
    with pytest.raises(EngineError, match="not enough free memory to load the engine") as caught:
        board.open()
    assert "swapon" in caught.value.hint
    assert len(board.world.built) == 1


def test_an_engine_is_rebuilt_where_that_is_asked_for(new_board):
    board = new_board()
    board.open().close()
    with board.open(rebuild=True) as backend:
        assert backend.record.built
    assert len(board.world.built) == 2


def test_a_second_build_at_the_same_time_is_refused(new_board):
    board = new_board()
    refused = []

    def second():
        board.world.during_build = lambda: None
        with pytest.raises(EngineError, match=r"another process \(pid {}\) is building".format(os.getpid())) as caught:
            board.open()
        refused.append(caught.value.hint)

    board.world.during_build = second
    board.open().close()
    assert "wait until it is done" in refused[0]
    assert len(board.world.built) == 1
    with board.open() as backend:
        assert not backend.record.built


_HOLDER = """
import sys, time
from edgepose.runtime.backends.tensorrt.lock import build_lock
with build_lock(sys.argv[1], 256) as lock:
    lock.note_workspace(128)
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_killed_build_frees_its_lock_and_the_next_takes_less_memory(new_board, told):
    board = new_board()
    board.open().close()
    lock = files(board, "*.lock")[0]
    holder = subprocess.Popen([sys.executable, "-c", _HOLDER, lock], stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(EngineError, match=r"another process \(pid {}\)".format(holder.pid)):
            board.open(rebuild=True)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        board.open(rebuild=True).close()
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    assert board.world.built[-1]["workspace_mb"] == 64
    assert "killed with a workspace of 128 MB" in told()
    board.open(rebuild=True).close()
    assert board.world.built[-1]["workspace_mb"] == 256


def test_less_workspace_is_tried_where_memory_runs_out(new_board, told):
    board = new_board()
    board.world.memory_mb = 70
    with board.open() as backend:
        assert backend.record.workspace_mb == 64
    assert told().count("memory ran out with a workspace of") == 2


@pytest.mark.parametrize("version", VERSIONS)
def test_where_no_workspace_fits_the_user_is_told_of_swap(new_board, version):
    board = new_board(version)
    board.world.memory_mb = 1
    with pytest.raises(EngineError, match="not enough free memory") as caught:
        board.open()
    assert "out of memory" in caught.value.message
    assert "swapon" in caught.value.hint
    assert files(board, "*.engine") == []
    assert board.released


def test_a_build_out_of_python_memory_takes_less(new_board):
    board = new_board()
    failures = [MemoryError(), MemoryError()]

    def fail():
        if failures:
            raise failures.pop()

    board.world.during_build = fail
    board.open().close()
    assert board.world.built[0]["workspace_mb"] == 64


def test_workspaces_are_halved_down_to_the_least():
    assert workspaces(256) == [256, 128, 64, 32, 16]
    assert workspaces(100) == [100, 50, 25, 16]
    assert workspaces(256, died_with=64) == [32, 16]
    assert workspaces(16, died_with=16) == [16]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_interrupted_build_leaves_nothing_behind(new_board, version):
    board = new_board(version)

    def interrupt():
        raise KeyboardInterrupt

    board.world.during_build = interrupt
    with pytest.raises(KeyboardInterrupt):
        board.open()
    assert files(board, "*.engine") == []
    assert [os.path.getsize(path) for path in files(board, "*.lock")] == [0]
    assert board.released
    board.world.during_build = lambda: None
    with board.open() as backend:
        assert (backend.record.built, backend.record.workspace_mb) == (True, 256)


def test_ctrl_c_in_the_progress_monitor_ends_the_build(new_board, monkeypatch):
    board = new_board("10.3")
    calls = []

    def phase(self, words):
        calls.append(words)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("edgepose.runtime.announce.BuildProgress.phase", phase)
    with pytest.raises(KeyboardInterrupt):
        board.open()
    assert calls == ["Building 0/2", "Building 1/2"]
    assert board.world.built == []
    assert files(board, "*.engine") == []


def test_ctrl_c_while_tensorrt_says_something_ends_the_build(new_board):
    """What is raised in a callback, TensorRT prints and forgets."""

    class Interrupting(object):
        def __str__(self):
            raise KeyboardInterrupt

    board = new_board()
    board.world.failure = Interrupting()
    with pytest.raises(KeyboardInterrupt):
        board.open()
    board.world.failure = None
    board.open().close()


def test_kernel_timings_are_kept_and_a_damaged_file_of_them_is_not_used(new_board):
    board = new_board()
    board.open().close()
    board.open(rebuild=True).close()
    change_file(files(board, "timings-*")[0], lambda data: data[:-1])
    board.open(rebuild=True).close()
    assert board.world.timings_loaded == [b"", b"timings of this board", b""]


def test_timings_that_tensorrt_refuses_are_started_anew(new_board):
    board = new_board()
    with board.open() as backend:
        EngineCache(board.folder).put_timings(backend.record.key, b"of another TensorRT")
    board.open(rebuild=True).close()
    assert board.world.timings_loaded == [b"", b""]


def test_a_graph_that_tensorrt_refuses_is_an_error_that_says_why(new_board):
    board = new_board()
    board.world.refuses_graph = True
    with pytest.raises(EngineError, match=r"does not take the graph .* Non-zero zero point") as caught:
        board.open()
    assert "convert again" in caught.value.hint
    assert board.released


def test_a_build_that_fails_says_why(new_board):
    board = new_board()
    board.world.failure = "Could not find any implementation for node conv_7.\nmore"
    with pytest.raises(
        EngineError, match=r"cannot build the engine: Could not find any implementation for node conv_7"
    ):
        board.open()
    assert board.world.built == []
    assert board.released


def test_a_folder_that_cannot_be_is_refused_before_the_build(new_board, tmp_path):
    (tmp_path / "engines").write_text("a file")
    board = new_board()
    with pytest.raises(EdgeposeError, match=r"cannot make .* for engines") as caught:
        board.open()
    assert "EDGEPOSE_ENGINES" in caught.value.hint
    assert board.world.built == []


def test_a_full_disk_is_refused_before_the_build(new_board):
    board = new_board()
    with pytest.raises(EdgeposeError, match="MB are free"):
        board.open(onnx=_Huge())
    assert board.world.built == []


class _Huge(bytes):
    """Bytes that say there are more of them than any disk holds."""

    def __len__(self):
        return 1 << 60


def test_the_folder_of_engines_is_the_named_one_or_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("EDGEPOSE_ENGINES", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert TensorRtOptions().engines_folder() == str(tmp_path / "edgepose" / "engines")
    monkeypatch.setenv("EDGEPOSE_ENGINES", "here")
    assert TensorRtOptions().engines_folder() == os.path.abspath("here")
    assert TensorRtOptions(folder="/there").engines_folder() == "/there"


@pytest.mark.parametrize(
    ("options", "words"),
    [({"dla": -1}, "DLA core is -1"), ({"dla": True}, "True"), ({"workspace_mb": 1}, "16 to 65536")],
)
def test_options_that_cannot_be_are_refused(options, words):
    with pytest.raises(UsageError) as caught:
        TensorRtOptions(**options).require_possible()
    assert words in str(caught.value)
