from dataclasses import replace

import cv2
import numpy as np
import pytest

from edgepose.evaluation.datasets import open_dataset
from edgepose.figures import demo_recipe, demo_set, render_figure
from edgepose.figures.demo import named_recipe, write_set
from edgepose.runtime.errors import DatasetError, EdgeposeError, UsageError

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
        ("size = 64", 'size = 64\nfamily = "flying"'),
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


def test_a_set_is_a_name():
    assert named_recipe("demo") == demo_recipe()
    evaluation = named_recipe("demo-evaluation")
    assert (evaluation.count, evaluation.family) == (1000, "any")
    with pytest.raises(UsageError, match="did you mean 'demo-evaluation'"):
        named_recipe("demo-evaluatoin")


def test_a_written_set_is_read_with_the_joints_that_were_drawn(tmp_path):
    recipe = replace(named_recipe("demo-evaluation"), count=3, size=64)
    progress = []
    write_set(recipe, tmp_path / "set", lambda *done: progress.append(done))
    assert progress == [(1, 3), (2, 3), (3, 3)]
    dataset = open_dataset(tmp_path / "set")
    for index, record in enumerate(dataset.records):
        figure = recipe.figure(index)
        np.testing.assert_allclose(record.keypoints, figure.keypoints, atol=1e-3)
        np.testing.assert_array_equal(cv2.imread(str(record.image)), figure.image)
        assert record.region == figure.region
        assert record.head_length == pytest.approx(figure.head_length, abs=1e-3)
        assert record.evaluate.all()
    with pytest.raises(UsageError, match="not empty"):
        write_set(recipe, tmp_path / "set")


def test_a_set_that_cannot_be_written_says_why(tmp_path):
    (tmp_path / "file").write_text("here")
    with pytest.raises(EdgeposeError, match="cannot write"):
        write_set(replace(demo_recipe(), count=1, size=64), tmp_path / "file")


def test_an_interrupted_set_leaves_nothing_and_can_be_repeated(tmp_path):
    recipe = replace(demo_recipe(), count=2, size=64)

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_set(recipe, tmp_path / "set", interrupt)
    assert list(tmp_path.iterdir()) == []
    write_set(recipe, tmp_path / "set")
    assert len(open_dataset(tmp_path / "set").records) == 2
