"""The wheel holds what an installation needs, and its base asks for the device half's two libraries alone."""

import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_targets_and_calibration_reach_the_wheel(wheel):
    names = set(wheel.namelist())
    for folder in ("targets", "calibration"):
        for file in (ROOT / folder).glob("*.toml"):
            assert f"edgepose/data/{folder}/{file.name}" in names


def test_the_weights_and_their_card_reach_the_wheel(wheel):
    names = set(wheel.namelist())
    for file in (ROOT / "weights").iterdir():
        assert f"edgepose/data/weights/{file.name}" in names
        assert wheel.getinfo(f"edgepose/data/weights/{file.name}").file_size == file.stat().st_size


def test_every_module_and_the_licence_reach_the_wheel_and_no_test_does(wheel):
    names = set(wheel.namelist())
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "edgepose").rglob("*.py")} <= names
    assert {
        "edgepose/records/bench-record-2.json",
        "edgepose/reports/page.html",
        "edgepose/reports/published.toml",
    } <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith("licenses/NOTICE") for name in names)
    assert not [name for name in names if name.startswith(("tests", "benchmarks", "docs", "tools"))]


def test_the_c_sources_reach_the_wheel(wheel):
    names = set(wheel.namelist())
    sources = list((ROOT / "edgepose" / "export_c" / "sources").iterdir())
    assert len(sources) > 5
    assert {str(path.relative_to(ROOT)) for path in sources} <= names


def test_the_base_install_is_numpy_and_opencv_on_python_3_6(wheel):
    (name,) = [name for name in wheel.namelist() if name.endswith("METADATA")]
    metadata = Parser().parsestr(wheel.read(name).decode())
    base = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    assert {line.split(">")[0].split("<")[0].split(";")[0].strip() for line in base} == {
        "numpy",
        "opencv-python-headless",
    }
    assert metadata["Requires-Python"] == ">=3.6"
