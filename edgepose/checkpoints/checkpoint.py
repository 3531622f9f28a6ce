"""Trained weights from any file that edgepose reads, checked and ready for our network."""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import safetensors
import safetensors.torch
from torch import Tensor

from edgepose.checkpoints.files import MAX_CHECKPOINT_BYTES, read_checkpoint_bytes
from edgepose.checkpoints.official_keras import HDF5_MAGIC, keras_tensors, read_keras
from edgepose.checkpoints.official_pytorch import is_official_pytorch, pytorch_tensors
from edgepose.checkpoints.pytorch_file import LEGACY_MAGIC, ZIP_MAGIC, read_pytorch
from edgepose.checkpoints.source_tensors import (
    SourceTensor,
    bad_values,
    differences,
    own_tensors,
    to_state_dict,
    without_batch_counters,
)
from edgepose.network.efficientpose import EfficientPose
from edgepose.network.variants import VARIANTS, Variant, get_variant
from edgepose.runtime.atomic import atomic_path
from edgepose.runtime.errors import CheckpointError

Source = Literal["official-keras", "official-pytorch", "state-dict", "safetensors"]

_EXPECTED: dict[Source, Callable[[EfficientPose], dict[str, SourceTensor]]] = {
    "official-keras": keras_tensors,
    "official-pytorch": pytorch_tensors,
    "state-dict": own_tensors,
    "safetensors": own_tensors,
}


@dataclass(frozen=True)
class Checkpoint:
    """Weights of one file, for the network that ``variant`` configures.

    * ``state_dict``: float32 tensors under the names of :class:`EfficientPose`; of official PyTorch files
      without the upscaling, which those do not hold.
    * ``variant``: as asked for, with ``intermediate_outputs`` as the file has them.
    * ``sha256``: hexadecimal digest of the file.
    """

    state_dict: Mapping[str, Tensor]
    variant: Variant
    source: Source
    path: Path
    sha256: str


def load_checkpoint(path: str | os.PathLike[str], variant: Variant | str) -> Checkpoint:
    """Read the weights of ``variant`` from ``path``, whatever its format; the name's ending does not matter.

    Raises :class:`CheckpointError` where the file cannot be read, is damaged or unsafe, or does not hold
    exactly the tensors of that network; the message names the first that is wrong.
    """
    path = Path(path)
    wanted = get_variant(variant) if isinstance(variant, str) else variant
    data = read_checkpoint_bytes(path)
    try:
        source, tensors = _read_tensors(data)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error.message}", error.hint) from error
    configuration, expected = _expectation(tensors, source, wanted)
    problems = list(differences(tensors, expected))
    if problems:
        raise CheckpointError(
            f"{path} does not fit EfficientPose {wanted.name}: {problems[0]}{_and_others(problems)}",
            _lookalike_hint(tensors, source, wanted),
        )
    problems = list(bad_values(tensors, expected))
    if problems:
        raise CheckpointError(
            f"{path} cannot be used: {problems[0]}{_and_others(problems)}", "train or download it again"
        )
    return Checkpoint(
        state_dict=to_state_dict(tensors, expected),
        variant=configuration,
        source=source,
        path=path,
        sha256=hashlib.sha256(data).hexdigest(),
    )


def build_network(variant: Variant | str, checkpoint: Checkpoint) -> EfficientPose:
    """The network of ``checkpoint``, in eval mode on the CPU.

    Raises :class:`CheckpointError` where the checkpoint was loaded for another variant.
    """
    wanted = get_variant(variant) if isinstance(variant, str) else variant
    if dataclasses.replace(wanted, intermediate_outputs=checkpoint.variant.intermediate_outputs) != checkpoint.variant:
        raise CheckpointError(
            f"{checkpoint.path} was loaded for EfficientPose {checkpoint.variant.name}, not {wanted.name}"
        )
    network = EfficientPose(checkpoint.variant)
    # Not strict: batch counters are not kept, and official PyTorch files leave the upscaling as it starts.
    network.load_state_dict(checkpoint.state_dict, strict=False)
    return network.eval()


def save_safetensors(network: EfficientPose, path: str | os.PathLike[str]) -> None:
    """Write the weights of ``network`` as ``.safetensors``, whole or not at all.

    The same weights give the same bytes. Raises :class:`EdgeposeError` where ``path`` cannot be written.
    """
    tensors = without_batch_counters(network.state_dict())
    contents = safetensors.torch.save({name: tensor.contiguous() for name, tensor in tensors.items()})
    with atomic_path(path) as temporary:
        Path(temporary).write_bytes(contents)


def _read_tensors(data: bytes) -> tuple[Source, dict[str, Tensor]]:
    if data.startswith(HDF5_MAGIC):
        return "official-keras", read_keras(data, MAX_CHECKPOINT_BYTES)
    if data.startswith((ZIP_MAGIC, LEGACY_MAGIC)):
        tensors = without_batch_counters(read_pytorch(data))
        return ("official-pytorch" if is_official_pytorch(tensors) else "state-dict"), tensors
    if data[8:9] == b"{":
        try:
            return "safetensors", without_batch_counters(safetensors.torch.load(data))
        except (safetensors.SafetensorError, KeyError, ValueError, RuntimeError) as error:
            raise CheckpointError(
                f"the safetensors file is cut short or damaged: {error}", "copy or download it again"
            ) from error
    raise CheckpointError(
        "not a checkpoint: neither Keras .h5, nor PyTorch, nor safetensors",
        "name an official file, a state dict saved with torch.save, or a .safetensors",
    )


def _expectation(
    tensors: Mapping[str, Tensor], source: Source, variant: Variant
) -> tuple[Variant, dict[str, SourceTensor]]:
    """``variant`` with intermediate outputs as ``tensors`` have them, and what a file of that holds."""
    full = dataclasses.replace(variant, intermediate_outputs=True)
    network = EfficientPose(full)
    expected = _EXPECTED[source](network)
    heads = set(network.intermediate_heads())
    head_keys = {key for key in expected if key.rpartition(".")[0] in heads}
    if any(expected[key].name in tensors for key in head_keys):
        return full, expected
    without = {key: tensor for key, tensor in expected.items() if key not in head_keys}
    return dataclasses.replace(variant, intermediate_outputs=False), without


def _lookalike_hint(tensors: Mapping[str, Tensor], source: Source, wanted: Variant) -> str:
    for variant in VARIANTS.values():
        if variant != wanted and not any(differences(tensors, _expectation(tensors, source, variant)[1])):
            return f"the file looks like EfficientPose {variant.name}: ask for variant {variant.name}"
    return "the file fits none of the published variants exactly"


def _and_others(problems: list[str]) -> str:
    return f" (and {len(problems) - 1} more differences)" if len(problems) > 1 else ""
