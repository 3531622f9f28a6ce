"""Fixtures of the evaluation."""

import pytest
from figure_sets import write_figures


@pytest.fixture
def folder(tmp_path):
    """A data set of three figures, as :func:`write_figures` makes it."""
    return write_figures(tmp_path)
