"""ONNX padding, given as numbers or by ``auto_pad``, as TFLite's two schemes SAME and VALID.

TensorFlow's SAME: ``out = ceil(in / stride)``, the total padding is what that needs, and the odd pixel goes
to the end.
"""

from __future__ import annotations

from collections.abc import Sequence

from ai_edge_litert import schema_py_generated as schema

from edgepose.conversion.onnx_graph import Node

Pads = tuple[int, int, int, int]  # top, left, bottom, right, as ONNX orders them
Size = Sequence[int]  # height, width


def explicit_pads(node: Node, input_size: Size, kernel: Size, strides: Size, dilations: Size) -> Pads:
    """The padding of a Conv or AveragePool node in numbers, whether it is written so or as ``auto_pad``."""
    mode = node.attributes.get("auto_pad", b"NOTSET")
    if mode in (b"NOTSET", b""):
        top, left, bottom, right = node.attributes.get("pads", (0, 0, 0, 0))
        return top, left, bottom, right
    if mode == b"VALID":
        return 0, 0, 0, 0
    begins, ends = [], []
    for axis in range(2):
        total = total_same_padding(input_size[axis], kernel[axis], strides[axis], dilations[axis])
        small, large = total // 2, total - total // 2
        begins.append(large if mode == b"SAME_LOWER" else small)
        ends.append(small if mode == b"SAME_LOWER" else large)
    return begins[0], begins[1], ends[0], ends[1]


def total_same_padding(size: int, kernel: int, stride: int, dilation: int = 1) -> int:
    """Padding, both ends together, that TensorFlow's SAME adds along one axis."""
    output = -(-size // stride)
    return max((output - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)


def is_same_padding(pads: Pads, input_size: Size, kernel: Size, strides: Size, dilations: Size) -> bool:
    """Whether ``pads`` are what TensorFlow's SAME would add."""
    for axis in range(2):
        total = total_same_padding(input_size[axis], kernel[axis], strides[axis], dilations[axis])
        if (pads[axis], pads[axis + 2]) != (total // 2, total - total // 2):
            return False
    return True


def transposed_padding(pads: Pads, input_size: Size, output_size: Size, kernel: Size, strides: Size) -> int | None:
    """TFLite's scheme for a transposed convolution that crops ``pads``; None where neither does that.

    VALID crops nothing; SAME enlarges by just the stride, and the odd pixel comes off the end.
    """
    valid = same = True
    for axis in range(2):
        full = (input_size[axis] - 1) * strides[axis] + kernel[axis]
        crop = full - output_size[axis]
        valid = valid and crop == 0 and pads[axis] == 0
        same = same and output_size[axis] == input_size[axis] * strides[axis] and crop >= 0 and pads[axis] == crop // 2
    if valid:
        return schema.Padding.VALID
    return schema.Padding.SAME if same else None
