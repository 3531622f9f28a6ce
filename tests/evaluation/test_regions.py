import math

import pytest

from edgepose.evaluation.datasets.regions import check_crop_scale, enlarged, square_around
from edgepose.runtime.errors import UsageError


@pytest.mark.parametrize(
    ("region", "scale", "larger"),
    [
        ((10, 20, 8, 8), 1.25, (9, 19, 10, 10)),
        ((-3, 4, 7, 7), 1.0, (-3, 4, 7, 7)),
        ((0, 0, 100, 40), 1.5, (-25, -10, 150, 60)),
        ((5, 5, 1, 1), 0.5, (5, 5, 1, 1)),
    ],
)
def test_enlarged_regions_keep_their_centre_and_shape(region, scale, larger):
    assert enlarged(region, scale) == larger


def test_a_square_has_the_centre_of_its_box_and_the_longer_side():
    assert square_around(10, 20, 30, 60) == (-5, 20, 60, 60)
    assert square_around(0.4, 0.4, 0.1, 0.1)[2:] == (1, 1)
    assert square_around(*square_around(1, 2, 3, 8)) == square_around(1, 2, 3, 8)


def test_scales_that_leave_no_person_to_look_at_are_refused():
    for scale in (None, 0.5, 1.25, 3):
        check_crop_scale(scale)
    for scale in (0.49, 3.1, -1, math.nan, math.inf):
        with pytest.raises(UsageError, match="crop"):
            check_crop_scale(scale)
