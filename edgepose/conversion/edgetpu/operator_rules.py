"""What the Edge TPU takes: one rule an operator, as Coral publishes them, and those that hold for all.

Source: "TensorFlow models on the Edge TPU", table of supported operations (coral.ai/docs/edgetpu/models-intro), and
issues of google-coral/edgetpu where the table is silent. Statuses are those of the compiler itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from edgepose.conversion.edgetpu.operator_versions import newest_version, release_of
from edgepose.conversion.edgetpu.tflite_file import ACTIVATIONS, Operator, Tensor, TfliteFile

# What the compiler's log says of an operator (version 16).
MAPPED = "Mapped to Edge TPU"
BEHIND = "More than one subgraph is not supported"
LIMITED = "Operation is otherwise supported, but not mapped due to some unspecified limitation"
UNSUPPORTED = "Operation not supported"
VERSION = "Operation version not supported"
DATA_TYPE = "Operation is working on an unsupported data type"
RANK = "Tensor has unsupported rank (up to 3 innermost dimensions mapped)"
NOT_CONSTANT = "Filter, bias, or other param is not constant at compile-time"
IMPRECISE = "Image-interpolation layer won't run precisely enough on Edge TPU"
STATUSES = (MAPPED, BEHIND, LIMITED, UNSUPPORTED, VERSION, DATA_TYPE, RANK, NOT_CONSTANT, IMPRECISE)

# The oldest Edge TPU runtime that this table of rules was published for.
FIRST_RUNTIME = 10
INTEGERS = ("int8", "uint8")
# Accumulators, axes, shapes and paddings are wider.
PARAMETERS = (*INTEGERS, "int32", "int64", "int16")
INNERMOST = 3
SOFTMAX_ELEMENTS = 16_000
# Reshapes and resizes of large tensors are left to the CPU; Coral does not say from where on. Its own models resize
# maps of this many elements on the Edge TPU.
LARGE_ELEMENTS = 1 << 18


class Finding(NamedTuple):
    """Why an operator is not, or may not be, taken: the compiler's status, the rule, what would mend it.

    ``tensor``: the name of the one concerned, where it is one.
    """

    status: str
    rule: str
    mend: str
    certain: bool = True
    tensor: str = ""


Check = Callable[[TfliteFile, Operator], Finding | None]


@dataclass(frozen=True)
class Rule:
    """``text``: the published limitation, in words.

    ``runtime``: the first Edge TPU runtime that takes the operator; ``parameters``: inputs that must be constant;
    ``checks``: what else must hold.
    """

    text: str = "no limitation"
    runtime: int = FIRST_RUNTIME
    parameters: tuple[int, ...] = ()
    checks: tuple[Check, ...] = field(default=())


def find(file: TfliteFile, operator: Operator) -> Finding | None:
    """The first rule that keeps ``operator`` from the Edge TPU; None where none does."""
    rule = RULES.get(operator.name)
    if operator.custom or rule is None:
        return _unsupported(operator)
    checks = (_version, _no_floats, _constants, _integers, _static, _rank, _batch, *rule.checks)
    try:
        return next((finding for check in checks if (finding := check(file, operator)) is not None), None)
    except IndexError:
        return Finding(LIMITED, "it lacks a tensor that it must have", "make the model again: this file is damaged")


def is_too_new(operator: Operator) -> bool:
    """Whether the compiler's parser does not know the operator's version: that fails the whole compilation."""
    newest = newest_version(operator.name)
    return newest is not None and operator.version > newest


def _unsupported(operator: Operator) -> Finding:
    mends = {
        "HARD_SWISH": "train with ReLU or ReLU6 (the Lite variants), or write x * sigmoid(x) as LOGISTIC and MUL",
        "LEAKY_RELU": "train with ReLU, ReLU6 or PReLU",
        "DEQUANTIZE": "end the model in int8 or uint8 and restore numbers in your program",
        "GELU": "train with ReLU or ReLU6",
        "CAST": "feed int8 or uint8",
    }
    mend = mends.get(operator.name, "replace it by operators of the table, or move it to the end and into your program")
    kind = "a custom operator" if operator.custom else "not one of the operators that the Edge TPU has"
    return Finding(UNSUPPORTED, kind, mend)


def _version(file: TfliteFile, operator: Operator) -> Finding | None:
    if not is_too_new(operator):
        return None
    newest, release = newest_version(operator.name), release_of(operator.name, operator.version)
    since = f", of TFLite {release[0]}.{release[1]}" if release is not None else ""
    return Finding(
        VERSION,
        f"version {operator.version}{since}: the compiler's parser knows versions up to {newest}, and fails as a whole",
        f"write it in version {newest} or lower",
    )


def _no_floats(file: TfliteFile, operator: Operator) -> Finding | None:
    return _data_type([tensor for tensor in _tensors(file, operator) if tensor.dtype.startswith(("float", "bfloat"))])


def _constants(file: TfliteFile, operator: Operator) -> Finding | None:
    for place in RULES[operator.name].parameters:
        if place < len(operator.inputs) and operator.inputs[place] >= 0:
            tensor = file.tensors[operator.inputs[place]]
            if tensor.data is None:
                return _concerning(tensor, NOT_CONSTANT, "a parameter is computed", "make it a constant of the model")
    return None


def _integers(file: TfliteFile, operator: Operator) -> Finding | None:
    tensors = _tensors(file, operator)
    wrong = [each for each in tensors if each.dtype not in (INTEGERS if each.data is None else PARAMETERS)]
    return _data_type(wrong) or next(
        (
            _concerning(tensor, DATA_TYPE, f"{tensor.dtype} without a scale", "quantise the whole model to int8")
            for tensor in tensors
            if tensor.dtype in INTEGERS and not tensor.quantised
        ),
        None,
    )


def _data_type(wrong: Sequence[Tensor]) -> Finding | None:
    if not wrong:
        return None
    rule = f"{wrong[0].dtype}, where the Edge TPU computes in int8 and uint8"
    return _concerning(wrong[0], DATA_TYPE, rule, "quantise the whole model to int8, its input and output included")


def _static(file: TfliteFile, operator: Operator) -> Finding | None:
    for tensor in _tensors(file, operator):
        if tensor.dynamic:
            return _concerning(tensor, LIMITED, "no fixed shape", "convert with a fixed input shape")
    return None


def _rank(file: TfliteFile, operator: Operator) -> Finding | None:
    for tensor in _tensors(file, operator):
        # Filters have four sides; batches have a rule of their own.
        if tensor.data is None and any(side > 1 for side in tensor.shape[1:-INNERMOST]):
            rule = "more than three sides above 1"
            return _concerning(tensor, RANK, rule, "keep all but the three innermost sides at 1")
    return None


def _batch(file: TfliteFile, operator: Operator) -> Finding | None:
    for tensor in _tensors(file, operator):
        if tensor.data is None and len(tensor.shape) > INNERMOST and tensor.shape[0] != 1:
            return _concerning(tensor, RANK, f"a batch of {tensor.shape[0]}", "convert with a batch of 1")
    return None


def _no_activation(file: TfliteFile, operator: Operator) -> Finding | None:
    activation = ACTIVATIONS.get(operator.options.get("FusedActivationFunction", 0), "unknown")
    if activation == "NONE":
        return None
    return Finding(LIMITED, f"{activation} is fused into it", "write the activation as an operator of its own")


def _same_dilation(file: TfliteFile, operator: Operator) -> Finding | None:
    vertical, horizontal = (operator.options.get(f"Dilation{axis}Factor", 1) for axis in "HW")
    if vertical == horizontal:
        return None
    return Finding(LIMITED, f"it is dilated {vertical} x {horizontal}", "use the same dilation in both directions")


def _zero_padding_join(file: TfliteFile, operator: Operator) -> Finding | None:
    constants = [tensor for tensor in file.read(operator) if tensor.data is not None]
    if not constants or (len(operator.inputs) == 2 and not any(tensor.data.any() for tensor in constants)):  # type: ignore[union-attr]
        return None
    return Finding(LIMITED, "it joins a constant", "join two tensors, the constant one all zeros, or none that is one")


def _fully_connected(file: TfliteFile, operator: Operator) -> Finding | None:
    if operator.options.get("WeightsFormat", 0) != 0:
        return Finding(LIMITED, "its weights are shuffled", "write them in the default format")
    if any(_wide_sides(tensor) > 1 for tensor in file.written(operator)):
        return Finding(LIMITED, "its output is not one row", "flatten what it reads, or use a 1 x 1 convolution")
    return None


def _mean(file: TfliteFile, operator: Operator) -> Finding | None:
    axes = _axes(file, operator)
    if axes is None:
        return Finding(NOT_CONSTANT, "its axes are computed", "make them a constant of the model")
    shape = _input(file, operator, 0).shape
    if 0 in axes and len(shape) > INNERMOST:
        return Finding(LIMITED, "it averages over the batch", "average over height, width or channels alone")
    if len(shape) - 1 in axes and shape[-1] % 4:
        return Finding(LIMITED, f"it averages over {shape[-1]} channels", "use a multiple of 4 channels")
    return None


def _not_the_batch(file: TfliteFile, operator: Operator) -> Finding | None:
    axes = _axes(file, operator)
    rank = len(_input(file, operator, 0).shape)
    if axes is None:
        return Finding(NOT_CONSTANT, "its axes are computed", "make them a constant of the model")
    if 0 in axes and rank > INNERMOST:
        return Finding(LIMITED, "it works along the batch", "work along height, width or channels alone")
    return None


def _pack(file: TfliteFile, operator: Operator) -> Finding | None:
    rank = len(file.written(operator)[0].shape)
    if rank and operator.options.get("Axis", 0) % rank == 0:
        return Finding(LIMITED, "it works along the batch", "work along height, width or channels alone")
    return None


def _split(file: TfliteFile, operator: Operator) -> Finding | None:
    axes = _input(file, operator, 0).integers()
    rank = len(_input(file, operator, 1).shape)
    if axes is None:
        return Finding(NOT_CONSTANT, "its axis is computed", "make it a constant of the model")
    if rank and axes and axes[0] % rank == 0:
        return Finding(LIMITED, "it works along the batch", "work along height, width or channels alone")
    return None


def _pad(file: TfliteFile, operator: Operator) -> Finding | None:
    amounts = _input(file, operator, 1).integers() or []
    if any(amounts[:2]):
        return Finding(LIMITED, "it pads the batch", "pad height, width or channels alone")
    return None


def _flat_alpha(file: TfliteFile, operator: Operator) -> Finding | None:
    if all(side == 1 for side in _input(file, operator, 1).shape[:-1]):
        return None
    return Finding(LIMITED, "its alpha is not one number a channel", "share alpha over height and width")


def _softmax(file: TfliteFile, operator: Operator) -> Finding | None:
    tensor = _input(file, operator, 0)
    if _wide_sides(tensor) > 1:
        return Finding(LIMITED, f"it reads {_sides(tensor)}, not one row", "flatten what it reads")
    if tensor.elements > SOFTMAX_ELEMENTS:
        return Finding(LIMITED, f"it reads {tensor.elements} numbers", f"at most {SOFTMAX_ELEMENTS} can be")
    return None


def _plain_slice(file: TfliteFile, operator: Operator) -> Finding | None:
    strides = _input(file, operator, 3).integers() if len(operator.inputs) > 3 else None
    if strides is not None and any(stride != 1 for stride in strides):
        return Finding(LIMITED, f"its strides are {strides}", "use strides of 1")
    if any(operator.options.get(mask, 0) for mask in ("EllipsisMask", "NewAxisMask")):
        return Finding(LIMITED, "it has an ellipsis or a new axis", "name every axis")
    return None


def _large(file: TfliteFile, operator: Operator) -> Finding | None:
    tensor = max([_input(file, operator, 0), *file.written(operator)], key=lambda one: one.elements)
    if tensor.elements <= LARGE_ELEMENTS:
        return None
    return _concerning(tensor, LIMITED, f"more than {LARGE_ELEMENTS:,} elements", "use a smaller input", certain=False)


def _interpolation(file: TfliteFile, operator: Operator) -> Finding | None:
    finding = _large(file, operator)
    return finding and finding._replace(status=IMPRECISE)


def _transposed(file: TfliteFile, operator: Operator) -> Finding | None:
    return Finding(
        LIMITED,
        "single transposed convolutions are reported as left to the CPU (google-coral/edgetpu issues 684 and 686)",
        "leave constant upsampling to the decoder, as edgepose does, or use RESIZE_BILINEAR",
        certain=False,
    )


def _concerning(tensor: Tensor, status: str, rule: str, mend: str, certain: bool = True) -> Finding:
    return Finding(status, rule, mend, certain, tensor.name)


def _tensors(file: TfliteFile, operator: Operator) -> list[Tensor]:
    return [*file.read(operator), *file.written(operator)]


def _input(file: TfliteFile, operator: Operator, place: int) -> Tensor:
    """The tensor at ``place`` among those that ``operator`` reads. Raises :class:`IndexError` where there is none."""
    if operator.inputs[place] < 0:
        raise IndexError
    return file.tensors[operator.inputs[place]]


def _axes(file: TfliteFile, operator: Operator) -> set[int] | None:
    axes = _input(file, operator, 1).integers()
    rank = max(len(_input(file, operator, 0).shape), 1)
    return None if axes is None else {axis % rank for axis in axes}


def _wide_sides(tensor: Tensor) -> int:
    return sum(side > 1 for side in tensor.shape)


def _sides(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "one number"


_CONVOLUTION = Rule(
    "the same dilation both ways; filters and bias constant", parameters=(1, 2), checks=(_same_dilation,)
)
_ANY = Rule()
RULES: dict[str, Rule] = {
    "ADD": _ANY,
    "AVERAGE_POOL_2D": Rule("no fused activation", checks=(_no_activation,)),
    "CONCATENATION": Rule(
        "no fused activation; a constant only of zeros, and beside one other input",
        checks=(_no_activation, _zero_padding_join),
    ),
    "CONV_2D": _CONVOLUTION,
    "DEPTHWISE_CONV_2D": _CONVOLUTION,
    "EXPAND_DIMS": Rule(runtime=13, parameters=(1,)),
    "FULLY_CONNECTED": Rule(
        "weights in the default format; one row comes out", parameters=(1, 2), checks=(_fully_connected,)
    ),
    "L2_NORMALIZATION": _ANY,
    "LOGISTIC": _ANY,
    "MAXIMUM": _ANY,
    "MAX_POOL_2D": Rule("no fused activation", checks=(_no_activation,)),
    "MEAN": Rule(
        "not over the batch; over channels only where they are a multiple of 4", parameters=(1,), checks=(_mean,)
    ),
    "MINIMUM": _ANY,
    "MUL": _ANY,
    "PACK": Rule("not along the batch", runtime=13, checks=(_pack,)),
    "PAD": Rule("not of the batch", parameters=(1,), checks=(_pad,)),
    "PRELU": Rule("one alpha a channel", runtime=13, parameters=(1,), checks=(_flat_alpha,)),
    "QUANTIZE": Rule(runtime=13),
    "REDUCE_MAX": Rule("not over the batch", runtime=14, parameters=(1,), checks=(_not_the_batch,)),
    "REDUCE_MIN": Rule("not over the batch", runtime=14, parameters=(1,), checks=(_not_the_batch,)),
    "RELU": _ANY,
    "RELU6": _ANY,
    "RELU_N1_TO_1": _ANY,
    "RESHAPE": Rule("large tensors may be left to the CPU", checks=(_large,)),
    "RESIZE_BILINEAR": Rule("large sizes may be left to the CPU", parameters=(1,), checks=(_interpolation,)),
    "RESIZE_NEAREST_NEIGHBOR": Rule("large sizes may be left to the CPU", parameters=(1,), checks=(_interpolation,)),
    "RSQRT": Rule(runtime=14),
    "SLICE": Rule(parameters=(1, 2)),
    "SOFTMAX": Rule("of one row of at most 16,000", checks=(_softmax,)),
    "SPACE_TO_DEPTH": _ANY,
    "SPLIT": Rule("not along the batch", parameters=(0,), checks=(_split,)),
    "SQUARED_DIFFERENCE": Rule(runtime=14),
    "SQUEEZE": _ANY,
    "STRIDED_SLICE": Rule("strides of 1; no ellipsis or new axis", parameters=(1, 2, 3), checks=(_plain_slice,)),
    "SUB": _ANY,
    "SUM": Rule("not over the batch", runtime=13, parameters=(1,), checks=(_not_the_batch,)),
    "TANH": _ANY,
    "TRANSPOSE": Rule(runtime=14, parameters=(1,)),
    "TRANSPOSE_CONV": Rule(
        "single ones are reported as left to the CPU", runtime=13, parameters=(0, 1, 3), checks=(_transposed,)
    ),
}
