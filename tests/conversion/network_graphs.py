"""Optimised graphs of whole networks, made once for all tests, and photographs to run them on."""

import functools
import json
from pathlib import Path

import cv2
import numpy as np
from random_networks import random_network

from edgepose.checkpoints.checkpoint import build_network, load_checkpoint
from edgepose.conversion.export_torch_to_onnx import export_torch_to_onnx
from edgepose.conversion.optimise_onnx import OptimisedOnnx, optimise_onnx
from edgepose.conversion.simplify import simplify_onnx
from edgepose.network.efficientpose import EfficientPose
from edgepose.network.variants import Variant

# Networks are convolutional: small images build the same graph in a fraction of the time.
SIDE = 64


@functools.cache
def small_graph(variant: str) -> tuple[EfficientPose, OptimisedOnnx]:
    """A network with random weights and its graph for images of ``SIDE``, optimised without the help of onnxsim."""
    network = random_network(variant)
    return network, optimise_onnx(export_torch_to_onnx(network, SIDE))


@functools.cache
def official_graph(reference: Path, variant: str) -> tuple[EfficientPose, bytes]:
    """The official network and its optimised graph."""
    network = build_network(variant, load_checkpoint(reference / "weights" / f"EfficientPose{variant}.h5", variant))
    simplified = simplify_onnx(export_torch_to_onnx(network, network.variant.resolution))
    return network, optimise_onnx(simplified.onnx).onnx


def photographs(reference: Path, variant: Variant, count: int) -> np.ndarray:
    """Persons of the development set as ``variant`` wants them, float32 [n, 3, S, S]."""
    folder = reference / "data" / "lspet-dev"
    images = []
    for record in json.loads((folder / "annotations.json").read_text())["records"][:: 800 // count][:count]:
        x, y, side = (max(0, round(value)) for value in record["crop"])
        picture = cv2.imread(str(folder / record["image"]))[y : y + side, x : x + side, ::-1]
        picture = cv2.resize(picture, (variant.resolution, variant.resolution))
        normalised = picture * np.array(variant.normalisation.scale) + np.array(variant.normalisation.offset)
        images.append(normalised.transpose(2, 0, 1).astype(np.float32))
    return np.stack(images)
