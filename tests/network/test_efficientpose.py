import dataclasses
import warnings

import pytest
import torch

from edgepose.network import EfficientPose
from edgepose.network.variants import VARIANTS, get_variant
from edgepose.runtime.errors import UsageError


def network(name: str, **switches: object) -> EfficientPose:
    torch.manual_seed(0)
    return EfficientPose(dataclasses.replace(get_variant(name), **switches)).eval()


@pytest.mark.parametrize("name", VARIANTS)
def test_outputs_have_the_documented_shapes(name):
    with torch.no_grad():
        outputs = network(name, intermediate_outputs=True)(torch.zeros(2, 3, 64, 48))
    assert outputs.pafs.shape == (2, 28, 8, 6)
    assert [maps.shape for maps in outputs.confidence_maps] == [(2, 16, 8, 6)] * 2
    assert outputs.upscaled.shape == (2, 16, 64, 48)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_variants_own_resolution_divides_into_whole_cells(name):
    variant = get_variant(name)
    assert variant.heatmap_size * 8 == variant.resolution


def test_without_intermediate_outputs_the_last_maps_alone_are_there():
    with torch.no_grad():
        outputs = network("I")(torch.zeros(1, 3, 32, 32))
    assert outputs.pafs is None
    assert len(outputs.confidence_maps) == 1


@pytest.mark.parametrize(
    ("switches", "pafs", "maps", "upscaled"),
    [
        ({"cross_resolution": False}, True, 2, True),
        ({"skeleton_estimation": False}, False, 2, True),
        ({"detection_passes": 1}, True, 1, True),
        ({"detection_passes": 3}, True, 3, True),
        ({"upscaling": False}, True, 2, False),
    ],
)
def test_each_ablation_changes_what_it_names(switches, pafs, maps, upscaled):
    with torch.no_grad():
        outputs = network("I", intermediate_outputs=True, **switches)(torch.zeros(1, 3, 32, 32))
    assert (outputs.pafs is not None) == pafs
    assert len(outputs.confidence_maps) == maps
    assert (outputs.upscaled is not None) == upscaled


def test_heatmaps_and_upscaling_are_the_parts_of_a_forward_pass():
    net = network("II", intermediate_outputs=True)
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        outputs = net(image)
        maps = net.low_resolution_heatmaps(image)
        assert torch.equal(maps, outputs.confidence_maps[-1])
        assert torch.equal(net.upscale(maps), outputs.upscaled)


def test_upscaling_is_refused_where_there_is_none():
    with pytest.raises(UsageError, match="without upscaling"):
        network("RT", upscaling=False).upscale(torch.zeros(1, 16, 4, 4))


@pytest.mark.parametrize("shape", [(3, 224, 224), (1, 1, 224, 224), (1, 3, 224, 220), (1, 3, 36, 32)])
def test_an_image_that_does_not_fit_is_refused(shape):
    with pytest.raises(UsageError, match="multiples of 8"):
        network("RT")(torch.zeros(shape))


def test_every_weight_learns():
    net = network("I", intermediate_outputs=True).train()
    outputs = net(torch.randn(2, 3, 32, 32))
    (outputs.pafs.square().sum() + sum(maps.square().sum() for maps in outputs.confidence_maps)).backward()
    without = [name for name, weight in net.named_parameters() if weight.grad is None and "upscaling" not in name]
    assert without == []


def test_tracing_gives_no_warning_and_the_same_maps():
    net = network("I")
    image = torch.randn(1, 3, 64, 64)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("error", torch.jit.TracerWarning)
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        traced = torch.jit.trace_module(net, {"low_resolution_heatmaps": image}, check_trace=False)
        assert torch.equal(traced.low_resolution_heatmaps(image), net.low_resolution_heatmaps(image))
