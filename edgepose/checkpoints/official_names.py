"""Where each layer of our network stands in the official files: our module path to the official layer name.

Read off the official Keras files (`model_config`) of github.com/daniegr/EfficientPose. Full variants name
layers as the EfficientNet library they were built with (``block2b_expand_conv_res1``; ``res1`` and ``res2``
are the high- and the low-resolution backbone), Lite variants as the TensorFlow scopes of EfficientNet-Lite.
The detection blocks are named alike in both.
"""

from string import ascii_lowercase

from edgepose.checkpoints.source_tensors import weighted_layers
from edgepose.network.efficientpose import EfficientPose
from edgepose.network.layers import MBConv

_RESOLUTIONS = {"high_resolution": "res1", "low_resolution": "res2"}

# Path inside a stem or an MBConv -> part of the official name.
_STEM = {"conv": "conv", "norm": "bn"}
_BACKBONE_MBCONV = {
    "expand.conv": "expand_conv",
    "expand.norm": "expand_bn",
    "depthwise.conv": "dwconv",
    "depthwise.norm": "bn",
    "squeeze_excitation.reduce": "se_reduce",
    "squeeze_excitation.expand": "se_expand",
    "project.conv": "project_conv",
    "project.norm": "project_bn",
}
_DETECTION_MBCONV = {
    "expand.conv": "conv1",
    "expand.norm": "conv1_bn",
    "depthwise.conv": "dconv1",
    "depthwise.norm": "dconv1_bn",
    "squeeze_excitation.reduce": "se_se_squeeze_conv",
    "squeeze_excitation.expand": "se_se_excite_conv",
    "project.conv": "conv2",
    "project.norm": "conv2_bn",
}
_UPSCALING = ("upscaled_deconv1", "upscaled_deconv2", "upscaled_confs")


def official_layer_names(network: EfficientPose) -> dict[str, str]:
    """``{path: official layer name}`` of every layer with weights, in the order of ``named_modules()``."""
    backbone_name = _lite_backbone_name if network.variant.lite else _full_backbone_name
    names = {}
    for path in weighted_layers(network):
        part, *inner = path.split(".")
        if part in _RESOLUTIONS:
            names[path] = backbone_name(network, part, inner)
        elif part == "upscaling":
            names[path] = _UPSCALING[int(inner[0])]
        else:
            names[path] = _detection_name(network, part, inner)
    return names


def _full_backbone_name(network: EfficientPose, backbone: str, inner: list[str]) -> str:
    resolution = _RESOLUTIONS[backbone]
    if inner[0] == "stem":
        return f"stem_{_STEM[inner[1]]}_{resolution}"
    block, repeat, *layer = inner
    return f"{block}{ascii_lowercase[int(repeat)]}_{_BACKBONE_MBCONV['.'.join(layer)]}_{resolution}"


def _lite_backbone_name(network: EfficientPose, backbone: str, inner: list[str]) -> str:
    scope = f"{network.variant.high_resolution.name.lower()}/model"
    if inner[0] == "stem":
        return f"{scope}/stem/{_lite_leaf(inner[1], depthwise=False, number=0)}"
    block, repeat, part, kind = inner
    mbconvs = {path: module for path, module in network.high_resolution.named_modules() if isinstance(module, MBConv)}
    place = f"{block}.{repeat}"
    parts = ["expand", "depthwise", "project"] if mbconvs[place].expand else ["depthwise", "project"]
    # Names count up within a block, batch normalisations and pointwise convolutions each by themselves.
    alike = parts if kind == "norm" else [name for name in parts if name != "depthwise"]
    depthwise = part == "depthwise"
    number = 0 if depthwise and kind == "conv" else alike.index(part)
    return f"{scope}/blocks_{list(mbconvs).index(place)}/{_lite_leaf(kind, depthwise, number)}"


def _lite_leaf(kind: str, depthwise: bool, number: int) -> str:
    suffix = f"_{number}" if number else ""
    if kind == "norm":
        return f"tpu_batch_normalization{suffix}/FusedBatchNormV3_0"
    return "depthwise_conv2d/depthwise_0" if depthwise else f"conv2d{suffix}/Conv2D_0"


def _detection_name(network: EfficientPose, part: str, inner: list[str]) -> str:
    skeleton_passes = 0 if network.skeleton_pass is None else 1
    if part == "skeleton_pass":
        number, task, maps = 1, "skeleton", "pafs"
    else:
        detection, *inner = inner
        number = skeleton_passes + int(detection) + 1
        task, maps = f"detection{int(detection) + 1}", "confs"
    if inner[0] == "head":
        return f"pass{number}_{task}_{maps}"
    _, block, mbconv, *layer = inner
    return f"pass{number}_block{int(block) + 1}_{mbconv}_{task}_{_DETECTION_MBCONV['.'.join(layer)]}"
