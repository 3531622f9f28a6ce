"""Parameters and FLOPs against the paper (Groos et al. 2021) and, for Lite, the official README."""

import dataclasses

import pytest

from edgepose.network.complexity import complexity
from edgepose.network.variants import VARIANTS, get_variant

FLOPS_TOLERANCE = 0.02


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("RT", 460_284), ("I", 719_736), ("II", 1_732_944), ("III", 3_229_772), ("IV", 6_560_938)],
)
def test_parameters_are_exactly_those_of_the_official_files(name, parameters):
    assert complexity(get_variant(name)).parameters == parameters


@pytest.mark.parametrize("name", VARIANTS)
def test_table_3_and_the_lite_table_are_met_to_their_own_rounding(name):
    variant = get_variant(name)
    ours = complexity(variant)
    assert round(ours.parameters / 1e6, 2) == variant.published.parameters
    assert round(ours.flops / 1e9, 2) == variant.published.flops


def test_macs_are_half_the_flops_but_for_what_is_not_a_convolution():
    ours = complexity(get_variant("RT_LITE"))
    assert 2 * ours.macs < ours.flops < 2.01 * ours.macs


def check(name: str, megaparameters: float, gigaflops: float | None, **switches: object) -> None:
    ours = complexity(dataclasses.replace(get_variant(name), **switches))
    assert round(ours.parameters / 1e6, 2) == megaparameters
    if gigaflops is not None:
        assert ours.flops / 1e9 == pytest.approx(gigaflops, rel=FLOPS_TOLERANCE)


@pytest.mark.parametrize(("name", "parameters", "flops"), [("I", 0.68, 1.58), ("II", 1.69, 7.50)])
def test_table_6_without_cross_resolution(name, parameters, flops):
    check(name, parameters, flops, cross_resolution=False)


@pytest.mark.parametrize(("name", "parameters", "flops"), [("I", 0.54, 1.37), ("II", 1.27, 6.03)])
def test_table_7_without_skeleton_estimation(name, parameters, flops):
    check(name, parameters, flops, skeleton_estimation=False)


@pytest.mark.parametrize(("name", "parameters"), [("I", (0.52, 0.72, 0.92)), ("II", (1.24, 1.73, 2.22))])
@pytest.mark.parametrize("passes", [1, 2, 3])
def test_table_8_by_detection_passes(name, parameters, passes):
    check(name, parameters[passes - 1], None, detection_passes=passes)


@pytest.mark.parametrize(("name", "parameters", "flops"), [("I", 0.71, 1.52), ("II", 1.73, 7.37)])
def test_table_9_without_upscaling(name, parameters, flops):
    # Only with the heads of earlier passes do the counts come out as printed; the other tables leave them out.
    check(name, parameters, flops, upscaling=False, intermediate_outputs=True)
