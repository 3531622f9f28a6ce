"""Our layers against the official ones, name by name and shape by shape."""

import json

import pytest
from torch import nn

from edgepose.checkpoints.official_names import official_layer_names
from edgepose.network import EfficientPose
from edgepose.network.variants import VARIANTS, get_variant


@pytest.mark.parametrize("name", VARIANTS)
def test_no_two_layers_share_an_official_name(name):
    names = official_layer_names(EfficientPose(get_variant(name)))
    assert len(set(names.values())) == len(names)


def test_names_of_a_full_variant():
    names = official_layer_names(EfficientPose(get_variant("III")))
    assert names["low_resolution.stem.norm"] == "stem_bn_res2"
    assert names["high_resolution.block2.1.squeeze_excitation.reduce"] == "block2b_se_reduce_res1"
    assert names["detection_passes.1.blocks.2.mbconv3.project.norm"] == "pass3_block3_mbconv3_detection2_conv2_bn"
    assert names["upscaling.2"] == "upscaled_confs"


def test_names_of_a_lite_variant():
    names = official_layer_names(EfficientPose(get_variant("I_LITE")))
    assert names["high_resolution.stem.conv"] == "efficientnet-lite2/model/stem/conv2d/Conv2D_0"
    # The first block expands nothing: its projection is the first pointwise convolution.
    assert names["high_resolution.block1.0.project.conv"] == "efficientnet-lite2/model/blocks_0/conv2d/Conv2D_0"
    assert names["high_resolution.block3.2.project.conv"] == "efficientnet-lite2/model/blocks_6/conv2d_1/Conv2D_0"
    assert (
        names["high_resolution.block3.2.project.norm"]
        == "efficientnet-lite2/model/blocks_6/tpu_batch_normalization_2/FusedBatchNormV3_0"
    )


@pytest.mark.parametrize("name", ["RT", "I", "II", "III", "IV"])
def test_every_layer_of_the_official_pytorch_model_is_ours_and_no_other(name, reference):
    layers = json.loads((reference / "weights" / "layers" / f"EfficientPose{name}.json").read_text())
    network = EfficientPose(get_variant(name))
    ours = {
        official: described(network.get_submodule(path))
        for path, official in official_layer_names(network).items()
        if not path.startswith("upscaling")
    }
    theirs = {layer.pop("name").rpartition("/")[0]: layer for layer in layers}
    assert ours.keys() == theirs.keys()
    differing = {name: (ours[name], theirs[name]) for name in ours if ours[name] != theirs[name]}
    assert differing == {}


def described(layer: nn.Module) -> dict[str, object]:
    if isinstance(layer, nn.BatchNorm2d):
        return {"type": "batch_norm", "num_features": layer.num_features, "eps": layer.eps}
    return {
        "type": "conv",
        "in_channels": layer.in_channels,
        "out_channels": layer.out_channels,
        "kernel": list(layer.kernel_size),
        "stride": list(layer.stride),
        "groups": layer.groups,
        "bias": layer.bias is not None,
    }
