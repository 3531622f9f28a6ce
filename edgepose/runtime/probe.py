"""The probe that a bundle carries: a few crops with the float model's joints, to check an engine where it runs."""

import json
from typing import List, NamedTuple, Optional

import cv2
import numpy as np

from edgepose.runtime.errors import BundleError, SourceError
from edgepose.runtime.estimator import PoseEstimator
from edgepose.runtime.image_header import read_image_header
from edgepose.runtime.joints import JOINTS
from edgepose.runtime.manifest import DECODERS

POSES_MEMBER = "probe/poses.json"
MAX_CROPS = 64
MAX_CROP_PIXELS = 1 << 20
MAX_NUMBER = 1e9
# Two joints agree when they are at most this many head lengths apart.
AGREEMENT_HEADS = 0.1
# A crop without a head length is taken to show a person about ten heads wide and high.
CROP_SIDE_IN_HEADS = 10.0
# Share of joints that must agree. Float engines differ from their reference in rounding only: a joint moves where two
# peaks are almost equal. Int8 engines lose up to a third of this very strict agreement at no loss of PCKh@50.
REQUIRED_AGREEMENT = {"fp32": 0.95, "fp16": 0.95, "int8": 0.5}

# ``keypoints`` float32 [16, 2] and ``scores`` [16]: the float model's, in pixels of ``image`` (uint8 [H, W, 3] BGR).
# ``truth`` [16, 2] where it is known, NaN for joints whose truth is not;
# ``head``: length of the head in pixels, for scale.
ProbeCrop = NamedTuple(
    "ProbeCrop",
    [
        ("name", str),
        ("image", np.ndarray),
        ("keypoints", np.ndarray),
        ("scores", np.ndarray),
        ("truth", Optional[np.ndarray]),
        ("head", Optional[float]),
    ],
)
Probe = NamedTuple("Probe", [("decoder", str), ("crops", List[ProbeCrop])])

_ProbeReport = NamedTuple(
    "_ProbeReport",
    [
        ("joints", int),
        ("agreeing", int),
        ("required", float),
        ("mean_pixels", float),
        ("worst_pixels", float),
        ("fallback", Optional[str]),
    ],
)


class ProbeReport(_ProbeReport):
    """How an engine did on its probe: ``agreeing`` of ``joints`` lie within 0.1 head of the float model's.

    ``required`` is the share that must; ``mean_pixels`` and ``worst_pixels`` are distances in pixels of the crops.
    ``fallback``: why the CPU did the work of an accelerator; None where it did not.
    """

    __slots__ = ()

    @property
    def passed(self):
        """Whether enough joints agree."""
        return self.agreeing >= self.required * self.joints

    @property
    def summary(self):
        """One sentence for people."""
        told = "{} of {} joints within {} head of the float model ({:.0%} needed); mean {:.2f}, worst {:.2f} px".format(
            self.agreeing, self.joints, AGREEMENT_HEADS, self.required, self.mean_pixels, self.worst_pixels
        )
        return told if self.fallback is None else "{}; by the CPU: {}".format(told, self.fallback)


def read_probe(bundle):
    """The :class:`Probe` of ``bundle``. Raises :class:`BundleError` where it has none, or one that cannot be read."""
    try:
        document = json.loads(bundle.read(POSES_MEMBER).decode("utf-8"))
        decoder, crops = document["decoder"], document["crops"]
        if decoder not in DECODERS or not 1 <= len(crops) <= MAX_CROPS:
            raise ValueError("decoder {!r}, {} crops".format(decoder, len(crops)))
        return Probe(decoder, [read_crop(bundle.read, crop) for crop in crops])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BundleError("{}: {} is not a probe: {}".format(bundle.path, POSES_MEMBER, error), "convert again")


def check_probe(bundle, threads=None, device=None, allow_cpu=False, tensorrt=None, simulate=False):
    """Run ``bundle`` on its own probe and compare with the float model's joints: a :class:`ProbeReport`.

    The options are those of :class:`PoseEstimator`. Raises :class:`BundleError` where the probe cannot be read,
    :class:`EngineError` where the engine does not run.
    """
    probe = read_probe(bundle)
    per_crop, allowed = [], []
    with PoseEstimator(bundle, threads, probe.decoder, device, allow_cpu, tensorrt, simulate) as estimator:
        for crop in probe.crops:
            pose = estimator(crop.image)
            per_crop.append(np.linalg.norm(pose.keypoints.astype(np.float64) - crop.keypoints, axis=1))
            head = crop.head or max(crop.image.shape[:2]) / CROP_SIDE_IN_HEADS
            allowed.append(np.full(len(JOINTS), AGREEMENT_HEADS * head))
    distances = np.concatenate(per_crop)
    return ProbeReport(
        joints=distances.size,
        agreeing=int((distances <= np.concatenate(allowed)).sum()),
        required=REQUIRED_AGREEMENT[bundle.manifest.precision],
        mean_pixels=float(distances.mean()),
        worst_pixels=float(distances.max()),
        fallback=estimator.fallback,
    )


def read_crop(read, document):
    """The :class:`ProbeCrop` of one entry of a probe's ``crops``; ``read(member)`` gives its picture's bytes.

    Raises ``ValueError``, ``KeyError`` or ``TypeError`` where it is none.
    """
    name = document["member"]
    truth, head = document["truth"], document["head"]
    if head is not None and not (isinstance(head, (int, float)) and 0 < head < 1e6):
        raise ValueError("{} has a head of {!r} pixels".format(name, head))
    return ProbeCrop(
        name,
        _image(read(name), name),
        _numbers(document["keypoints"], (len(JOINTS), 2)),
        _numbers(document["scores"], (len(JOINTS),)),
        None if truth is None else _numbers(truth, (len(JOINTS), 2), gaps=True),
        head,
    )


def _image(data, name):
    try:
        header = read_image_header(data)
    except SourceError as error:
        raise ValueError("{}: {}".format(name, error.message))
    if header is None or header.width * header.height > MAX_CROP_PIXELS:
        raise ValueError("{} is not a small image".format(name))
    image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError("{} cannot be decoded".format(name))
    return image


def _numbers(values, shape, gaps=False):
    """``values`` as float32 of ``shape``; with ``gaps``, null is NaN: a joint that nobody marked."""
    array = np.array(values, dtype=np.float64)
    known = array[~np.isnan(array)] if gaps else array
    if array.shape != shape or not (np.abs(known) < MAX_NUMBER).all():
        raise ValueError("{} numbers where {} were expected".format(list(array.shape), list(shape)))
    return array.astype(np.float32)
