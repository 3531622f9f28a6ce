import os
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_bundles import PATIENT

from edgepose.runtime.errors import SourceError
from edgepose.runtime.image_header import read_image_header
from edgepose.runtime.images import IMAGE_SUFFIXES, is_image, read_image

PICTURE = cv2.GaussianBlur(np.random.RandomState(0).randint(0, 256, (24, 40, 3)).astype(np.uint8), (5, 5), 2)


def encoded(suffix, image=PICTURE, *options):
    return cv2.imencode(suffix, image, list(options))[1].tobytes()


def with_exif(jpeg, orientation):
    """``jpeg`` with an APP1 segment that says how it is turned, and a thumbnail that ends like a whole JPEG."""
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    body = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 0) + b"\xff\xd8\xff\xd9"
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def png(width, height, bits=8, color=2, data=b""):
    """A PNG that claims what it likes; ``color`` 2 is RGB, 0 grey."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body) & 0xFFFFFFFF)

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


@pytest.fixture
def write(tmp_path):
    def write(data, name="picture.bin"):
        path = str(tmp_path / name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    return write


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_reads_every_format_by_its_content(suffix, write):
    path = write(encoded(suffix), "picture.txt")
    assert is_image(path)
    image = read_image(path)
    assert image.shape == PICTURE.shape
    assert np.abs(image.astype(int) - PICTURE).mean() < 12
    header = read_image_header(encoded(suffix))
    assert (header.width, header.height, header.bits, header.complete) == (40, 24, 8, True)


@pytest.mark.parametrize("suffix", [".png", ".bmp"])
def test_lossless_formats_come_back_as_they_were(suffix, write):
    np.testing.assert_array_equal(read_image(write(encoded(suffix))), PICTURE)


@pytest.mark.parametrize("quality", [30, 101])
def test_webp_of_both_kinds(quality, write):
    """Lossy and, above 100, lossless; with alpha OpenCV writes the extended container."""
    data = encoded(".webp", PICTURE, cv2.IMWRITE_WEBP_QUALITY, quality)
    assert read_image_header(data)[:3] == ("WebP", 40, 24)
    with_alpha = np.dstack([PICTURE, np.full(PICTURE.shape[:2], 77, np.uint8)])
    data = encoded(".webp", with_alpha, cv2.IMWRITE_WEBP_QUALITY, quality)
    assert read_image_header(data)[:3] == ("WebP", 40, 24)
    assert read_image(write(data)).shape == PICTURE.shape


def test_grey_and_alpha_become_three_channels(write):
    grey = PICTURE[:, :, 0].copy()
    np.testing.assert_array_equal(read_image(write(encoded(".png", grey))), np.dstack([grey] * 3))
    with_alpha = np.dstack([PICTURE, np.zeros(PICTURE.shape[:2], np.uint8)])
    np.testing.assert_array_equal(read_image(write(encoded(".png", with_alpha))), PICTURE)


def test_exif_orientation_is_applied(write):
    jpeg = encoded(".jpg")
    upright = read_image(write(jpeg))
    turned = read_image(write(with_exif(jpeg, 6)))
    np.testing.assert_array_equal(turned, np.rot90(upright, -1))


def test_names_of_other_alphabets(tmp_path):
    path = str(tmp_path / "Фото 人.png")
    with open(path, "wb") as file:
        file.write(encoded(".png"))
    np.testing.assert_array_equal(read_image(path), PICTURE)


def test_a_very_large_image_is_read(write):
    """12,000 x 9,000 pixels: 324 MB decoded."""
    rows = (b"\0" + b"\xff" * 1500) * 9000  # one bit a pixel
    image = read_image(write(png(12000, 9000, 1, 0, rows)))
    assert image.shape == (9000, 12000, 3)
    assert image[8999, 11999].tolist() == [255, 255, 255]


@pytest.mark.parametrize(("width", "height"), [(20000, 20000), (2**31 - 1, 2**31 - 1), (200000001, 1)])
def test_absurd_sizes_are_refused_before_decoding(width, height, write):
    with pytest.raises(SourceError, match=f"claims {width}x{height} pixels"):
        read_image(write(png(width, height)))


def test_sixteen_bits_are_refused(write):
    deep = (PICTURE.astype(np.uint16) * 257)[:, :, 0]
    with pytest.raises(SourceError, match="16 bits a channel") as caught:
        read_image(write(encoded(".png", deep)))
    assert "8 bits" in caught.value.hint


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
@PATIENT
@given(data=st.data())
def test_a_cut_file_is_refused(tmp_path_factory, suffix, data):
    """OpenCV fills the missing part of a JPEG with grey and says nothing."""
    whole = encoded(suffix)
    length = data.draw(st.integers(1, len(whole) - 1))
    path = str(tmp_path_factory.getbasetemp() / ("cut" + suffix))
    with open(path, "wb") as file:
        file.write(whole[:length])
    with pytest.raises(SourceError):
        read_image(path)


def test_a_thumbnail_inside_does_not_make_a_cut_jpeg_whole(write):
    whole = with_exif(encoded(".jpg"), 1)
    assert read_image_header(whole).complete
    assert b"\xff\xd9" in whole[: len(whole) - 20]
    with pytest.raises(SourceError, match="cut short"):
        read_image(write(whole[:-20]))


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
@PATIENT
@given(data=st.data())
def test_damaged_bytes_are_an_error_or_an_image(tmp_path_factory, suffix, data):
    damaged = bytearray(encoded(suffix))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(2, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = str(tmp_path_factory.getbasetemp() / ("damaged" + suffix))
    with open(path, "wb") as file:
        file.write(bytes(damaged))
    try:
        image = read_image(path)
    except SourceError:
        return
    assert image.dtype == np.uint8
    assert image.ndim == 3


@PATIENT
@given(
    data=st.binary(max_size=64),
    start=st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"RIFF1234WEBP"]),
)
def test_headers_of_any_bytes_are_read_or_refused(start, data):
    try:
        header = read_image_header(start + data)
    except SourceError:
        return
    assert header is None or header.width >= 0


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "is empty"), (b"hello, world", "is not an image"), (b"GIF89a" + b"\0" * 40, "is not an image")],
)
def test_other_files_are_refused(data, message, write):
    with pytest.raises(SourceError, match=message):
        read_image(write(data))


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(SourceError, match="cannot read"):
        read_image(str(tmp_path / "missing.jpg"))
    with pytest.raises(SourceError, match="cannot read"):
        read_image(str(tmp_path))
    assert not is_image(str(tmp_path / "missing.jpg"))


def test_path_objects_are_paths(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(".png"))
    assert os.fspath(tmp_path)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), PICTURE)
