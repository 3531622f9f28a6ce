"""Empty shared libraries in the place of TensorRT's, so that its Python bindings import and can be looked at.

TensorRT's own libraries are on no package index. The bindings only call a dozen of their functions; here each of those
returns 0. Written byte by byte (ELF, x86-64), as a test machine may have no compiler.
"""

import struct
from pathlib import Path

FUNCTIONS = (
    "createInferBuilder_INTERNAL", "createInferRefitter_INTERNAL", "createInferRuntime_INTERNAL",
    "createNvOnnxParser_INTERNAL", "createNvOnnxParserRefitter_INTERNAL", "getBuilderPluginRegistry",
    "getNvOnnxParserVersion", "getPluginRegistry", "initLibNvInferPlugins",
    # Of 8 alone: UFF and Caffe.
    "_ZN11nvuffparser15createUffParserEv", "_ZN11nvuffparser8FieldMapC1EPKcPKvNS_9FieldTypeEi",
    "_ZN14nvcaffeparser117createCaffeParserEv", "_ZN14nvcaffeparser123shutdownProtobufLibraryEv",
)  # fmt: skip
LIBRARIES = ("libnvinfer", "libnvonnxparser", "libnvinfer_plugin", "libnvparsers")
RETURN_ZERO = b"\x31\xc0\xc3"  # xor eax, eax; ret
HEADER, PROGRAM_HEADER, SYMBOL, DYNAMIC_ENTRY = 64, 56, 24, 16
PT_LOAD, PT_DYNAMIC, PT_GNU_STACK = 1, 2, 0x6474E551
DT_HASH, DT_STRTAB, DT_SYMTAB, DT_STRSZ, DT_SYMENT, DT_SONAME = 4, 5, 6, 10, 11, 14


def write_stub_libraries(folder: Path, major: int) -> None:
    """Write the libraries that the bindings of TensorRT ``major`` ask for."""
    for name in LIBRARIES:
        soname = f"{name}.so.{major}"
        (folder / soname).write_bytes(shared_library(soname, FUNCTIONS))


def shared_library(soname: str, functions: tuple[str, ...]) -> bytes:
    """An x86-64 shared library of that name whose functions return 0."""
    strings = bytearray(b"\0")

    def add(text: str) -> int:
        strings.extend(text.encode() + b"\0")
        return len(strings) - len(text) - 1

    names = [add(name) for name in functions]
    own = add(soname)
    # Where each part lies; file offsets are addresses.
    code = HEADER + 3 * PROGRAM_HEADER
    symbols = code + 8
    count = len(functions) + 1
    hashes = symbols + count * SYMBOL
    table = struct.pack(f"<{3 + count}I", 1, count, 1, 0, *range(2, count), 0)
    text = hashes + len(table)
    dynamic = (text + len(strings) + 15) // 16 * 16
    entries = [
        (DT_SONAME, own), (DT_HASH, hashes), (DT_STRTAB, text), (DT_SYMTAB, symbols), (DT_STRSZ, len(strings)),
        (DT_SYMENT, SYMBOL), (0, 0),
    ]  # fmt: skip
    size = dynamic + len(entries) * DYNAMIC_ENTRY
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, HEADER, 0, 0, HEADER, PROGRAM_HEADER, 3, 0, 0, 0)
    for kind, flags, start, length in (
        (PT_LOAD, 7, 0, size),
        (PT_DYNAMIC, 6, dynamic, size - dynamic),
        (PT_GNU_STACK, 6, 0, 0),
    ):
        header += struct.pack(
            "<IIQQQQQQ", kind, flags, start, start, start, length, length, 0x1000 if start == 0 else 8
        )
    body = header + RETURN_ZERO.ljust(8, b"\0") + bytes(SYMBOL)
    for name in names:
        body += struct.pack("<IBBHQQ", name, 0x12, 0, 1, code, len(RETURN_ZERO))
    body += table + bytes(strings)
    return body.ljust(dynamic, b"\0") + b"".join(struct.pack("<QQ", *entry) for entry in entries)
