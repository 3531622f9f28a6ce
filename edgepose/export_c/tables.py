"""The tables and constants of one bundle as C."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edgepose.runtime.joints import JOINTS
from edgepose.runtime.manifest import Manifest, TensorSpec
from edgepose.runtime.peak_search import SLACK, search_margin
from edgepose.runtime.preprocess import lookup_tables
from edgepose.runtime.upsampling import full_map_matrix, gaussian_kernel

_LINE = 116
_C_TYPES = {"int8": "int8_t", "float32": "float"}


def model_header(manifest: Manifest, bundle_sha256: str, engine_file: str, decoder: str) -> str:
    """``edgepose_model.h``: everything about the bundle that the C sources need to know when they are compiled."""
    tensor_in, tensor_out = manifest.engine.input, manifest.engine.output
    height, width = manifest.heatmap_size
    upsampling, sigma = manifest.decoder.upsampling, _sigma(manifest, decoder)
    planar_in, planar_out = (tensor.layout == "NCHW" for tensor in (tensor_in, tensor_out))
    defines: list[tuple[str, object]] = [
        ("BUNDLE", _quoted(manifest.name)),
        ("BUNDLE_SHA256", _quoted(bundle_sha256)),
        ("VARIANT", _quoted(manifest.variant)),
        ("PRECISION", _quoted(manifest.precision)),
        ("DECODER", _quoted(decoder)),
        ("WRITTEN_BY", _quoted(f"edgepose {manifest.edgepose}")),
        ("ENGINE_FILE", _quoted(engine_file)),
        ("JOINTS", len(JOINTS)),
        ("INPUT_SIDE", manifest.input_size),
        ("INPUT_INT8", int(tensor_in.dtype == "int8")),
        ("INPUT_PIXEL_STRIDE", 1 if planar_in else 3),
        ("INPUT_CHANNEL_STRIDE", manifest.input_size**2 if planar_in else 1),
        ("HEATMAP_HEIGHT", height),
        ("HEATMAP_WIDTH", width),
        ("HEATMAP_INT8", int(tensor_out.dtype == "int8")),
        ("HEATMAP_CELL_STRIDE", 1 if planar_out else len(JOINTS)),
        ("HEATMAP_JOINT_STRIDE", height * width if planar_out else 1),
        ("UPSAMPLING", upsampling),
        ("SMOOTHED", int(sigma > 0)),
    ]
    for tensor, name in ((tensor_in, "INPUT"), (tensor_out, "HEATMAP")):
        if tensor.dtype == "int8":
            defines += [(f"{name}_SCALE", _float(tensor.scale)), (f"{name}_ZERO_POINT", f"({tensor.zero_point})")]
    declarations = [
        f"typedef {_c_type(tensor_in)} edgepose_input;",
        f"typedef {_c_type(tensor_out)} edgepose_heatmap;",
        "",
        "extern const char *const edgepose_joint_names[EDGEPOSE_JOINTS];",
        "/* What a byte of red, green and blue becomes in the input: normalised and, for int8 engines, quantised. */",
        "extern const edgepose_input edgepose_lut[3][256];",
    ]
    if upsampling > 1:
        rows, columns = _axes(manifest, sigma)
        margin, share = search_margin(rows, columns, upsampling)
        defines += [
            ("TAPS", _taps(rows, columns)),
            ("WINDOW_MARGIN", margin),
            ("WINDOW_SHARE", _float(share + SLACK)),
            ("WINDOW_REST", repr(1 - share)),
        ]
        declarations += [
            "/* Of each pixel of an axis of the full map: the first cell it takes values from, and the weights. */",
            f"extern const int16_t edgepose_row_first[{len(rows)}];",
            f"extern const double edgepose_row_weights[{len(rows)}][EDGEPOSE_TAPS];",
            f"extern const int16_t edgepose_column_first[{len(columns)}];",
            f"extern const double edgepose_column_weights[{len(columns)}][EDGEPOSE_TAPS];",
        ]
    if sigma > 0:
        kernel = gaussian_kernel(sigma)
        defines.append(("KERNEL_RADIUS", len(kernel) // 2))
        declarations.append(f"extern const double edgepose_kernel[{len(kernel)}];")
    lines = [
        f"/* {manifest.name}: constants of the bundle. Written by edgepose export-c; do not edit. */",
        "#ifndef EDGEPOSE_MODEL_H",
        "#define EDGEPOSE_MODEL_H",
        "",
        "#include <stdint.h>",
        "",
        *(f"#define EDGEPOSE_{name} {value}" for name, value in defines),
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "",
        *declarations,
        "",
        "#ifdef __cplusplus",
        "}",
        "#endif",
        "#endif",
    ]
    return "\n".join(lines) + "\n"


def tables_source(manifest: Manifest, decoder: str) -> str:
    """``edgepose_tables.c``: what :func:`model_header` declares."""
    sigma = _sigma(manifest, decoder)
    parts = [
        f"/* {manifest.name}: tables of the bundle. Written by edgepose export-c; do not edit. */",
        '#include "edgepose_model.h"',
        "",
        f"const char *const edgepose_joint_names[EDGEPOSE_JOINTS] = {_braced(map(_quoted, JOINTS))};",
    ]
    tables = lookup_tables(manifest.preprocessing, manifest.engine.input)
    value = str if tables.dtype == np.int8 else _float
    parts.append(f"const edgepose_input edgepose_lut[3][256] = {_nested(tables, value)};")
    if manifest.decoder.upsampling > 1:
        rows, columns = _axes(manifest, sigma)
        taps = _taps(rows, columns)
        for name, matrix in (("row", rows), ("column", columns)):
            first = np.array([min(np.flatnonzero(line)[0], matrix.shape[1] - 1) for line in matrix])
            weights = np.zeros((len(matrix), taps))
            for pixel, start in enumerate(first):
                held = matrix[pixel, start : start + taps]
                weights[pixel, : len(held)] = held
            parts.append(f"const int16_t edgepose_{name}_first[{len(first)}] = {_braced(map(str, first))};")
            parts.append(
                f"const double edgepose_{name}_weights[{len(weights)}][EDGEPOSE_TAPS] = {_nested(weights, _double)};"
            )
    if sigma > 0:
        kernel = gaussian_kernel(sigma)
        parts.append(f"const double edgepose_kernel[{len(kernel)}] = {_braced(map(_double, kernel))};")
    return "\n".join(parts) + "\n"


def _sigma(manifest: Manifest, decoder: str) -> float:
    return manifest.decoder.sigma if decoder == "official" else 0.0


def _axes(manifest: Manifest, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    height, width = manifest.heatmap_size
    upsampling = manifest.decoder.upsampling
    return full_map_matrix(height, upsampling, sigma), full_map_matrix(width, upsampling, sigma)


def _taps(rows: np.ndarray, columns: np.ndarray) -> int:
    """The largest span of cells that one pixel takes values from."""
    spans = [held[-1] - held[0] + 1 for matrix in (rows, columns) for held in map(np.flatnonzero, matrix)]
    return int(max(spans))


def _c_type(tensor: TensorSpec) -> str:
    return _C_TYPES[tensor.dtype]


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _float(value: float | None) -> str:
    assert value is not None
    # Nine digits are every float32.
    text = f"{float(np.float32(value)):.9g}"
    return f"{text}f" if any(mark in text for mark in ".en") else f"{text}.0f"


def _double(value: float) -> str:
    return repr(float(value))


def _nested(table: np.ndarray, value) -> str:
    return "{\n" + ",\n".join(_braced(map(value, line)) for line in table) + "}"


def _braced(words: Iterable[str]) -> str:
    lines, line = [], ""
    for word in words:
        if len(line) + len(word) + 2 > _LINE:
            lines.append(line)
            line = ""
        line += f"{word}, "
    lines.append(line.rstrip(", "))
    return "{\n    " + "\n    ".join(lines) + "}" if len(lines) > 1 else "{" + lines[0] + "}"
