"""``manifest.json``: what a bundle says about itself, and the checks that make its words safe to act on.

The manifest is the contract between the half that converts and the half that runs. Version 1, as a JSON object:

=================  ====================================================================================
``schema``         1
``edgepose``       version of edgepose that wrote the bundle
``name``           ``<variant>-<target>-<precision>``, lower case
``variant``        ``RT`` ... ``II_LITE``
``target``         name of a file in ``targets/``
``precision``      ``fp32``, ``fp16`` or ``int8``
``engine``         ``format`` (``tflite``/``onnx``/``edgetpu``/``tensorrt``), ``member``, ``input`` and ``output``
                   tensor (below), ``macs``; ``cpu_member`` where an accelerator's engine has a twin for the CPU;
                   with ``tensorrt``, an ONNX that the board builds its engine from, ``build``: ``boards`` (what
                   ``/proc/device-tree/model`` starts with), ``half`` (whether the graph is typed in float16) and
                   ``memory_mb`` (*estimated* peak)
``preprocessing``  ``mode`` (``letterbox``), ``channels`` (``RGB``), ``scale`` and ``offset`` (3 numbers each):
                   network input = byte * scale + offset
``decoder``        ``upsampling`` (pixels of the full map per heatmap cell, a power of two), ``sigma`` (of the
                   still-image decoder), ``default`` (name of the decoder), ``joints`` (16 names)
``provenance``     digests and tool versions, from checkpoint to engine
``measured``       what the gates measured at conversion
``members``        every other file of the archive: ``{name: {"bytes": n, "sha256": hex}}``
=================  ====================================================================================

A tensor is ``{"name", "shape", "layout" ("NHWC"/"NCHW"), "dtype" ("float32"/"int8"), "scale", "zero_point"}``;
the last two are ``null`` for float tensors.
"""

import json
import re
from typing import NamedTuple, Optional, Tuple

from edgepose.runtime.errors import BundleError
from edgepose.runtime.joints import JOINTS

SCHEMA = 1
MAX_MANIFEST_BYTES = 1 << 20
MAX_MEMBER_BYTES = 512 << 20
MAX_TENSOR_BYTES = 256 << 20
MAX_FULL_MAP_SIDE = 2048  # pixels; the decoder's tables grow with its square
ENGINE_FORMATS = ("tflite", "onnx", "edgetpu", "tensorrt")
MAX_BOARDS = 16
PRECISIONS = ("fp32", "fp16", "int8")
DTYPES = {"float32": 4, "int8": 1}
LAYOUTS = ("NHWC", "NCHW")
DECODERS = ("official", "realtime")

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_MEMBER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*\Z")
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}\Z")

TensorSpec = NamedTuple(
    "TensorSpec",
    [
        ("name", str),
        ("shape", Tuple[int, ...]),  # batch first; batch is 1
        ("layout", str),
        ("dtype", str),
        ("scale", Optional[float]),  # real = (integer - zero_point) * scale
        ("zero_point", Optional[int]),
    ],
)
# How a board is to build its engine: for which device and its device-tree names, whether the graph is typed in float16,
# and the estimated peak memory.
BuildSpec = NamedTuple(
    "BuildSpec",
    [("precision", str), ("target", str), ("boards", Tuple[str, ...]), ("half", bool), ("memory_mb", float)],
)
EngineSpec = NamedTuple(
    "EngineSpec",
    [
        ("format", str),
        ("member", str),
        ("input", TensorSpec),
        ("output", TensorSpec),
        ("macs", int),
        ("cpu_member", Optional[str]),  # of an accelerator's engine: the same network for the CPU
        ("build", Optional[BuildSpec]),  # of the format 'tensorrt' alone
    ],
)
PreprocessingSpec = NamedTuple(
    "PreprocessingSpec",
    [("mode", str), ("channels", str), ("scale", Tuple[float, ...]), ("offset", Tuple[float, ...])],
)
DecoderSpec = NamedTuple(
    "DecoderSpec", [("upsampling", int), ("sigma", float), ("default", str), ("joints", Tuple[str, ...])]
)
MemberSpec = NamedTuple("MemberSpec", [("bytes", int), ("sha256", str)])


class Manifest(object):
    """A checked manifest. ``document`` is the whole JSON object, for showing; the attributes are what code acts on."""

    def __init__(self, document):
        """Check ``document`` (the parsed JSON). Raises :class:`BundleError` naming the first field that is wrong."""
        _require(isinstance(document, dict), "the manifest", "is not a JSON object")
        schema = document.get("schema")
        if schema != SCHEMA or isinstance(schema, bool):
            raise BundleError(
                "manifest schema version {!r} is not one this edgepose reads (it reads {})".format(schema, SCHEMA),
                "use the edgepose that wrote the bundle, or convert again with this one",
            )
        self.document = document
        self.edgepose = _text(document, "edgepose")
        self.name = _text(document, "name")
        _require(_NAME.match(self.name), "name", "holds characters other than a-z 0-9 _ . -")
        self.variant = _text(document, "variant")
        self.target = _text(document, "target")
        self.precision = _choice(document, "precision", PRECISIONS)
        self.members = _members(_object(document, "members"))
        self.engine = _engine(_object(document, "engine"), self.members, self.precision, self.target)
        self.preprocessing = _preprocessing(_object(document, "preprocessing"))
        self.decoder = _decoder(_object(document, "decoder"), max(self.heatmap_size))
        self.provenance = _object(document, "provenance")
        self.measured = _object(document, "measured")

    @classmethod
    def from_bytes(cls, data):
        """Parse and check ``manifest.json``. Raises :class:`BundleError`."""
        if len(data) > MAX_MANIFEST_BYTES:
            raise BundleError("manifest.json has {} bytes; at most {} are read".format(len(data), MAX_MANIFEST_BYTES))
        try:
            document = json.loads(data.decode("utf-8"), parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise BundleError("manifest.json is not JSON: {}".format(error), "copy the bundle again")
        return cls(document)

    @property
    def input_size(self):
        """Side of the square network input, in pixels."""
        return _channels_height_width(self.engine.input)[1]

    @property
    def heatmap_size(self):
        """(height, width) of the engine's output, in cells."""
        return _channels_height_width(self.engine.output)[1:]


def to_bytes(document):
    """The canonical bytes of a manifest: the same document always gives the same bytes."""
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return (text + "\n").encode("ascii")


def _no_constant(name):
    raise ValueError("{} is not a number".format(name))


def _require(condition, field, problem):
    if not condition:
        raise BundleError("manifest.json: {} {}".format(field, problem), "copy the bundle again, or convert again")


def _object(parent, key):
    value = parent.get(key)
    _require(isinstance(value, dict), key, "is missing or not an object")
    return value


def _text(parent, key):
    value = parent.get(key)
    _require(isinstance(value, str) and 0 < len(value) <= 200, key, "is missing or not a short text")
    return value


def _choice(parent, key, choices):
    value = parent.get(key)
    _require(value in choices, key, "is {!r}, not one of {}".format(value, ", ".join(choices)))
    return value


def _whole(value, field, low, high):
    _require(isinstance(value, int) and not isinstance(value, bool), field, "is not a whole number")
    _require(low <= value <= high, field, "is {}, outside {} to {}".format(value, low, high))
    return value


def _number(value, field):
    _require(isinstance(value, (int, float)) and not isinstance(value, bool), field, "is not a number")
    _require(abs(value) < 1e30, field, "is out of range")
    return float(value)


def _numbers(parent, key, count):
    value = parent.get(key)
    _require(isinstance(value, list) and len(value) == count, key, "is not a list of {} numbers".format(count))
    return tuple(_number(item, key) for item in value)


def _members(document):
    members = {}
    total = 0
    _require(len(document) <= 1000, "members", "lists more than 1000 files")
    for name, entry in document.items():
        _require(_MEMBER.match(name) and name != "manifest.json", "members", "has the unsafe name {!r}".format(name))
        _require(isinstance(entry, dict), "members[{}]".format(name), "is not an object")
        size = _whole(entry.get("bytes"), "members[{}].bytes".format(name), 0, MAX_MEMBER_BYTES)
        digest = entry.get("sha256")
        _require(
            isinstance(digest, str) and _SHA256.match(digest), "members[{}].sha256".format(name), "is not a SHA-256"
        )
        total += size
        members[name] = MemberSpec(size, digest)
    _require(total <= MAX_MEMBER_BYTES, "members", "add up to {} bytes".format(total))
    return members


def _tensor(document, field):
    shape = document.get("shape")
    _require(isinstance(shape, list) and len(shape) == 4, field + ".shape", "is not four numbers")
    shape = tuple(_whole(side, field + ".shape", 1, 1 << 14) for side in shape)
    dtype = _choice(document, "dtype", tuple(DTYPES))
    size = DTYPES[dtype]
    for side in shape:
        size *= side
    _require(size <= MAX_TENSOR_BYTES, field + ".shape", "claims a tensor of {} bytes".format(size))
    _require(shape[0] == 1, field + ".shape", "has a batch of {}, not 1".format(shape[0]))
    scale, zero_point = document.get("scale"), document.get("zero_point")
    if dtype == "int8":
        scale = _number(scale, field + ".scale")
        _require(scale > 0, field + ".scale", "is not positive")
        zero_point = _whole(zero_point, field + ".zero_point", -128, 127)
    else:
        _require(scale is None and zero_point is None, field, "is float and yet has a scale or zero point")
    return TensorSpec(_text(document, "name"), shape, _choice(document, "layout", LAYOUTS), dtype, scale, zero_point)


def _engine(document, members, precision, target):
    member = _listed(document, "member", members)
    engine_format = _choice(document, "format", ENGINE_FORMATS)
    spec = EngineSpec(
        engine_format,
        member,
        _tensor(_object(document, "input"), "engine.input"),
        _tensor(_object(document, "output"), "engine.output"),
        _whole(document.get("macs"), "engine.macs", 0, 10**15),
        _listed(document, "cpu_member", members) if "cpu_member" in document else None,
        _build(_object(document, "build"), precision, target) if engine_format == "tensorrt" else None,
    )
    channels, height, width = _channels_height_width(spec.input)
    _require(channels == 3 and height == width, "engine.input.shape", "is not a square RGB image")
    _require(_channels_height_width(spec.output)[0] == len(JOINTS), "engine.output.shape", "has not 16 channels")
    return spec


def _listed(document, key, members):
    member = _text(document, key)
    _require(member in members, "engine." + key, "names {!r}, which the bundle does not list".format(member))
    return member


def _build(document, precision, target):
    boards = document.get("boards")
    _require(isinstance(boards, list) and 0 < len(boards) <= MAX_BOARDS, "engine.build.boards", "is not a short list")
    for board in boards:
        _require(isinstance(board, str) and 0 < len(board) <= 200, "engine.build.boards", "holds what is no short text")
    memory = _number(document.get("memory_mb"), "engine.build.memory_mb")
    _require(memory > 0, "engine.build.memory_mb", "is not positive")
    _require(isinstance(document.get("half"), bool), "engine.build.half", "is not true or false")
    return BuildSpec(precision, target, tuple(boards), document["half"], memory)


def _channels_height_width(tensor):
    if tensor.layout == "NHWC":
        return tensor.shape[3], tensor.shape[1], tensor.shape[2]
    return tensor.shape[1], tensor.shape[2], tensor.shape[3]


def _preprocessing(document):
    return PreprocessingSpec(
        _choice(document, "mode", ("letterbox",)),
        _choice(document, "channels", ("RGB",)),
        _numbers(document, "scale", 3),
        _numbers(document, "offset", 3),
    )


def _decoder(document, cells):
    joints = document.get("joints")
    _require(joints == list(JOINTS), "decoder.joints", "is not the sixteen joints in EfficientPose order")
    sigma = _number(document.get("sigma"), "decoder.sigma")
    _require(0 < sigma <= 16, "decoder.sigma", "is outside 0 to 16 pixels")
    upsampling = _whole(document.get("upsampling"), "decoder.upsampling", 1, 64)
    _require(upsampling & (upsampling - 1) == 0, "decoder.upsampling", "is {}, not a power of two".format(upsampling))
    _require(
        cells * upsampling <= MAX_FULL_MAP_SIDE,
        "decoder.upsampling",
        "makes maps of {} pixels a side; at most {} can be".format(cells * upsampling, MAX_FULL_MAP_SIDE),
    )
    return DecoderSpec(
        upsampling,
        sigma,
        _choice(document, "default", DECODERS),
        JOINTS,
    )
