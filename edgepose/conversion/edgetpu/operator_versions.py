"""Which TFLite release brought each version of an operator: the Edge TPU compiler knows those of its own time alone.

One unknown version fails the whole compilation, not the operator alone. Source: ``FindMinimumRuntimeVersionForOp`` in
TensorFlow's ``lite/tools/versioning/runtime_version.cc``.
"""

from __future__ import annotations

Release = tuple[int, int]

# What compiler 16.0 (July 2021) was built from.
COMPILER_RELEASE: Release = (2, 5)

# Of each operator that the Edge TPU may take: the release of version 1, 2, 3, ...
RELEASES: dict[str, tuple[Release, ...]] = {
    "ADD": ((1, 5), (1, 14), (2, 4), (2, 6)),
    "AVERAGE_POOL_2D": ((1, 5), (1, 14), (2, 3)),
    "CONCATENATION": ((1, 5), (1, 14), (2, 3)),
    "CONV_2D": ((1, 5), (1, 14), (1, 14), (2, 3), (2, 4), (2, 9)),
    "DEPTHWISE_CONV_2D": ((1, 5), (1, 12), (1, 14), (2, 2), (2, 3), (2, 3)),
    "DEQUANTIZE": ((1, 13), (1, 14), (1, 15), (2, 2), (2, 7)),
    "EXP": ((1, 7),),
    "EXPAND_DIMS": ((1, 10),),
    "FULLY_CONNECTED": ((1, 5), (1, 10), (1, 14), (1, 14), (2, 0), (2, 1), (2, 3), (2, 3), (2, 3)),
    "HARD_SWISH": ((1, 15),),
    "L2_NORMALIZATION": ((1, 5), (1, 14)),
    "LEAKY_RELU": ((1, 13), (2, 3)),
    "LOGISTIC": ((1, 14), (1, 14), (2, 3)),
    "MAX_POOL_2D": ((1, 5), (1, 14), (2, 3)),
    "MAXIMUM": ((1, 14), (1, 14), (2, 3), (2, 3)),
    "MEAN": ((1, 6), (1, 14), (2, 4)),
    "MINIMUM": ((1, 14), (1, 14), (2, 3), (2, 3)),
    "MUL": ((1, 5), (1, 14), (1, 15), (2, 3), (2, 6)),
    "PACK": ((1, 11), (1, 14), (2, 3)),
    "PAD": ((1, 5), (1, 14), (2, 4), (2, 6)),
    "PRELU": ((1, 8),),
    "QUANTIZE": ((1, 14), (1, 15), (2, 7)),
    "REDUCE_MAX": ((1, 11), (1, 14), (2, 5)),
    "REDUCE_MIN": ((1, 11), (1, 14), (2, 5)),
    "RELU": ((1, 5), (2, 1), (2, 5)),
    "RELU6": ((1, 5), (1, 14), (2, 5)),
    "RELU_N1_TO_1": ((1, 5),),
    "RESHAPE": ((1, 5),),
    "RESIZE_BILINEAR": ((1, 7), (1, 14), (2, 2), (2, 5)),
    "RESIZE_NEAREST_NEIGHBOR": ((1, 13), (1, 14), (2, 3), (2, 4)),
    "RSQRT": ((1, 10), (2, 5)),
    "SLICE": ((1, 14), (1, 14), (1, 14), (2, 4), (2, 5)),
    "SOFTMAX": ((1, 5), (1, 14), (2, 3)),
    "SPACE_TO_DEPTH": ((1, 5), (1, 14)),
    "SPLIT": ((1, 5), (1, 14), (1, 14), (2, 3)),
    "SQUARED_DIFFERENCE": ((1, 13), (2, 5)),
    "SQUEEZE": ((1, 6), (2, 5)),
    "STRIDED_SLICE": ((1, 6), (1, 14), (2, 1), (2, 2), (2, 5), (2, 6)),
    "SUB": ((1, 6), (1, 14), (2, 3), (2, 4), (2, 4)),
    "SUM": ((1, 10), (1, 15)),
    "TANH": ((1, 14), (1, 14), (2, 3)),
    "TRANSPOSE": ((1, 6), (1, 14), (1, 15), (2, 3), (2, 4)),
    "TRANSPOSE_CONV": ((1, 9), (2, 2), (2, 3)),
}


def release_of(name: str, version: int) -> Release | None:
    """The TFLite release that brought ``version`` of the operator ``name``; None where the table does not tell."""
    releases = RELEASES.get(name, ())
    return releases[version - 1] if 1 <= version <= len(releases) else None


def newest_version(name: str) -> int | None:
    """The newest version of the operator ``name`` that the compiler knows; None where the table does not tell."""
    known = [version for version, release in enumerate(RELEASES.get(name, ()), 1) if release <= COMPILER_RELEASE]
    return known[-1] if known else None
