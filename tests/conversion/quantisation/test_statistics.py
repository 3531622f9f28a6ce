"""Extremes and histograms: what numpy computes, in memory that does not grow with the images."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from calibrated_graphs import IMAGES, extremes_of, float_graph
from small_graphs import conv, graph_of, noise

from edgepose.conversion.export_torch_to_onnx import export_torch_to_onnx
from edgepose.conversion.onnx_graph import OnnxGraph
from edgepose.conversion.optimise_onnx import optimise_onnx
from edgepose.conversion.quantisation.observe import observe
from edgepose.conversion.quantisation.statistics import BINS, DENSE_SIDE, channel_extremes, histograms
from edgepose.runtime.errors import ConversionError, DatasetError


def small_graph_of(side: int) -> OnnxGraph:
    return graph_of([conv("y", "image", "w")], {"w": noise(5, 4, 1, 1)}, (1, 4, side, side))


@pytest.mark.parametrize("side", [8, DENSE_SIDE])
def test_what_is_seen_is_what_numpy_computes(side):
    graph = small_graph_of(side)
    images = [noise(1, 4, side, side, seed=seed) * (1 + seed) for seed in range(3)]
    values = [np.einsum("oi,bihw->bohw", graph.constants["w"][..., 0, 0], image) for image in images]
    extremes = channel_extremes(graph, images, ["image", "y"])
    stacked = np.concatenate(values)
    np.testing.assert_allclose(extremes.low["y"], stacked.min(axis=(2, 3)), rtol=1e-5)
    np.testing.assert_allclose(extremes.high["y"], stacked.max(axis=(2, 3)), rtol=1e-5)
    np.testing.assert_array_equal(extremes.high["image"], np.concatenate(images).max(axis=(2, 3)))
    assert extremes.range_of("y") == pytest.approx((stacked.min(), stacked.max()), rel=1e-5)
    np.testing.assert_allclose(extremes.magnitude("y"), np.abs(stacked).max(axis=(2, 3)).mean(axis=0), rtol=1e-5)

    weights = np.array([0, 1, 2, 4, 0.5])
    seen = histograms(graph, images, extremes, {"y": weights})["y"]
    thinned = stacked[:, :, ::2, ::2] if side == DENSE_SIDE else stacked
    counts, _ = np.histogram(thinned, BINS, (stacked.min(), stacked.max()))
    each = np.broadcast_to(weights[:, None, None], thinned.shape)
    weighted, _ = np.histogram(thinned, BINS, (stacked.min(), stacked.max()), weights=each)
    # float32 may put what lies on an edge on its other side.
    assert np.abs(seen.counts - counts).sum() <= 0.01 * thinned.size
    assert np.abs(seen.weighted - weighted).sum() <= 0.01 * weighted.sum()
    assert seen.counts.sum() == thinned.size
    assert seen.weighted.sum() == pytest.approx(weights.sum() * thinned.size / 5)

    width = (seen.high - seen.low) / BINS
    tails = [np.quantile(image, [0.0001, 0.9999], method="inverted_cdf") for image in thinned]
    np.testing.assert_allclose(seen.tails, np.mean(tails, axis=0), atol=width)


def test_the_extremes_are_in_the_first_and_the_last_bin():
    graph = small_graph_of(8)
    images = [noise(1, 4, 8, 8)]
    seen = histograms(graph, images, extremes_of(graph, images), {"y": np.ones(5)})["y"]
    assert seen.counts[0] >= 1
    assert seen.counts[-1] >= 1
    assert seen.low < seen.centres[0] < seen.centres[-1] < seen.high


def test_every_value_is_observed_as_it_would_be_alone():
    graph = float_graph("RT")
    names = [node.output for node in graph.nodes[::25]]
    together = next(observe(graph, IMAGES[:1], names))
    assert set(together) == set(names)
    for name in names[:4]:
        (alone,) = next(observe(graph, IMAGES[:1], [name])).values()
        np.testing.assert_allclose(alone, together[name], atol=1e-5 * max(1, np.abs(alone).max()))


def test_only_onnxruntime_is_blamed_for_its_errors():
    def damaged():
        yield noise(1, 4, 8, 8)
        raise DatasetError("crop 1 is damaged", "copy the set again")

    with pytest.raises(DatasetError, match="crop 1 is damaged"):
        list(observe(small_graph_of(8), damaged(), ["y"]))
    with pytest.raises(ConversionError, match="ONNX Runtime cannot run the graph"):
        list(observe(small_graph_of(8), [noise(1, 4, 9, 8)], ["y"]))


PROGRAM = r"""
import re, sys
import numpy as np
from edgepose.conversion.onnx_graph import OnnxGraph
from edgepose.conversion.quantisation.statistics import channel_extremes, histograms
from edgepose.conversion.quantisation.structure import quantised_values
graph = OnnxGraph.from_bytes(open(sys.argv[1], "rb").read())
values, shapes = quantised_values(graph), graph.shapes()
weights = {name: np.ones(shapes[name][1]) for name in values if shapes[name][2:] != (1, 1)}
def images(count):
    return (np.random.default_rng(n).standard_normal((1, 3, 224, 224), np.float32) for n in range(count))
def peak():
    return int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1])
before = peak()
for count in (4, 16):
    histograms(graph, images(count), channel_extremes(graph, images(count), values), weights)
    print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads peaks of memory from /proc")
def test_64_images_of_rt_take_less_than_a_gigabyte(rt, tmp_path):
    (tmp_path / "rt.onnx").write_bytes(optimise_onnx(export_torch_to_onnx(rt, 224)).onnx)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "rt.onnx")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    of_4, of_16 = (int(kilobytes) for kilobytes in done.stdout.split())
    per_image = (of_16 - of_4) / 12
    assert of_16 + 48 * per_image < 1_000_000
