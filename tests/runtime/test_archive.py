"""Zips that are read; bundles and calibration sets test the damage that a file can have."""

import os
import zipfile

import pytest

from edgepose.runtime.archive import open_archive
from edgepose.runtime.errors import BundleError


@pytest.fixture
def opened(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(str(path), "w") as archive:
        archive.writestr("one", b"12345")
    return lambda max_bytes=1000: open_archive(str(path), "a thing", max_bytes, BundleError, "make it again")


def test_members_are_read_up_to_their_limit(opened):
    with opened() as archive:
        assert archive.names == {"one"}
        assert archive.read("one", 5) == b"12345"
        with pytest.raises(BundleError, match=r"a\.zip: member 'one' claims 5 bytes where at most 4 can be") as caught:
            archive.read("one", 4)
        with pytest.raises(BundleError, match="lacks its member 'two'"):
            archive.read("two", 5)
    assert caught.value.hint == "make it again"


def test_an_archive_too_large_and_what_is_none_are_refused(opened, tmp_path):
    with pytest.raises(BundleError, match="it cannot be a thing"), opened(10):
        pass
    for path, problem in ((tmp_path, "is a folder, not a thing"), (os.devnull, "is not a regular file")):
        with pytest.raises(BundleError, match=problem):
            with open_archive(str(path), "a thing", 1000, BundleError, "make it again"):
                pass
