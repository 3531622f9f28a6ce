"""The size, depth and wholeness of an image file, read from its bytes before anything is decoded.

OpenCV allocates whatever a header claims, drops half of a 16-bit image without a word, and fills the missing part of
a truncated one with grey. These checks come first.
"""

import struct
from typing import NamedTuple

from edgepose.runtime.errors import SourceError

# ``complete``: the file reaches its own end marker, or the length that its header claims.
ImageHeader = NamedTuple(
    "ImageHeader", [("format", str), ("width", int), ("height", int), ("bits", int), ("complete", bool)]
)


def read_image_header(data):
    """The :class:`ImageHeader` of ``data`` (a whole file), or None for a format that is not JPEG, PNG, BMP or WebP.

    Raises :class:`SourceError` for a header that is damaged.
    """
    for signature, read in ((b"\xff\xd8\xff", _jpeg), (b"\x89PNG\r\n\x1a\n", _png), (b"BM", _bmp), (b"RIFF", _riff)):
        if data.startswith(signature):
            try:
                return read(data)
            except (struct.error, IndexError):
                raise SourceError("its header is cut short or damaged", "copy it again")
    return None


def _jpeg(data):
    """ITU-T T.81, annex B: segments up to the start of the scan; markers cannot occur inside its data."""
    position, frame = 2, None
    while True:
        if data[position] != 0xFF:
            raise SourceError("its header is damaged: there is no JPEG marker at byte {}".format(position))
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        (length,) = struct.unpack_from(">H", data, position + 2)
        # Every start of frame but the codes that mean Huffman tables, extensions and arithmetic conditioning.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            frame = struct.unpack_from(">BHH", data, position + 4)
        if marker == 0xDA:  # start of scan
            break
        position += 2 + length
    if frame is None:
        raise SourceError("its header is damaged: a JPEG scan without a frame")
    bits, height, width = frame
    return ImageHeader("JPEG", width, height, bits, data.find(b"\xff\xd9", position) >= 0)


def _png(data):
    """PNG specification, section 11.2: IHDR comes first, IEND last."""
    width, height, bits = struct.unpack_from(">IIB", data, 16)
    position = 8
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        position += 12 + length
        if kind == b"IEND":
            break
    else:
        return ImageHeader("PNG", width, height, bits, False)
    return ImageHeader("PNG", width, height, bits, position <= len(data))


def _bmp(data):
    """BITMAPINFOHEADER; uncompressed rows are padded to four bytes."""
    (offset,) = struct.unpack_from("<I", data, 10)
    width, height, _, depth, compression = struct.unpack_from("<iiHHI", data, 18)
    complete = compression != 0 or len(data) >= offset + (abs(width) * depth + 31) // 32 * 4 * abs(height)
    return ImageHeader("BMP", abs(width), abs(height), 8, complete)


def _riff(data):
    """WebP container specification: the canvas of VP8X, or the frame of VP8 (RFC 6386) or VP8L."""
    if data[8:12] != b"WEBP":
        return None
    (length,) = struct.unpack_from("<I", data, 4)
    kind = data[12:16]
    if kind == b"VP8X":
        width = 1 + int.from_bytes(data[24:27], "little")
        height = 1 + int.from_bytes(data[27:30], "little")
    elif kind == b"VP8L":
        (packed,) = struct.unpack_from("<I", data, 21)
        width, height = 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
    else:
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    return ImageHeader("WebP", width, height, 8, len(data) >= length + 8)
