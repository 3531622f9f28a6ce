"""Bundles on an emulated Raspberry Pi 4: engines compute what they do here, and its times are kept out of it all."""

import json
import subprocess
import sys

import numpy as np
import pytest
from emulated_pi import emulated_python
from tiny_bundles import engine_bytes, manifest_document, probe_members, squares

from edgepose.conversion.bundle_writer import bundle_bytes
from edgepose.records import read_record
from edgepose.records.compare import compare_records
from edgepose.reports import render_page
from edgepose.runtime.errors import UsageError

# Each start of an emulated Python takes seconds.
pytestmark = pytest.mark.slow
FOUND = [(23, 23), (23, 39), (39, 23)]
# The tensor of the first crop of a probe, and what the engine makes of a given one, by the bundle's own code.
STAGES = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from edgepose.runtime.backends import open_backend
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.preprocess import Preprocessor
from edgepose.runtime.probe import read_probe
bundle = Bundle.open(sys.argv[1])
tensor = Preprocessor(bundle.manifest).prepare(read_probe(bundle).crops[0].image)[0]
given = np.load(sys.argv[3])["tensor"] if len(sys.argv) > 3 else tensor
with open_backend(bundle.manifest.engine, bundle.engine_bytes(), 1) as engine:
    np.savez(sys.argv[2], tensor=tensor, heatmaps=engine.infer(given))
"""


@pytest.fixture(scope="module")
def pi():
    return emulated_python(sys.executable)


@pytest.fixture
def tiny(tmp_path):
    def write(dtype):
        path = tmp_path / f"tiny-{dtype}.edgepose"
        probe = probe_members([FOUND[joint % 3] for joint in range(16)], squares(64, 64))
        members = {"engine.tflite": engine_bytes("tflite", dtype), **probe}
        path.write_bytes(bundle_bytes(manifest_document("tflite", dtype), members))
        return path

    return write


@pytest.fixture
def differences(pi, tmp_path):
    """``differences(bundle)`` -> the largest of the tensors, and of the heatmaps of the same tensor: here and there."""

    def compute(bundle):
        here, there = tmp_path / "here.npz", tmp_path / "there.npz"
        for command in ([sys.executable, "-c", STAGES, bundle, here], [pi, "-c", STAGES, bundle, there, here]):
            done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
        with np.load(here) as ours, np.load(there) as theirs:
            assert np.abs(ours["heatmaps"].astype(float)).max() > 0.1
            return [np.abs(ours[name].astype(float) - theirs[name]).max() for name in ("tensor", "heatmaps")]

    return compute


def test_a_bench_on_it_is_marked_as_emulated_and_its_times_are_nowhere(pi, tiny, tmp_path):
    path = tmp_path / "pi.json"
    command = [pi, str(tiny("float32")), "bench", "--seconds", "0", "--label", "a Pi", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "emulated ms" in done.stdout
    record = read_record(path)
    assert record.times_mean_nothing
    assert record.document["conditions"]["architecture"] == "aarch64"
    assert "qemu" in record.document["conditions"]["emulator"]
    assert record.document["drift"]["within_0.1_head"]["total"] == 100.0
    with pytest.raises(UsageError, match="is emulated"):
        compare_records(record, record)
    page = render_page([record])
    assert "Times under an emulator" in page
    assert "How latencies are distributed" not in page
    gated = subprocess.run([*command, "--max-p95-ms", "1e6"], capture_output=True, text=True)
    assert gated.returncode == 2
    assert "can neither hold nor fail" in gated.stderr


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("int8", 0)])
def test_tiny_engines_compute_what_they_compute_here(dtype, tolerance, tiny, differences):
    assert differences(tiny(dtype))[1] <= tolerance


@pytest.mark.parametrize(("variant", "precision", "tolerance"), [("RT", "fp32", 1e-5), ("RT_LITE", "int8", 0)])
def test_official_networks_compute_what_they_compute_here(
    variant, precision, tolerance, differences, reference, tmp_path, monkeypatch
):
    """The engine, that is: OpenCV's linear resizing rounds otherwise on ARM, by one step of a byte."""
    monkeypatch.setenv("EDGEPOSE_CACHE", str(tmp_path / "cache"))
    bundle = tmp_path / "it.edgepose"
    command = ["convert", "--variant", variant, "--target", "raspberry-pi-4", "--precision", precision]
    subprocess.run([sys.executable, "-m", "edgepose", *command, "-o", str(bundle)], check=True, capture_output=True)
    of_tensor, of_heatmaps = differences(bundle)
    assert of_heatmaps <= tolerance
    assert of_tensor <= (1 if precision == "int8" else 1.001 / 255 / 0.224)


def test_what_it_says_of_itself_can_be_read(pi):
    code = "import json, platform, sys; print(json.dumps([platform.machine(), sys.version_info[:2]]))"
    told = json.loads(subprocess.check_output([pi, "-c", code], text=True))
    assert told == ["aarch64", [3, 11]]
