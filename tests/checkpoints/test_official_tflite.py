"""Our network against the official TFLite files, on real photographs.

The converter that wrote those files folded every batch normalisation into the convolution before it and rounded the
result to float16. Rounding alone moves single heatmap values by up to 1e-2, so our side is rounded alike.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import cv2
import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter
from torch import Tensor, nn

from benchmarks.official_weights import UNREAD_HEADS, Folded, install, read_tflite, tflite_network
from edgepose.checkpoints import build_network, load_checkpoint, save_safetensors
from edgepose.checkpoints.official_names import official_layer_names
from edgepose.network import EfficientPose
from edgepose.network.layers import ConvNorm
from edgepose.network.variants import Variant

CROPS = 50
WORKERS = 2
TOLERANCE = 5e-4
TIE = 1e-4  # two cells of the official map that differ by less may swap places


@pytest.mark.parametrize("name", ["RT", "I", "RT_LITE", "I_LITE"])
def test_keras_weights_give_the_official_heatmaps(name, reference):
    network = build_network(name, load_checkpoint(keras_file(reference, name), name))
    install(network, {layer: (half(w), half(b)) for layer, (w, b) in folded(network).items()})
    check_parity(network, reference)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["II", "II_LITE"])
def test_tflite_weights_give_the_official_heatmaps(name, reference, tmp_path):
    """By way of the checkpoint that the benchmarks convert."""
    save_safetensors(tflite_network(tflite_file(reference, name), name), tmp_path / "weights.safetensors")
    check_parity(build_network(name, load_checkpoint(tmp_path / "weights.safetensors", name)), reference)


@pytest.mark.parametrize("name", ["RT", "I", "RT_LITE", "I_LITE"])
def test_folded_keras_weights_are_the_tflite_constants_to_half_precision(name, reference):
    ours = folded(build_network(name, load_checkpoint(keras_file(reference, name), name)))
    theirs = read_tflite(tflite_file(reference, name))
    assert ours.keys() == theirs.keys() - UNREAD_HEADS | ours.keys() & UNREAD_HEADS
    differing = total = 0
    for layer in ours:
        for our, their in zip(ours[layer], theirs[layer], strict=True):
            # One step of float16 at most, where folding in another order rounds the other way.
            assert torch.allclose(half(our), their, rtol=2**-9, atol=2**-23), layer
            differing += int((half(our) != their).sum())
            total += our.numel()
    assert differing < 1e-3 * total


def check_parity(network: EfficientPose, reference: Path) -> None:
    model = str(tflite_file(reference, network.variant.name))
    interpreters: SimpleQueue[Interpreter] = SimpleQueue()
    for _ in range(WORKERS):
        interpreter = Interpreter(model, num_threads=1)
        interpreter.allocate_tensors()
        interpreters.put(interpreter)

    def compare(image: np.ndarray) -> tuple[float, float, int]:
        """Largest difference of the maps, deepest drop of the official map at our peaks, peaks that differ."""
        interpreter = interpreters.get()
        official = run_tflite(interpreter, image).reshape(-1, 16)
        interpreters.put(interpreter)
        with torch.inference_mode():
            upscaled = network(torch.from_numpy(image.transpose(2, 0, 1).copy())[None]).upscaled
        ours = upscaled[0].permute(1, 2, 0).numpy().reshape(-1, 16)
        drop = official.max(axis=0) - official[ours.argmax(axis=0), np.arange(16)]
        return np.abs(ours - official).max(), drop.max(), np.count_nonzero(drop)

    with ThreadPoolExecutor(WORKERS) as pool:
        difference, drop, swapped = zip(*pool.map(compare, crops(reference, network.variant)), strict=True)
    assert len(difference) == CROPS
    assert max(difference) < TOLERANCE
    assert max(drop) < TIE
    assert sum(swapped) <= 0.005 * 16 * CROPS


def run_tflite(interpreter: Interpreter, image: np.ndarray) -> np.ndarray:
    """The upscaled heatmaps, float32 [S, S, 16]: the last output of a full variant, the only one of a Lite one."""
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[None])
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[-1]["index"])[0]


def crops(reference: Path, variant: Variant) -> Iterator[np.ndarray]:
    """Normalised crops, float32 [S, S, 3], of the first upright persons."""
    folder = reference / "data" / "lspet-dev"
    records = json.loads((folder / "annotations.json").read_text())["records"]
    upright = [record for record in records if record["upright"]][:CROPS]
    assert len(upright) == CROPS
    for record in upright:
        photograph = cv2.imread(str(folder / record["image"]))
        x0, y0, side = (round(number) for number in record["crop"])
        shift = np.float32([[1, 0, -x0], [0, 1, -y0]])
        square = cv2.warpAffine(photograph, shift, (side, side))
        resized = cv2.resize(square, (variant.resolution, variant.resolution))[..., ::-1]
        yield resized * np.float32(variant.normalisation.scale) + np.float32(variant.normalisation.offset)


def keras_file(reference: Path, name: str) -> Path:
    return reference / "weights" / f"EfficientPose{name}.h5"


def tflite_file(reference: Path, name: str) -> Path:
    return reference / "weights" / "tflite" / f"EfficientPose{name}.tflite"


def half(tensor: Tensor) -> Tensor:
    return tensor.half().float()


def folded(network: EfficientPose) -> Folded:
    """``{official layer name: (weight, bias)}`` of every convolution, batch normalisation folded in."""
    names = official_layer_names(network)
    convolutions = {}
    for path, module in network.named_modules():
        if isinstance(module, ConvNorm):
            norm = module.norm
            scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            weight = module.conv.weight * scale[:, None, None, None]
            convolutions[names[f"{path}.conv"]] = weight.detach(), (norm.bias - norm.running_mean * scale).detach()
        elif isinstance(module, nn.Conv2d) and module.bias is not None:
            convolutions[names[path]] = module.weight.detach(), module.bias.detach()
    return convolutions
