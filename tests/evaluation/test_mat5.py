import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from edgepose.evaluation.datasets.mat5 import Struct, read_variable
from edgepose.runtime.errors import DatasetError
from tests.evaluation.mpii_files import structs


def same(ours, scipys):
    """Whether both readers found the same in one value."""
    if isinstance(ours, tuple):
        if scipys.dtype.names is None:
            return not ours and scipys.size == 0
        return len(ours) == scipys.size and all(
            same(one.get(name), other[name])
            for one, other in zip(ours, scipys.ravel(), strict=True)
            for name in scipys.dtype.names
        )
    if isinstance(ours, str):
        return ours == "".join(scipys.ravel())
    return np.array_equal(ours, scipys.ravel(order="F"), equal_nan=True)


NUMBERS = st.sampled_from([np.uint8, np.int16, np.int32, np.float32, np.float64]).flatmap(
    lambda kind: st.lists(st.integers(0, 200), max_size=5).map(lambda values: np.array([values], kind))
)
VALUES = st.recursive(
    NUMBERS | st.text("abcäöü€", min_size=1, max_size=6),
    lambda inner: st.dictionaries(st.sampled_from(["x", "y", "annopoints"]), inner, min_size=1),
    max_leaves=5,
)


@pytest.mark.parametrize("compressed", [True, False])
@given(value=VALUES)
def test_scipy_reads_the_same(tmp_path_factory, compressed, value):
    path = tmp_path_factory.getbasetemp() / "any.mat"
    savemat(path, {"other": 1, "RELEASE": value}, do_compression=compressed)
    assert same(read_variable(path, "RELEASE"), loadmat(path)["RELEASE"])


def test_big_endian_files_are_read(tmp_path):
    def element(kind, data):
        return struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8)

    array = element(6, struct.pack(">II", 6, 0)) + element(5, struct.pack(">ii", 1, 2)) + element(1, b"RELEASE")
    array += element(9, struct.pack(">dd", 1.5, -2.0))
    path = tmp_path / "big.mat"
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI" + element(14, array))
    np.testing.assert_array_equal(read_variable(path, "RELEASE"), [1.5, -2.0])


def test_fields_and_variables_that_are_not_there_are_none(tmp_path):
    path = tmp_path / "some.mat"
    savemat(path, {"RELEASE": structs({"x": 1.0, "cells": np.array([["a", 1]], object)})})
    (one,) = read_variable(path, "RELEASE")
    assert isinstance(one, Struct)
    assert one.get("y") is None
    assert one.get("cells") is None
    assert read_variable(path, "annolist") is None


def test_depth_costs_nothing(tmp_path):
    """A hundred thousand structures in one another end ``scipy.io.loadmat``, process and all."""

    def element(kind, data):
        return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)

    flags, size = element(6, struct.pack("<II", 2, 0)), element(5, struct.pack("<ii", 1, 1))
    fields = element(5, struct.pack("<i", 8)) + element(1, b"x".ljust(8, b"\0"))
    heads, inside = [], 0
    for depth in reversed(range(100_000)):
        name = element(1, b"" if depth else b"RELEASE")
        body = flags + size + name + fields
        heads.append(struct.pack("<II", 14, len(body) + inside) + body)
        inside += 8 + len(body)
    path = tmp_path / "deep.mat"
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + b"".join(reversed(heads)))
    (outermost,) = read_variable(path, "RELEASE")
    (second,) = outermost.get("x")
    assert second.get("y") is None


def test_a_file_of_another_level_is_told_how_to_be_saved(tmp_path):
    path = tmp_path / "hdf5.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(384) + b"\x89HDF\r\n\x1a\n" + bytes(64))
    with pytest.raises(DatasetError, match=r"level 5.*-v7"):
        read_variable(path, "RELEASE")


@pytest.mark.parametrize("cut", [100, 127, 128, 135, 150, -1])
def test_a_file_that_is_cut_short_is_refused(tmp_path, cut):
    path = tmp_path / "cut.mat"
    savemat(path, {"RELEASE": structs({"x": np.arange(9.0)})}, do_compression=True)
    path.write_bytes(path.read_bytes()[:cut])
    if cut == 128:  # a whole file without variables
        assert read_variable(path, "RELEASE") is None
    else:
        with pytest.raises(DatasetError, match=r"cut\.mat"):
            read_variable(path, "RELEASE")
