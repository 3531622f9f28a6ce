"""Reads an ONNX file that a user exported: a float EfficientPose graph, checked and made canonical.

What the graph cannot tell, how images are normalised, comes from the variant that the user names.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

import onnx

from edgepose.conversion.onnx_graph import MAX_ONNX_BYTES, OnnxGraph, Shape, Value, parse_model
from edgepose.conversion.simplify import simplify_onnx
from edgepose.conversion.upsampling_head import UpsamplingHead, cut_upsampling_head, onnx_upsampling_head
from edgepose.network.variants import HEATMAP_STRIDE, get_variant
from edgepose.runtime.errors import ConversionError
from edgepose.runtime.joints import JOINTS

INPUT_NAME = "image"
OUTPUT_NAME = "heatmaps"
NHWC_TO_NCHW = [0, 3, 1, 2]
NCHW_TO_NHWC = [0, 2, 3, 1]


class BringYourOwnOnnx(NamedTuple):
    """A user's graph, ``image`` [1, 3, S, S] to ``heatmaps`` [1, 16, h, w], a constant head already cut.

    ``resolution`` is S; ``notes`` say what was changed on the way; ``sha256`` is that of the file as it was;
    ``simplified`` is whether onnxsim did its work.
    """

    onnx: bytes
    resolution: int
    head: UpsamplingHead
    notes: tuple[str, ...]
    sha256: str
    simplified: bool


def load_bring_your_own_onnx(path: str | os.PathLike[str], variant: str) -> BringYourOwnOnnx:
    """Read ``path`` and check that it can be the network ``variant``.

    Accepted: one image input, NCHW or NHWC, batch 1 or free; float32; several outputs, of which the last with
    16 maps counts; with or without the upsampling head. Raises :class:`ConversionError` that names what does
    not fit.
    """
    source = str(path)
    data = read_bounded(path)
    resolution = get_variant(variant).resolution
    model = parse_model(data, source)
    notes = [*_fix_input(model, source, variant), *_choose_output(model, source)]
    _require_activation(model, source, variant)
    simplified = simplify_onnx(model.SerializeToString(deterministic=True))
    if simplified.warning is not None:
        notes.append(simplified.warning)
    graph = OnnxGraph.from_bytes(simplified.onnx, source)
    _channels_first(graph)
    image = graph.inputs[0]
    if image.shape != (1, 3, resolution, resolution):
        raise ConversionError(
            f"{source} takes images {list(image.shape)} without transposing them first",
            "export it with images of the layout [1, 3, height, width]",
        )
    graph.rename(image.name, INPUT_NAME)
    graph.rename(graph.outputs[0], OUTPUT_NAME)
    graph.prune()
    graph.make_portable()
    canonical = graph.to_bytes()
    head = onnx_upsampling_head(canonical)
    if head.constant:
        canonical = cut_upsampling_head(canonical)
        notes.append("the constant upsampling at its end moved into the decoder")
    _require_heatmaps(OnnxGraph.from_bytes(canonical).shapes()[OUTPUT_NAME], source, resolution, head)
    return BringYourOwnOnnx(
        canonical, resolution, head, tuple(notes), hashlib.sha256(data).hexdigest(), simplified.simplified
    )


def read_bounded(path: str | os.PathLike[str]) -> bytes:
    """The bytes of an ONNX file of at most 256 MB. Raises :class:`ConversionError` where there are none."""
    try:
        with Path(path).open("rb") as file:
            # A pipe or device tells no size, so that what is read is bounded too.
            too_large = os.fstat(file.fileno()).st_size > MAX_ONNX_BYTES
            data = b"" if too_large else file.read(MAX_ONNX_BYTES + 1)
    except OSError as error:
        raise ConversionError(f"cannot read {path}: {error.strerror}", "check the path and rights") from error
    if too_large or len(data) > MAX_ONNX_BYTES:
        raise ConversionError(f"{path} has more than {MAX_ONNX_BYTES} bytes; no EfficientPose is that large")
    return data


def _fix_input(model: onnx.ModelProto, source: str, variant: str) -> list[str]:
    """Require one image input of the variant's size, and fix its free dimensions; returns notes on these."""
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise ConversionError(f"{source} has {len(inputs)} inputs ({names}); EfficientPose has one, an image")
    name, sides = inputs[0].name, inputs[0].type.tensor_type.shape.dim
    if len(sides) != 4:
        raise ConversionError(f"{source}: the input '{name}' has {len(sides)} dimensions; an image batch has 4")
    if sides[1].dim_value < 1 and sides[3].dim_value < 1:
        raise ConversionError(f"{source}: the input '{name}' does not say which dimension is colour")
    resolution = get_variant(variant).resolution
    channels_last = sides[3].dim_value == 3 and sides[1].dim_value != 3
    expected = [1, resolution, resolution, 3] if channels_last else [1, 3, resolution, resolution]
    given = [side.dim_value for side in sides]
    if any(value not in (0, wanted) for value, wanted in zip(given, expected, strict=True)):
        raise ConversionError(
            f"{source} takes images {given}; {variant} takes {expected}",
            "name the variant that the file was exported from",
        )
    for side, wanted in zip(sides, expected, strict=True):
        side.dim_value = wanted
    return [f"free dimensions of '{name}' are now {expected}"] if 0 in given else []


def _choose_output(model: onnx.ModelProto, source: str) -> list[str]:
    """Leave the model the last output that can be heatmaps; returns a note where there were others."""
    outputs = list(model.graph.output)
    candidates = [value for value in outputs if _may_be_heatmaps(value)]
    if not candidates:
        raise ConversionError(
            f"{source} has no output with {len(JOINTS)} maps", "name an ONNX file of the EfficientPose family"
        )
    del model.graph.output[:]
    model.graph.output.append(candidates[-1])
    # What the exporter noted for a free size no longer holds; reading the graph infers it anew.
    del model.graph.value_info[:]
    for side in model.graph.output[0].type.tensor_type.shape.dim:
        side.Clear()
    if len(outputs) == 1:
        return []
    return [f"of its {len(outputs)} outputs '{candidates[-1].name}' is taken for the heatmaps"]


def _may_be_heatmaps(value: onnx.ValueInfoProto) -> bool:
    sides = value.type.tensor_type.shape.dim
    return len(sides) == 4 and len(JOINTS) in (sides[1].dim_value, sides[3].dim_value)


def _channels_first(graph: OnnxGraph) -> None:
    """Take the transposes of an NHWC export off its input and output."""
    image = graph.inputs[0]
    first = graph.consumers().get(image.name, [])
    if len(first) == 1 and first[0].operator == "Transpose" and first[0].attributes.get("perm") == NHWC_TO_NCHW:
        batch, height, width, channels = image.shape
        graph.inputs = [Value(image.name, (batch, channels, height, width))]
        graph.bypass(first[0], image.name)
    last = graph.producers()[graph.outputs[0]]
    if last.operator == "Transpose" and last.attributes.get("perm") == NCHW_TO_NHWC:
        graph.bypass(last, last.inputs[0])


def _require_activation(model: onnx.ModelProto, source: str, variant: str) -> None:
    """Lite networks clip, all others use swish: the other kind would be fed wrongly normalised images."""
    is_lite = not any(node.op_type == "Sigmoid" for node in model.graph.node)
    if is_lite != get_variant(variant).lite:
        raise ConversionError(
            f"{source} is {'a Lite network' if is_lite else 'not a Lite network'}, unlike {variant}",
            "name the variant that the file was exported from",
        )


def _require_heatmaps(shape: Shape, source: str, resolution: int, head: UpsamplingHead) -> None:
    side = resolution if head.present and not head.constant else resolution // HEATMAP_STRIDE
    if shape != (1, len(JOINTS), side, side):
        raise ConversionError(
            f"{source} gives maps {list(shape)}, not [1, {len(JOINTS)}, {side}, {side}]",
            "name an ONNX file of the EfficientPose family, with its upsampling whole or left out",
        )
