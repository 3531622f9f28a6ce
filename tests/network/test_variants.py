import dataclasses
import subprocess
import sys

import pytest

from edgepose.network.variants import VARIANTS, get_variant
from edgepose.runtime.errors import UsageError


def test_the_table_holds_the_published_family():
    assert list(VARIANTS) == ["RT", "I", "II", "III", "IV", "RT_LITE", "I_LITE", "II_LITE"]
    assert all(name == variant.name for name, variant in VARIANTS.items())


# Table 2: input side, high- and low-resolution backbone, channels and Mobile DenseNets of a pass.
@pytest.mark.parametrize(
    ("name", "resolution", "high", "low", "width", "blocks"),
    [
        ("RT", 224, "EfficientNet-B0", None, 40, 1),
        ("I", 256, "EfficientNet-B2", "EfficientNet-B0", 48, 1),
        ("II", 368, "EfficientNet-B4", "EfficientNet-B0", 56, 2),
        ("III", 480, "EfficientNet-B5", "EfficientNet-B1", 64, 3),
        ("IV", 600, "EfficientNet-B7", "EfficientNet-B3", 80, 4),
    ],
)
def test_a_variant_is_as_table_2_has_it(name, resolution, high, low, width, blocks):
    variant = get_variant(name)
    assert variant.resolution == resolution
    assert variant.high_resolution.name == high
    assert (variant.low_resolution and variant.low_resolution.name) == low
    assert (variant.detection_width, variant.detection_blocks) == (width, blocks)
    # The detection blocks are as wide as the last backbone block.
    assert variant.high_resolution.blocks(3)[-1].channels == width


@pytest.mark.parametrize("spelling", ["RT_LITE", "rt_lite", "rt-lite", " Rt-Lite "])
def test_a_name_may_be_spelt_in_any_case_and_with_hyphens(spelling):
    assert get_variant(spelling).name == "RT_LITE"


def test_an_unknown_name_is_refused_with_the_nearest_one():
    with pytest.raises(UsageError, match="did you mean 'II_LITE'") as refusal:
        get_variant("II_LIGHT")
    assert refusal.value.exit_code == 2


@pytest.mark.parametrize("passes", [0, 4])
def test_a_number_of_passes_that_the_paper_has_not_is_refused(passes):
    with pytest.raises(UsageError, match="1, 2 or 3"):
        dataclasses.replace(get_variant("I"), detection_passes=passes)


def test_cross_resolution_needs_a_low_resolution_backbone():
    with pytest.raises(UsageError, match="no low-resolution backbone"):
        dataclasses.replace(get_variant("RT"), cross_resolution=True)


@pytest.mark.parametrize(
    ("name", "black", "white"),
    [
        ("RT", (-2.1179, -2.0357, -1.8044), (2.2489, 2.4286, 2.6400)),  # ImageNet mean and deviation
        ("RT_LITE", (-1.0, -1.0, -1.0), (1.0, 1.0, 1.0)),
    ],
)
def test_bytes_are_normalised_as_the_official_preprocessing_does(name, black, white):
    normalisation = get_variant(name).normalisation
    assert normalisation.offset == pytest.approx(black, abs=1e-4)
    brightest = [255 * scale + offset for scale, offset in zip(normalisation.scale, normalisation.offset, strict=True)]
    assert brightest == pytest.approx(white, abs=1e-4)


def test_the_table_can_be_read_without_pytorch():
    program = "import sys, edgepose.network.variants; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0
