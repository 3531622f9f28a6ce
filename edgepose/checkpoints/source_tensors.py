"""From the tensors of a file to the state dict of our network, with every difference found and named."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edgepose.network.efficientpose import EfficientPose

_WEIGHTED = (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d)
_BATCH_COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class SourceTensor:
    """What a file must hold for one of our tensors.

    ``name`` and ``shape`` are those in the file; ``tensor.permute(axes)`` makes it ours.
    """

    name: str
    shape: tuple[int, ...]
    axes: tuple[int, ...]


def weighted_layers(network: nn.Module) -> dict[str, nn.Module]:
    """``{path: layer}`` of every convolution, transposed convolution and batch normalisation."""
    return {path: layer for path, layer in network.named_modules() if isinstance(layer, _WEIGHTED)}


def layer_tensors(path: str, layer: nn.Module) -> dict[str, Tensor]:
    """``{state-dict key: tensor}`` of one layer, without the counter of batches that nothing here reads."""
    return {
        f"{path}.{leaf}": tensor for leaf, tensor in layer.state_dict().items() if not leaf.endswith(_BATCH_COUNTER)
    }


def own_tensors(network: EfficientPose) -> dict[str, SourceTensor]:
    """What a file of our own holds: every tensor under its own name and shape."""
    return {
        key: SourceTensor(key, tuple(tensor.shape), tuple(range(tensor.dim())))
        for path, layer in weighted_layers(network).items()
        for key, tensor in layer_tensors(path, layer).items()
    }


def without_batch_counters(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``tensors`` but for the counters that :func:`layer_tensors` leaves out too."""
    return {name: tensor for name, tensor in tensors.items() if not name.endswith("." + _BATCH_COUNTER)}


def differences(tensors: Mapping[str, Tensor], expected: Mapping[str, SourceTensor]) -> Iterator[str]:
    """What keeps ``tensors`` from being ``expected``, one sentence each, in the network's order.

    Tensors that nothing expects come last.
    """
    for source in expected.values():
        tensor = tensors.get(source.name)
        if tensor is None:
            yield f"it lacks the tensor '{source.name}'"
        elif tuple(tensor.shape) != source.shape:
            yield f"its tensor '{source.name}' is {list(tensor.shape)} and should be {list(source.shape)}"
    for name in sorted(set(tensors) - {source.name for source in expected.values()}):
        yield f"it has a tensor {name!r} {list(tensors[name].shape)}, which that network has not"


def bad_values(tensors: Mapping[str, Tensor], expected: Mapping[str, SourceTensor]) -> Iterator[str]:
    """What makes tensors of the right shapes useless all the same, one sentence each."""
    for key, source in expected.items():
        tensor = tensors[source.name]
        if not tensor.is_floating_point():
            yield f"its tensor '{source.name}' holds {tensor.dtype} and not floats"
        elif not torch.isfinite(tensor.float()).all():
            yield f"its tensor '{source.name}' holds numbers that are not finite (NaN or infinity)"
        elif key.endswith(".running_var") and (tensor < 0).any():
            yield f"its tensor '{source.name}' holds negative variances"


def to_state_dict(tensors: Mapping[str, Tensor], expected: Mapping[str, SourceTensor]) -> dict[str, Tensor]:
    """Our state dict (float32, contiguous) from tensors that neither of the checks above objects to."""
    return {key: tensors[source.name].float().permute(source.axes).contiguous() for key, source in expected.items()}
