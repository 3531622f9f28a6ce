"""The weights that ship: trained ones on every machine, so that conversions are measured without any download."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from figure_crops import write_figures
from random_networks import random_network

from edgepose.bench.measure import DEFAULT_SETTINGS
from edgepose.checkpoints import save_safetensors
from edgepose.conversion.pipeline import ConversionRequest, ConversionResult, convert
from edgepose.conversion.progress import SilentProgress
from edgepose.evaluation.datasets import PoseDataset, open_dataset
from edgepose.evaluation.evaluate import evaluate
from edgepose.figures.demo import named_recipe, write_set
from edgepose.runtime.bench_record import bench_bundle
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.estimator import PoseEstimator

FIGURES = 24


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """``make("int8")`` converts the demonstration weights of RT for a Raspberry Pi 4, in a cache of this module."""
    folder = tmp_path_factory.mktemp("demo")
    calibration = write_figures(folder / "figures.zip", 15)

    def make(precision: str, checkpoint: str = "demo") -> ConversionResult:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("EDGEPOSE_CACHE", str(folder / "cache"))
            request = ConversionRequest(
                "RT",
                "raspberry-pi-4",
                precision,
                checkpoint,
                calibration=None if precision == "fp32" else calibration,
                output=folder / f"{Path(checkpoint).stem}-{precision}.edgepose",
            )
            return convert(request, SilentProgress())

    return make


@pytest.fixture(scope="module")
def fp32(make) -> ConversionResult:
    return make("fp32")


@pytest.fixture(scope="module")
def int8(make) -> ConversionResult:
    return make("int8")


@pytest.fixture(scope="module")
def figures(tmp_path_factory) -> PoseDataset:
    """The first of the figures that the weights are measured on, which no training saw."""
    folder = tmp_path_factory.mktemp("figures") / "set"
    write_set(replace(named_recipe("demo-evaluation"), count=FIGURES), folder)
    return open_dataset(folder)


def test_the_bundle_says_whose_weights_it_has(fp32):
    assert Bundle.open(fp32.path).manifest.provenance["source"]["weights"] == "demo"
    assert any("demonstration weights" in warning and "weights fetch RT" in warning for warning in fp32.warnings)


def test_the_joints_of_figures_are_found_and_the_maps_have_peaks(fp32, figures):
    with PoseEstimator(Bundle.open(fp32.path), threads=1) as estimator:
        found = evaluate(estimator, figures)
    score = found.parts["all"].score
    assert score.pckh50.total >= 85
    assert score.pckh10.total >= 30
    assert np.median(found.predictions.scores) >= 0.6


def test_int8_loses_little_of_what_was_learnt(int8, fp32, figures):
    with (
        PoseEstimator(Bundle.open(int8.path), threads=1) as integers,
        PoseEstimator(Bundle.open(fp32.path), threads=1) as floats,
    ):
        drift = evaluate(integers, figures, floats).parts["all"].drift
    assert drift.within01.total >= 70
    assert drift.within05.total >= 95
    assert abs(drift.pckh50.total) <= 3
    held_out = int8.manifest["measured"]["held_out"]
    assert held_out["gate"]["held"]
    assert int8.manifest["measured"]["integer_macs"] == 1.0


def test_weights_of_chance_would_not_pass_for_trained_ones(make, figures, tmp_path):
    save_safetensors(random_network("RT"), tmp_path / "chance.safetensors")
    with PoseEstimator(Bundle.open(make("fp32", str(tmp_path / "chance.safetensors")).path), threads=1) as estimator:
        assert evaluate(estimator, figures).parts["all"].score.pckh50.total < 30


def test_bench_measures_the_drift_of_what_was_learnt(int8):
    brief = DEFAULT_SETTINGS._replace(min_duration_s=0.0)
    record = bench_bundle(str(int8.path), threads=1, settings=brief)
    assert record["bundle"]["name"] == "rt-raspberry-pi-4-int8"
    assert 0 < record["latency_ms"]["engine"]["p50"] <= record["latency_ms"]["total"]["p50"]
    assert 60 <= record["drift"]["within_0.1_head"]["total"] <= 100
