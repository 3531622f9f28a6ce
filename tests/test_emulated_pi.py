"""Bundles on an emulated Raspberry Pi 4: its outputs are those of this machine, and its times are kept out of it all."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from emulated_pi import emulated_python
from tiny_bundles import engine_bytes, manifest_document, probe_members, squares

from edgepose.conversion.bundle_writer import bundle_bytes
from edgepose.records import read_record
from edgepose.records.compare import compare_records
from edgepose.reports import render_page
from edgepose.runtime.errors import UsageError

FOUND = [(23, 23), (23, 39), (39, 23)]
# Heatmaps of the first crop of a bundle's probe, by the bundle's own code.
HEATMAPS = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from edgepose.runtime.backends import open_backend
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.preprocess import Preprocessor
from edgepose.runtime.probe import read_probe
bundle = Bundle.open(sys.argv[1])
with open_backend(bundle.manifest.engine, bundle.engine_bytes(), 1) as engine:
    np.save(sys.argv[2], engine.infer(Preprocessor(bundle.manifest).prepare(read_probe(bundle).crops[0].image)[0]))
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
def heatmaps(tmp_path):
    """``heatmaps(python, bundle)`` -> what the engine computes there."""

    def compute(python, bundle):
        path = tmp_path / "heatmaps.npy"
        subprocess.run([python, "-c", HEATMAPS, str(bundle), str(path)], check=True, capture_output=True)
        return np.load(path)

    return compute


def test_a_bench_on_it_is_marked_as_emulated_and_its_times_are_nowhere(pi, tiny, tmp_path):
    path = tmp_path / "pi.json"
    command = [pi, str(tiny("float32")), "bench", "--seconds", "0", "--label", "a Pi", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "emulated ms" in done.stdout
    record = read_record(path)
    assert record.emulated
    assert record.document["conditions"]["architecture"] == "aarch64"
    assert "qemu" in record.document["conditions"]["emulator"]
    assert record.document["drift"]["within_0.1_head"]["total"] == 100.0
    with pytest.raises(UsageError, match="emulator"):
        compare_records(record, record)
    page = render_page([record])
    assert "Times under an emulator say nothing" in page
    assert "How latencies are distributed" not in page
    gated = subprocess.run([*command, "--max-p95-ms", "1e6"], capture_output=True, text=True)
    assert gated.returncode == 2
    assert "can neither hold nor fail" in gated.stderr


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("int8", 0)])
def test_tiny_engines_compute_what_they_compute_here(dtype, tolerance, pi, tiny, heatmaps):
    bundle = tiny(dtype)
    here, there = (heatmaps(python, bundle).astype(float) for python in (sys.executable, pi))
    assert np.abs(there - here).max() <= tolerance


@pytest.mark.slow
@pytest.mark.parametrize(("variant", "precision", "tolerance"), [("RT", "fp32", 1e-5), ("RT_LITE", "int8", 0)])
def test_official_networks_compute_what_they_compute_here(
    variant, precision, tolerance, pi, heatmaps, reference, tmp_path, monkeypatch
):
    monkeypatch.setenv("EDGEPOSE_CACHE", str(tmp_path / "cache"))
    bundle = Path(tmp_path / "it.edgepose")
    command = ["convert", "--variant", variant, "--target", "raspberry-pi-4", "--precision", precision]
    subprocess.run([sys.executable, "-m", "edgepose", *command, "-o", str(bundle)], check=True, capture_output=True)
    here, there = (heatmaps(python, bundle).astype(float) for python in (sys.executable, pi))
    assert np.abs(here).max() > 0.1
    assert np.abs(there - here).max() <= tolerance


def test_what_it_says_of_itself_can_be_read(pi):
    code = "import json, platform, sys; print(json.dumps([platform.machine(), sys.version_info[:2]]))"
    told = json.loads(subprocess.check_output([pi, "-c", code], text=True))
    assert told == ["aarch64", [3, 11]]
