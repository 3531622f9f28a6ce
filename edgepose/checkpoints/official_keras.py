"""The official Keras files (``.h5``), read with h5py alone: https://github.com/daniegr/EfficientPose,
models/keras."""

import io
from typing import Any

import h5py
import torch
from torch import Tensor, nn

from edgepose.checkpoints.official_names import official_layer_names
from edgepose.checkpoints.source_tensors import SourceTensor, layer_tensors, weighted_layers
from edgepose.network.efficientpose import EfficientPose
from edgepose.runtime.errors import CheckpointError

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"

_WEIGHTS_GROUP = "model_weights"
_LEAVES = {
    nn.Conv2d: {"weight": "kernel", "bias": "bias"},
    nn.ConvTranspose2d: {"weight": "kernel", "bias": "bias"},
    nn.BatchNorm2d: {
        "weight": "gamma",
        "bias": "beta",
        "running_mean": "moving_mean",
        "running_var": "moving_variance",
    },
}
_VECTOR = (0,)
_KERNEL = (
    3,
    2,
    0,
    1,
)  # [h, w, in, out] to ours [out, in, h, w]; transposed: [h, w, out, in] to [in, out, h, w]
_DEPTHWISE_KERNEL = (2, 3, 0, 1)  # [h, w, channels, 1] to ours [channels, 1, h, w]


def keras_tensors(network: EfficientPose) -> dict[str, SourceTensor]:
    """What the official Keras file of ``network`` holds: ``{state-dict key: source tensor}``.

    A tensor is named ``<layer>/<kernel, bias, gamma, ...>``.
    """
    names = official_layer_names(network)
    expected = {}
    for path, layer in weighted_layers(network).items():
        for key, tensor in layer_tensors(path, layer).items():
            leaf = _LEAVES[type(layer)][key.rpartition(".")[2]]
            axes: tuple[int, ...] = _VECTOR
            if tensor.dim() > 1:
                depthwise = isinstance(layer, nn.Conv2d) and layer.groups > 1
                axes = _DEPTHWISE_KERNEL if depthwise else _KERNEL
                leaf = "depthwise_kernel" if depthwise else leaf
            shape = [0] * len(axes)
            for ours, theirs in enumerate(axes):
                shape[theirs] = tensor.shape[ours]
            expected[key] = SourceTensor(f"{names[path]}/{leaf}", tuple(shape), axes)
    return expected


def read_keras(data: bytes, max_bytes: int) -> dict[str, Tensor]:
    """``{<layer>/<leaf>: tensor}`` of a Keras model file given as bytes, float32, in Keras' axis order.

    Raises :class:`CheckpointError` where the bytes are no whole Keras file or claim more than ``max_bytes``
    of weights.
    """
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            link = file.get(_WEIGHTS_GROUP, getlink=True)
            if not isinstance(link, h5py.HardLink) or not isinstance(file[_WEIGHTS_GROUP], h5py.Group):
                raise CheckpointError(
                    f"the HDF5 file has no group '{_WEIGHTS_GROUP}': it is not a Keras model",
                    "name an official .h5",
                )
            datasets = _datasets(file[_WEIGHTS_GROUP])
            if sum(dataset.nbytes for dataset in datasets.values()) > max_bytes:
                raise CheckpointError(f"the Keras file claims more than {max_bytes} bytes of weights")
            return {name: torch.from_numpy(dataset[()].astype("<f4")) for name, dataset in datasets.items()}
    # What h5py raises depends on where in the file the damage is.
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"the Keras file is cut short or damaged: {error}", "copy or download it again"
        ) from error


def _datasets(group: h5py.Group) -> dict[str, h5py.Dataset]:
    """Datasets by canonical name. Links are not followed, and no data outside the file is read."""
    datasets: dict[str, h5py.Dataset] = {}

    def visit(path: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            if item.dtype.kind != "f" or item.external or item.is_virtual:
                raise CheckpointError(f"the Keras file's '{path}' is not a plain array of floats")
            datasets[_canonical_name(path)] = item

    group.visititems(visit)
    return datasets


def _canonical_name(path: str) -> str:
    """``<layer>/<leaf>`` of ``<layer>/<scope of as many parts>/<leaf>:0``."""
    *scopes, leaf = path.split("/")
    return "/".join([*scopes[: len(scopes) // 2], leaf.partition(":")[0]])
