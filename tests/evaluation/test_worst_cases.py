import numpy as np
import pytest
from figure_sets import OffBy

from edgepose.evaluation.datasets import open_dataset
from edgepose.evaluation.evaluate import evaluate
from edgepose.evaluation.worst_cases import (
    CANDIDATE,
    CAPTION,
    MARGIN,
    MOVED,
    REFERENCE,
    TILE,
    TRUTH,
    draw_worst_cases,
    worst_cases,
)
from edgepose.runtime.pose import Pose


class OneWrong(OffBy):
    """Exact, but for the person whom it is shown at place ``index``."""

    def __init__(self, index):
        super().__init__(0.0)
        self.index = index

    def __call__(self, frame, region):
        self.heads = 1.5 if len(self.seen) == self.index else 0.0
        return super().__call__(frame, region)


def has(image, color):
    return bool((image == color).all(axis=2).any())


@pytest.mark.parametrize("with_reference", [True, False])
@pytest.mark.parametrize("index", [0, 1, 2])
def test_the_worst_comes_first(folder, index, with_reference):
    reference = OffBy(0.0) if with_reference else None
    evaluation = evaluate(OneWrong(index), open_dataset(folder), reference)
    assert worst_cases(evaluation, 3)[0] == index
    assert worst_cases(evaluation, 1) == [index]
    assert len(worst_cases(evaluation, 99)) == 3


def test_the_sheet_shows_all_three_and_what_moved(folder):
    sheet = draw_worst_cases(evaluate(OneWrong(1), open_dataset(folder), OffBy(0.0)), 2)
    assert sheet.shape == (CAPTION + TILE + CAPTION + MARGIN, 2 * (TILE + MARGIN), 3)
    legend, first, second = sheet[:CAPTION], sheet[CAPTION:, :TILE], sheet[CAPTION:, TILE + MARGIN :]
    assert all(has(legend, color) for color in (TRUTH, REFERENCE, CANDIDATE, MOVED))
    assert all(has(first, color) for color in (REFERENCE, CANDIDATE, MOVED))
    # Where nothing moved, the candidate lies on the others.
    assert has(second, CANDIDATE)
    assert not has(second, MOVED)


def test_without_a_reference_there_is_truth_alone(folder):
    sheet = draw_worst_cases(evaluate(OneWrong(1), open_dataset(folder)), 1)
    assert has(sheet[CAPTION:], TRUTH)
    assert has(sheet[CAPTION:], CANDIDATE)
    assert not has(sheet, REFERENCE)


def test_joints_are_drawn_where_they_are(folder):
    """All joints in one place, which is a dot there in the enlarged crop."""
    dataset = open_dataset(folder).select(lambda record: record.id == "figure-0")
    x, y, side, _ = dataset.records[0].region

    class OnePoint(OffBy):
        def __call__(self, frame, region):
            return Pose(np.tile([x + side / 2, y + side / 4], (16, 1)), np.ones(16))

    sheet = draw_worst_cases(evaluate(OnePoint(0), dataset, crop_scale=2.0), 1)[CAPTION : CAPTION + TILE, :TILE]
    rows, columns = (sheet == CANDIDATE).all(axis=2).nonzero()
    # Of a crop twice as large: the middle, and half of a quarter above it.
    assert (rows.mean(), columns.mean()) == pytest.approx((TILE * 3 / 8, TILE / 2), abs=1)


def test_unlabelled_pictures_are_drawn_whole(folder):
    (folder / "annotations.json").unlink()
    sheet = draw_worst_cases(evaluate(OneWrong(2), open_dataset(folder), OffBy(0.0)), 4)
    assert sheet.shape[1] == 3 * (TILE + MARGIN)
    moved = sheet[CAPTION : CAPTION + TILE, :TILE]
    assert all(has(moved, color) for color in (REFERENCE, CANDIDATE, MOVED))
    assert not has(moved, TRUTH)
