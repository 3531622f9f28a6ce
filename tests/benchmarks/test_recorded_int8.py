"""Figures that the conversion quotes are those of the records."""

import json

import pytest

from benchmarks.results import RESULTS
from edgepose.conversion.edgetpu.mapping import RECORDED


@pytest.mark.parametrize("variant", RECORDED)
def test_what_a_conversion_for_coral_says_of_int8_is_recorded(variant):
    path = RESULTS / f"quantisation-{variant.lower().replace('_', '-')}.json"
    figures = {figure["name"]: figure["value"] for figure in json.loads(path.read_text())["figures"]}
    within, loss = figures["int8 TFLite: joints within 0.1 head"], figures["int8 TFLite: loss of PCKh@50"]
    assert RECORDED[variant] == pytest.approx((within, loss), abs=0.06)
