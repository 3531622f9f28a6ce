import numpy as np
import pytest

from edgepose.figures import demo_recipe, demo_set, render_figure
from edgepose.runtime.errors import DatasetError, UsageError

RECIPE = 'name = "x"\ngenerator = "figures"\nfirst_seed = 1\ncount = 2\nsize = 64\nlicence = "y"\n'


def test_the_demo_set_is_the_figures_of_its_recipe():
    recipe = demo_recipe()
    first = demo_set(2)
    assert len(first) == 2
    for index, figure in enumerate(first):
        expected = render_figure(recipe.first_seed + index, recipe.size)
        np.testing.assert_array_equal(figure.image, expected.image)


@pytest.mark.parametrize("count", [0, -1, 5000])
def test_figures_that_the_set_does_not_hold_are_refused(count):
    with pytest.raises(UsageError, match="demonstration set"):
        demo_set(count)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"figures"', '"photographs"'),
        ("count = 2", "count = 0"),
        ("count = 2", "count = true"),
        ("count = 2", "count = 1000000000000"),
        ("size = 64", 'size = "64"'),
        ("size = 64\n", ""),
        ("size = 64", "size = 64\ncolour = 3"),
        ("size = 64", "size = ["),
    ],
)
def test_a_wrong_recipe_is_refused(tmp_path, old, new):
    path = tmp_path / "demo.toml"
    path.write_text(RECIPE)
    assert demo_recipe(path).count == 2
    path.write_text(RECIPE.replace(old, new))
    with pytest.raises(DatasetError):
        demo_recipe(path)


def test_a_missing_recipe_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="cannot read"):
        demo_recipe(tmp_path / "absent.toml")
