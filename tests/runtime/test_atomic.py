import errno
import os
import stat

import pytest

from edgepose.runtime.atomic import atomic_path, write_bytes, write_error
from edgepose.runtime.errors import EdgeposeError, UsageError


def test_writes_and_replaces(in_folder):
    write_bytes("a.bin", b"one")
    write_bytes("a.bin", b"two")
    assert (in_folder / "a.bin").read_bytes() == b"two"
    assert os.listdir(str(in_folder)) == ["a.bin"]


def test_files_get_the_usual_permissions(in_folder):
    (in_folder / "usual").write_bytes(b"")
    write_bytes("a.bin", b"x")
    assert stat.S_IMODE(os.stat("a.bin").st_mode) == stat.S_IMODE(os.stat("usual").st_mode)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, BrokenPipeError])
def test_whatever_fails_the_old_file_stays_and_nothing_is_left(in_folder, error):
    write_bytes("a.bin", b"old")
    with pytest.raises(error), atomic_path("a.bin") as temporary:
        with open(temporary, "wb") as file:
            file.write(b"half")
        raise error()
    assert (in_folder / "a.bin").read_bytes() == b"old"
    assert os.listdir(str(in_folder)) == ["a.bin"]


def test_the_temporary_file_has_the_suffix_that_writers_look_at(in_folder):
    with atomic_path("clip.mp4") as temporary:
        assert temporary.endswith(".mp4")
        assert os.path.dirname(os.path.realpath(temporary)) == os.path.realpath(str(in_folder))


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="there are no links on this system")
def test_a_link_keeps_leading_to_its_file(in_folder):
    (in_folder / "real.bin").write_bytes(b"old")
    os.symlink("real.bin", "link.bin")
    write_bytes("link.bin", b"new")
    assert os.path.islink("link.bin")
    assert (in_folder / "real.bin").read_bytes() == b"new"


def test_folders_and_devices_are_not_replaced(in_folder):
    (in_folder / "folder").mkdir()
    with pytest.raises(EdgeposeError, match="it is a folder"):
        write_bytes("folder", b"x")
    if os.path.exists(os.devnull):
        with pytest.raises(EdgeposeError, match="not a regular file"):
            write_bytes(os.devnull, b"x")


def test_a_missing_folder_is_an_error_that_says_so(in_folder):
    with pytest.raises(UsageError, match=r"cannot write missing/a\.bin: there is no folder") as caught:
        write_bytes("missing/a.bin", b"x")
    assert caught.value.hint == "make it first"


def test_a_folder_that_is_not_writable(read_only_folder):
    with pytest.raises(EdgeposeError, match="cannot write"):
        write_bytes(str(read_only_folder / "a.bin"), b"x")


def test_a_full_disk(in_folder):
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full on this system")
    with pytest.raises(EdgeposeError, match=r"no space left to write a\.bin"), atomic_path("a.bin"):
        with open("/dev/full", "wb") as full:
            full.write(b"x")
    assert os.listdir(str(in_folder)) == []


def test_a_quota_is_a_full_disk():
    assert "no space left" in write_error("a.bin", OSError(errno.EDQUOT, "Disk quota exceeded")).message


def test_a_limit_of_file_sizes_is_named():
    assert "ulimit" in write_error("a.bin", OSError(errno.EFBIG, "File too large")).hint
