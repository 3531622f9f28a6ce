"""What ``edgepose doctor`` says of TensorRT: on a Jetson, and nowhere else."""

import sys

import pytest

from edgepose.doctor import diagnose
from edgepose.runtime.backends.tensorrt import board


@pytest.fixture
def on_a_jetson(monkeypatch, tmp_path):
    (tmp_path / "release").write_text("# R36 (release), REVISION: 4.3, GCID: 1, BOARD: generic, EABI: aarch64\n")
    monkeypatch.setattr(board, "TEGRA_RELEASE", str(tmp_path / "release"))


def tensorrt_findings():
    return [finding for finding in diagnose().findings if finding.name == "tensorrt"]


def test_elsewhere_nothing_is_said_of_it():
    assert tensorrt_findings() == []


def test_a_jetson_without_the_bindings_is_told_what_brings_them(on_a_jetson, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    (finding,) = tensorrt_findings()
    assert finding.status == "missing"
    assert "JetPack 6.2, L4T 36.4.3" in finding.detail
    assert "python3-libnvinfer" in finding.mend
