"""Hostile and damaged PyTorch files: refused with one error, and nothing in them is executed."""

import io
import os
import pickle
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from edgepose.checkpoints.pytorch_file import read_pytorch
from edgepose.runtime.errors import CheckpointError


class Attack:
    """Unpickled, this makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def saved(value: object, **options: object) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def with_pickle(contents: bytes, replacement: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    """A zip file of PyTorch with another data.pkl."""
    rebuilt = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(contents)) as old, zipfile.ZipFile(rebuilt, "w", compression) as new:
        for name in old.namelist():
            new.writestr(name, replacement if name.endswith("data.pkl") else old.read(name))
    return rebuilt.getvalue()


TENSORS = {"weight": torch.arange(6.0).reshape(2, 3), "count": torch.tensor(7)}


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_come_out_as_they_went_in(zipped):
    tensors = read_pytorch(saved(TENSORS, _use_new_zipfile_serialization=zipped))
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("place", ["value", "nested", "key"])
def test_code_in_a_pickle_is_named_and_not_executed(zipped, place, tmp_path):
    attack = Attack(tmp_path / "made-by-the-pickle")
    value = {"value": {"a": attack}, "nested": {"a": [(attack,)]}, "key": {(attack,): 1}}[place]
    with pytest.raises(CheckpointError, match=r"asks for '(posix|nt)\.mkdir'.*nothing was executed"):
        read_pytorch(saved(value, _use_new_zipfile_serialization=zipped))
    assert not attack.folder.exists()


@pytest.mark.parametrize(
    "name", ["os system", "builtins eval", "builtins getattr", "torch load", "torch.hub load", "collections Counter"]
)
def test_only_names_that_weights_need_may_be_asked_for(name):
    attack = b"c" + name.replace(" ", "\n").encode() + b"\n(U\x04trueoR."
    with pytest.raises(CheckpointError, match=name.replace(" ", r"\.")):
        read_pytorch(with_pickle(saved(TENSORS), b"\x80\x02" + attack))


def test_a_whole_module_of_unknown_make_is_refused_with_the_way_out():
    with pytest.raises(CheckpointError, match="save weights with") as refusal:
        read_pytorch(saved(nn.Sequential(nn.Conv2d(3, 4, 1))))
    assert "torch.nn.modules.container.Sequential" in refusal.value.message


@pytest.mark.parametrize("value", [{"model": {"a": torch.zeros(1)}}, {"epoch": 3}, [torch.zeros(1)], 7, {3: 4}])
def test_what_is_not_a_state_dict_is_refused(value):
    with pytest.raises(CheckpointError, match="state dict"):
        read_pytorch(saved(value))


def test_a_compressed_archive_is_refused_before_it_unpacks():
    packed = with_pickle(saved(TENSORS), pickle.dumps({}, 2), zipfile.ZIP_DEFLATED)
    with pytest.raises(CheckpointError, match="compressed"):
        read_pytorch(packed)


def test_an_archive_that_is_not_of_pytorch_is_refused():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(CheckpointError, match="not a PyTorch file"):
        read_pytorch(file.getvalue())


# Tensors in the pickle of a state dict: _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks).
def claiming(offset: int, size: tuple[int, ...], stride: tuple[int, ...], numel: int = 6) -> bytes:
    def whole(number: int) -> bytes:
        return b"\x8a\x09" + number.to_bytes(9, "little", signed=True)

    def several(numbers: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(map(whole, numbers)) + b"t"

    def text(value: str) -> bytes:
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + whole(numel) + b"tQ"
    tensor = b"(" + storage + whole(offset) + several(size) + several(stride) + b"\x89)t"
    state = b"}" + text("weight") + b"ctorch._utils\n_rebuild_tensor_v2\n" + tensor + b"Rs."
    return with_pickle(saved(TENSORS), b"\x80\x02" + state)


def test_the_hand_made_pickle_reads_as_a_tensor():
    assert torch.equal(read_pytorch(claiming(0, (2, 3), (3, 1)))["weight"], TENSORS["weight"])


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [
        (1, (2, 3), (3, 1)),  # one past the end
        (0, (2, 3), (4, 1)),
        (0, (10**12,), (1,)),
        (0, (10**6, 10**6), (0, 0)),  # few numbers, repeated a million million times
        (0, (0,), (1,)),
        (0, (-2, -3), (3, 1)),
        (-1, (2,), (1,)),
        (0, (2, 3), (1,)),
        (0, (1,) * 70, (1,) * 70),
    ],
)
def test_a_tensor_that_claims_more_than_is_stored_is_refused(offset, size, stride):
    with pytest.raises(CheckpointError, match="'weight'"):
        read_pytorch(claiming(offset, size, stride))


def test_tensors_that_share_one_storage_over_and_over_are_refused():
    shared = torch.zeros(10_000)
    with pytest.raises(CheckpointError, match="add up to more"):
        read_pytorch(saved({str(number): shared for number in range(100)}))


def test_members_that_overlap_are_refused():
    contents = saved(TENSORS)
    with zipfile.ZipFile(io.BytesIO(contents)) as archive:
        claimed = archive.getinfo("archive/data/0").file_size
    # Both the directory and the member's own header say how large a member is.
    old, new = (struct.pack("<II", size, size) for size in (claimed, len(contents)))
    with pytest.raises(CheckpointError, match="damaged"):
        read_pytorch(contents.replace(old, new))


@pytest.mark.parametrize("numel", [5, 7, 10**15])
def test_a_storage_of_another_size_than_claimed_is_refused(numel):
    with pytest.raises(CheckpointError, match="not all there"):
        read_pytorch(claiming(0, (2,), (1,), numel))


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x02" + b")" + b"\x85" * 100_000 + b".",  # a tuple in a tuple in a tuple ...
        b"\x80\x02" + b"}" + b")" + b"\x85" * 100_000 + b"K\x01s.",  # ... as a key
        b"\x80\x02" + b"N0" * 200_000 + b".",  # more instructions than any checkpoint has
        b"\x80\x02" + b"Nr\xff\xff\xff\xff.",  # the four thousand millionth memo
        b"\x80\x02" + b"0.",
        b"\x80\x02" + b"t.",
        b"\x80\x02" + b"K\x01K\x02R.",
        b"\x80\x02" + b"}}b.",
        b"\x80\x02" + b"]K\x01s.",
        b"\x80\x02" + b"h\x05.",
        b"\x80\x02" + b"I99999999999999999999\n.",
        b"\x80\x02" + b"X\xff\xff\xff\xffshort",
        b"\x80\x02" + b"K\x01Q.",
        b"",
    ],
)
def test_a_malformed_or_exhausting_pickle_is_refused(program):
    with pytest.raises(CheckpointError):
        read_pytorch(with_pickle(saved(TENSORS), program))


@settings(max_examples=150, deadline=None)
@given(zipped=st.booleans(), position=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255))
def test_a_flipped_byte_is_refused_or_changes_a_number_only(zipped, position, value):
    contents = bytearray(saved(TENSORS, _use_new_zipfile_serialization=zipped))
    contents[int(position * len(contents))] = value
    try:
        tensors = read_pytorch(bytes(contents))
    except CheckpointError:
        return
    assert all(isinstance(tensor, torch.Tensor) and tensor.numel() <= 6 for tensor in tensors.values())
