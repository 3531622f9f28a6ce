"""The figures that every conversion is gated on, and the probe that a bundle carries to its device.

Both come from the shipped demo set, so that a conversion needs no photographs and the same inputs give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from edgepose.conversion.manifest_writer import manifest_document
from edgepose.figures.demo import demo_set
from edgepose.figures.render import RenderedFigure
from edgepose.network.variants import Variant
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.estimator import PoseEstimator
from edgepose.runtime.manifest import Manifest, to_bytes
from edgepose.runtime.preprocess import Preprocessor

GATE_CROPS = 8
PROBE_CROPS = 4
REFERENCE_TARGET = "host"


def gate_images(variant: Variant) -> np.ndarray:
    """The demo figures as network input: float32 [8, 3, S, S], normalised for ``variant``."""
    preprocessor = float_preprocessor(variant)
    return np.concatenate([preprocessor.prepare(figure.image)[0].copy() for figure in _figures()[:GATE_CROPS]])


def float_preprocessor(variant: Variant) -> Preprocessor:
    """What prepares frames for the float ONNX of ``variant``."""
    return Preprocessor(reference_bundle(variant, b"", upsampling=8).manifest)


def probe_members(variant: Variant, onnx: bytes, upsampling: int) -> dict[str, bytes]:
    """Archive members of the probe: PNG crops and ``probe/poses.json`` with the float reference's joints on them.

    The reference is ``onnx``, the gated float model, run by ONNX Runtime and decoded by the still-image decoder.
    """
    bundle = reference_bundle(variant, onnx, upsampling)
    members: dict[str, bytes] = {}
    crops: list[dict[str, Any]] = []
    with PoseEstimator(bundle, threads=1) as estimator:
        for index, figure in enumerate(_figures()[:PROBE_CROPS]):
            name = f"probe/{index:02d}.png"
            members[name] = cv2.imencode(".png", figure.image)[1].tobytes()
            pose = estimator(figure.image)
            crops.append(
                {
                    "member": name,
                    "keypoints": _rounded(pose.keypoints, 3),
                    "scores": _rounded(pose.scores, 4),
                    "truth": _rounded(figure.keypoints, 3),
                    "head": round(float(figure.head_length), 3),
                }
            )
    document = {"decoder": bundle.manifest.decoder.default, "crops": crops}
    members["probe/poses.json"] = (json.dumps(document, indent=1, sort_keys=True) + "\n").encode("ascii")
    return members


@lru_cache(maxsize=1)
def _figures() -> list[RenderedFigure]:
    return demo_set(max(GATE_CROPS, PROBE_CROPS))


def reference_bundle(variant: Variant, onnx: bytes, upsampling: int) -> Bundle:
    """The float model ``onnx`` as a bundle in memory, which ONNX Runtime runs."""
    return bundle_in_memory(_reference_document(variant, upsampling), onnx)


def bundle_in_memory(document: dict[str, Any], engine: bytes) -> Bundle:
    """An ``engine`` and its manifest ``document`` (without ``members``) as a bundle that is never written."""
    name = document["engine"]["member"]
    member = {"bytes": len(engine), "sha256": hashlib.sha256(engine).hexdigest()}
    manifest = Manifest({**document, "members": {name: member}})
    sha256 = hashlib.sha256(to_bytes(manifest.document)).hexdigest()
    return Bundle(f"<{manifest.name}>", manifest, sha256, {name: engine})


def _reference_document(variant: Variant, upsampling: int) -> dict[str, Any]:
    """The manifest of the float ONNX model as an engine of its own, without ``members``."""
    return manifest_document(
        name="float-reference",
        variant=variant,
        target=REFERENCE_TARGET,
        precision="fp32",
        engine_format="onnx",
        upsampling=upsampling,
        macs=0,
        provenance={},
        measured={},
    )


def _rounded(values: np.ndarray, digits: int) -> list[Any]:
    return np.round(values.astype(float), digits).tolist()
