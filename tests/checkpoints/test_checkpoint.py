import dataclasses
import hashlib
import os
from collections import OrderedDict
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from edgepose.checkpoints import Checkpoint, build_network, load_checkpoint, save_safetensors
from edgepose.checkpoints.files import MAX_CHECKPOINT_BYTES
from edgepose.checkpoints.official_keras import keras_tensors
from edgepose.checkpoints.official_pytorch import pytorch_tensors
from edgepose.network import EfficientPose
from edgepose.network.variants import get_variant
from edgepose.runtime.errors import CheckpointError, EdgeposeError


@pytest.fixture(scope="module")
def network() -> EfficientPose:
    """RT with random weights and, so that they show, batch statistics that are not the initial ones."""
    return random_network("RT")


@pytest.fixture
def keras_file(network, tmp_path) -> Path:
    return write_keras(network, tmp_path / "rt.h5")


def random_network(name: str, **switches: object) -> EfficientPose:
    torch.manual_seed(3)
    network = EfficientPose(dataclasses.replace(get_variant(name), **switches))
    for name, buffer in network.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.uniform_(0.5, 1.5)
    return network.eval()


def write_keras(network: EfficientPose, path: Path) -> Path:
    """A file laid out like the official ones: model_weights/<layer>/<layer>/<kernel, ...>:0."""
    state = network.state_dict()
    with h5py.File(path, "w") as file:
        for key, source in keras_tensors(network).items():
            layer, _, leaf = source.name.rpartition("/")
            theirs = state[key].permute(*np.argsort(source.axes).tolist()).numpy()
            file[f"model_weights/{layer}/{layer}/{leaf}:0"] = theirs
    return path


def official_pytorch_state(network: EfficientPose) -> OrderedDict[str, torch.Tensor]:
    state = network.state_dict()
    return OrderedDict((source.name, state[key]) for key, source in pytorch_tensors(network).items())


def heatmaps(network: EfficientPose) -> torch.Tensor:
    torch.manual_seed(4)
    with torch.no_grad():
        return network(torch.randn(1, 3, 64, 64)).upscaled


def refusal(path: Path, variant: str = "RT") -> str:
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(path, variant)
    assert str(path) in error.value.message
    return str(error.value)


# --- official files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["RT", "I"])
def test_official_keras_and_pytorch_files_give_the_same_network(name, reference):
    keras = load_checkpoint(reference / "weights" / f"EfficientPose{name}.h5", name)
    pytorch = load_checkpoint(reference / "weights" / "pytorch" / f"EfficientPose{name}", name)
    assert (keras.source, pytorch.source) == ("official-keras", "official-pytorch")
    # Only the Keras files have the heads of the earlier passes.
    assert (keras.variant.intermediate_outputs, pytorch.variant.intermediate_outputs) == (True, False)
    torch.testing.assert_close(
        heatmaps(build_network(name, keras)), heatmaps(build_network(name, pytorch)), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize("name", ["RT", "I", "RT_LITE", "I_LITE"])
def test_the_official_upscaling_is_the_constant_that_ours_starts_with(name, reference):
    checkpoint = load_checkpoint(reference / "weights" / f"EfficientPose{name}.h5", name)
    fresh = EfficientPose(get_variant(name)).upscaling.state_dict()
    for key, tensor in fresh.items():
        assert torch.equal(checkpoint.state_dict[f"upscaling.{key}"], tensor)


def test_an_official_file_asked_for_as_another_variant_is_recognised(reference):
    message = refusal(reference / "weights" / "EfficientPoseI_LITE.h5", "RT")
    assert "it lacks the tensor 'stem_conv_res1/kernel'" in message
    assert "looks like EfficientPose I_LITE" in message


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("file", ["EfficientPoseRT.h5", "pytorch/EfficientPoseRT"])
def test_a_truncated_official_file_is_refused(file, share, reference, tmp_path):
    contents = (reference / "weights" / file).read_bytes()
    cut = tmp_path / "cut"
    cut.write_bytes(contents[: int(share * len(contents))])
    assert "cut short or damaged" in refusal(cut)


# --- the same four formats, with weights made here ----------------------------------------------------------------


def saved_as(kind: str, network: EfficientPose, folder: Path) -> Path:
    path = folder / kind
    if kind == "official-keras":
        write_keras(network, path)
    elif kind == "official-pytorch":
        torch.save(official_pytorch_state(network), path)
    elif kind == "safetensors":
        save_safetensors(network, path)
    else:
        torch.save(network.state_dict(), path)
    return path


@pytest.mark.parametrize("kind", ["official-keras", "official-pytorch", "state-dict", "safetensors"])
def test_every_format_gives_the_network_back(kind, network, tmp_path):
    path = saved_as(kind, network, tmp_path)
    checkpoint = load_checkpoint(path, "rt")
    assert checkpoint.source == kind
    assert checkpoint.path == path
    assert checkpoint.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert all(tensor.dtype == torch.float32 for tensor in checkpoint.state_dict.values())
    loaded = build_network("RT", checkpoint)
    assert not loaded.training
    torch.testing.assert_close(heatmaps(loaded), heatmaps(network), atol=0, rtol=0)


@pytest.mark.parametrize("name", ["I", "II", "RT_LITE", "II_LITE"])
@pytest.mark.parametrize("heads", [True, False])
def test_keras_files_of_other_variants_with_and_without_earlier_heads(name, heads, tmp_path):
    network = random_network(name, intermediate_outputs=heads)
    checkpoint = load_checkpoint(write_keras(network, tmp_path / "file.h5"), name)
    assert checkpoint.variant == network.variant
    assert torch.equal(heatmaps(build_network(name, checkpoint)), heatmaps(network))


def test_an_ablated_configuration_can_be_loaded(tmp_path):
    network = random_network("I", cross_resolution=False, detection_passes=3)
    save_safetensors(network, tmp_path / "ablated.safetensors")
    checkpoint = load_checkpoint(tmp_path / "ablated.safetensors", network.variant)
    assert torch.equal(heatmaps(build_network(network.variant, checkpoint)), heatmaps(network))


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_become_float32(zipped, dtype, network, tmp_path):
    state = {name: tensor.to(dtype) for name, tensor in network.state_dict().items()}
    torch.save(state, tmp_path / "rt.pt", _use_new_zipfile_serialization=zipped)
    checkpoint = load_checkpoint(tmp_path / "rt.pt", "RT")
    key = "high_resolution.stem.conv.weight"
    assert torch.equal(checkpoint.state_dict[key], state[key].float())


def test_parameters_and_views_are_read_as_tensors(network, tmp_path):
    state: dict[str, torch.Tensor] = dict(network.state_dict())
    key = "high_resolution.block1.0.project.conv.weight"
    state[key] = torch.nn.Parameter(state[key])
    transposed = "high_resolution.block3.1.project.conv.weight"
    state[transposed] = state[transposed].transpose(0, 1).contiguous().transpose(0, 1)
    torch.save(state, tmp_path / "rt.pt")
    checkpoint = load_checkpoint(tmp_path / "rt.pt", "RT")
    assert all(torch.equal(checkpoint.state_dict[name], state[name]) for name in (key, transposed))


def test_saving_twice_gives_the_same_bytes(network, tmp_path):
    for name in ("a", "b"):
        save_safetensors(network, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_saving_into_a_missing_folder_is_refused(network, tmp_path):
    with pytest.raises(EdgeposeError, match="cannot write"):
        save_safetensors(network, tmp_path / "missing" / "rt.safetensors")


def test_a_checkpoint_of_one_variant_builds_no_other(network, tmp_path):
    checkpoint: Checkpoint = load_checkpoint(saved_as("safetensors", network, tmp_path), "RT")
    with pytest.raises(CheckpointError, match="loaded for EfficientPose RT, not I"):
        build_network("I", checkpoint)


# --- files that do not fit ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["official-keras", "official-pytorch", "state-dict", "safetensors"])
def test_the_wrong_variant_is_refused_and_the_right_one_named(kind, network, tmp_path):
    message = refusal(saved_as(kind, network, tmp_path), "II")
    assert "does not fit EfficientPose II" in message
    assert "looks like EfficientPose RT:" in message


def changed(network: EfficientPose, path: Path, key: str, value: torch.Tensor | None) -> Path:
    """A state dict with one entry replaced, added, or left out."""
    state = {name: tensor for name, tensor in network.state_dict().items() if name != key or value is not None}
    if value is not None:
        state[key] = value
    torch.save(state, path)
    return path


def test_a_missing_tensor_is_named(network, tmp_path):
    key = "detection_passes.1.head.bias"
    message = refusal(changed(network, tmp_path / "rt.pt", key, None))
    assert f"it lacks the tensor '{key}'" in message
    assert "none of the published variants exactly" in message


def test_an_extra_tensor_is_named(network, tmp_path):
    message = refusal(changed(network, tmp_path / "rt.pt", "optimizer.step", torch.zeros(1)))
    assert "a tensor 'optimizer.step' [1], which that network has not" in message


def test_half_of_the_earlier_heads_is_not_enough(network, tmp_path):
    path = changed(network, tmp_path / "rt.pt", "skeleton_pass.head.bias", torch.zeros(28))
    assert "it lacks the tensor 'skeleton_pass.head.weight'" in refusal(path)


def test_a_wrong_shape_is_named(network, tmp_path):
    key = "high_resolution.stem.conv.weight"
    message = refusal(changed(network, tmp_path / "rt.pt", key, torch.zeros(32, 3, 5, 5)))
    assert f"its tensor '{key}' is [32, 3, 5, 5] and should be [32, 3, 3, 3]" in message


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("kind", ["official-keras", "official-pytorch", "state-dict", "safetensors"])
def test_numbers_that_are_not_finite_are_refused(kind, value, tmp_path):
    network = random_network("RT")
    with torch.no_grad():
        network.get_submodule("skeleton_pass.blocks.0.mbconv2.project.conv").weight[3, 1] = value
    message = refusal(saved_as(kind, network, tmp_path))
    assert "not finite" in message
    assert "mbconv2" in message


def test_float64_numbers_too_large_for_float32_are_refused(network, tmp_path):
    value = torch.full((16,), 1e300, dtype=torch.float64)
    assert "not finite" in refusal(changed(network, tmp_path / "rt.pt", "detection_passes.1.head.bias", value))


def test_integers_are_refused(network, tmp_path):
    path = changed(network, tmp_path / "rt.pt", "detection_passes.1.head.bias", torch.zeros(16, dtype=torch.int64))
    assert "'detection_passes.1.head.bias' holds torch.int64 and not floats" in refusal(path)


def test_negative_variances_are_refused(network, tmp_path):
    key = "high_resolution.stem.norm.running_var"
    assert "negative variances" in refusal(changed(network, tmp_path / "rt.pt", key, -torch.ones(32)))


# --- files that are none ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "contents", [b"", b"x", b"not a checkpoint at all", b"\x89PNG\r\n\x1a\n" + bytes(100), bytes(1000)]
)
def test_something_else_is_refused(contents, tmp_path):
    path = tmp_path / "rt.pt"
    path.write_bytes(contents)
    assert "not a checkpoint" in refusal(path)


def test_a_missing_file_a_folder_and_a_device_are_refused(tmp_path):
    assert "there is no checkpoint" in refusal(tmp_path / "missing.h5")
    assert "is a folder" in refusal(tmp_path)
    assert "not a regular file" in refusal(Path(os.devnull))


def test_an_absurdly_large_file_is_refused_unread(tmp_path):
    path = tmp_path / "large.h5"
    with open(path, "wb") as file:
        file.truncate(MAX_CHECKPOINT_BYTES + 1)
    assert "at most" in refusal(path)


@pytest.mark.parametrize("kind", ["official-keras", "official-pytorch", "state-dict", "safetensors"])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.999])
def test_a_truncated_file_is_refused(kind, share, network, tmp_path):
    contents = saved_as(kind, network, tmp_path).read_bytes()
    cut = tmp_path / "cut"
    cut.write_bytes(contents[: int(share * len(contents))])
    assert "cut short or damaged" in refusal(cut)


def test_a_keras_file_without_weights_is_refused(tmp_path):
    with h5py.File(tmp_path / "empty.h5", "w") as file:
        file["photographs"] = np.zeros(3)
    assert "not a Keras model" in refusal(tmp_path / "empty.h5")


def test_a_keras_file_that_claims_terabytes_is_refused(keras_file):
    with h5py.File(keras_file, "a") as file:
        file.create_dataset("model_weights/a/a/kernel:0", shape=(10**12,), dtype="f4", chunks=(1024,))
    assert "claims more than" in refusal(keras_file)


def test_a_keras_file_that_points_to_other_files_is_refused(keras_file, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(64))
    with h5py.File(keras_file, "a") as file:
        file.create_dataset("model_weights/a/a/kernel:0", shape=(16,), dtype="f4", external=[(secret, 0, 64)])
    assert "not a plain array" in refusal(keras_file)


def test_a_keras_file_whose_weights_are_in_another_file_is_refused(keras_file, tmp_path):
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["model_weights"] = h5py.ExternalLink(keras_file.name, "model_weights")
    assert "not a Keras model" in refusal(tmp_path / "link.h5")


def test_a_keras_file_with_text_for_weights_is_refused(keras_file):
    with h5py.File(keras_file, "a") as file:
        file["model_weights/a/a/kernel:0"] = "text"
    assert "not a plain array" in refusal(keras_file)
