"""Bundles around the tiny engines of ``fixtures``, written with the standard library alone."""

import hashlib
import importlib
import io
import json
import os
import zipfile

import cv2
import numpy as np
import pytest
from hypothesis import settings

from edgepose.runtime.errors import EngineError
from edgepose.runtime.joints import JOINTS
from edgepose.runtime.manifest import to_bytes

FIXTURES = os.path.join(os.path.dirname(__file__), "fixtures")
SIDE, CELLS, UPSAMPLING = 32, 4, 8
ENGINES = ("onnx", "tflite")
DTYPES = ("float32", "int8")
# For properties: the same examples every time, and no deadline that a busy machine could miss. One run of the suite
# on every Python there is (tests/test_every_python.py) asks for fewer.
PATIENT = settings(
    max_examples=int(os.environ.get("EDGEPOSE_TEST_EXAMPLES", "60")), deadline=None, derandomize=True, database=None
)


def require_library(engine):
    """Skip the test where this Python has no library for ``engine``."""
    try:
        if engine == "onnx":
            importlib.import_module("onnxruntime")
        else:
            importlib.import_module("edgepose.runtime.backends.litert").import_interpreter()
    except (ImportError, EngineError) as error:
        pytest.skip(f"no library for {engine} engines here: {error}")


def engine_bytes(engine="onnx", dtype="float32"):
    with open(os.path.join(FIXTURES, f"tiny-{dtype}.{engine}"), "rb") as file:
        return file.read()


def tensor_document(name, engine, dtype, channels, side):
    layout = "NHWC" if engine == "tflite" else "NCHW"
    return {
        "name": name,
        "shape": [1, side, side, channels] if layout == "NHWC" else [1, channels, side, side],
        "layout": layout,
        "dtype": dtype,
        "scale": 1 / 255.0 if dtype == "int8" else None,
        "zero_point": -128 if dtype == "int8" else None,
    }


def manifest_document(engine="onnx", dtype="float32"):
    """A valid manifest, without its members."""
    return {
        "schema": 1,
        "edgepose": "0.1.0",
        "name": "tiny-host-fp32",
        "variant": "RT",
        "target": "host",
        "precision": "fp32" if dtype == "float32" else "int8",
        "engine": {
            "format": engine,
            "member": "engine." + engine,
            "input": tensor_document("image", engine, dtype, 3, SIDE),
            "output": tensor_document("heatmaps", engine, dtype, len(JOINTS), CELLS),
            "macs": 768,
        },
        "preprocessing": {"mode": "letterbox", "channels": "RGB", "scale": [1 / 255.0] * 3, "offset": [0.0] * 3},
        "decoder": {"upsampling": UPSAMPLING, "sigma": 1.0, "default": "official", "joints": list(JOINTS)},
        "provenance": {},
        "measured": {},
    }


def seal(document, members):
    """The bytes of a bundle with ``members`` (name -> bytes), whatever they are."""
    table = {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in members.items()}
    return seal_manifest(to_bytes(dict(document, members=table)), members)


def seal_manifest(manifest, members):
    """As :func:`seal`, with the bytes of the manifest as they are."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in [("manifest.json", manifest)] + sorted(members.items()):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return buffer.getvalue()


def squares(width=SIDE, height=SIDE, red=(12, 12), green=(12, 20), blue=(20, 12)):
    """A black BGR frame with a red, a green and a blue square of 8x8 network pixels, centred there.

    To the left of each and above it is a dim one: the peak, else shared by the 2x2 pixels around the centre of the
    cell, is the first of them, half a network pixel to the left of the centre and above it.
    """
    canvas = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
    for channel, (x, y) in ((2, red), (1, green), (0, blue)):
        for left, top, level in ((x - 4, y - 4, 255), (x - 12, y - 4, 64), (x - 4, y - 12, 64)):
            canvas[max(top, 0) : top + 8, max(left, 0) : left + 8, channel] = level
    return cv2.resize(canvas, (width, height), interpolation=cv2.INTER_NEAREST)


def probe_members(keypoints, frame):
    """The probe of a bundle: ``frame`` as its one crop, ``keypoints`` [16, 2] as the float model's joints on it."""
    crop = {
        "member": "probe/00.png",
        "keypoints": np.asarray(keypoints, dtype=float).tolist(),
        "scores": [1.0] * len(JOINTS),
        "truth": None,
        "head": None,
    }
    document = {"decoder": "official", "crops": [crop]}
    return {
        "probe/00.png": cv2.imencode(".png", frame)[1].tobytes(),
        "probe/poses.json": json.dumps(document).encode("ascii"),
    }


def tiny_bundle(engine="onnx", dtype="float32", probe=None):
    """The bytes of a bundle that runs."""
    members = {"engine." + engine: engine_bytes(engine, dtype)}
    members.update(probe or {})
    return seal(manifest_document(engine, dtype), members)


def edgetpu_bundle(engine, compiled=None, probe=None):
    """The bytes of a bundle for the Edge TPU around the int8 ``engine``, finished where ``compiled`` is given."""
    document = manifest_document("tflite", "int8")
    document["target"] = "coral-usb"
    document["engine"]["format"] = "edgetpu"
    members = {"engine.tflite": engine}
    members.update(probe or {})
    if compiled is not None:
        document["engine"].update(member="engine_edgetpu.tflite", cpu_member="engine.tflite")
        members["engine_edgetpu.tflite"] = compiled
    return seal(document, members)
