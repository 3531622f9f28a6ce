"""What edgepose costs besides milliseconds a frame: conversion, disk, memory, the wait for a first pose."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import cv2
import tomllib
from packaging.requirements import Requirement

from benchmarks.bundles import bundle_path
from benchmarks.official_recipe import official_tflite
from benchmarks.results import Figure, Report
from edgepose.figures import render_figure

REPOSITORY = Path(__file__).resolve().parent.parent
CONVERSION_S = 8.0
DEVICE_RSS_MB = 95.0

# Times a conversion into an empty cache, the imports done; arguments: checkpoint, output.
CONVERT = """
import json, sys, time
import h5py, onnx, onnxruntime, onnxsim, torch
import ai_edge_litert.interpreter, ai_edge_litert.schema_py_generated
from edgepose.conversion.pipeline import ConversionRequest, convert
from edgepose.conversion.progress import SilentProgress
from pathlib import Path
start = time.monotonic()
result = convert(
    ConversionRequest("RT", "host", "fp32", engine="tflite", output=Path(sys.argv[1])), SilentProgress()
)
print(json.dumps({"seconds": time.monotonic() - start, "stages": {s.name: s.seconds for s in result.stages}}))
"""

# The device half out of the bundle itself: one frame to one pose. Arguments: bundle, picture.
FIRST_POSE = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
import cv2
import edgepose
with edgepose.load(sys.argv[1], threads=1) as estimator:
    pose = estimator(cv2.imread(sys.argv[2]))
    done = time.monotonic()
    for _ in range(20):
        estimator(cv2.imread(sys.argv[2]))
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
foreign = [name for name in ("torch", "onnx", "scipy", "typer", "rich") if name in sys.modules]
print(json.dumps({"done": done, "peak_kb": peak, "foreign": foreign, "from": edgepose.__file__}))
"""

# The official recipe on the same runtime. Arguments: folder of the benchmarks package, model, picture.
OFFICIAL_FIRST_POSE = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
import cv2
from pathlib import Path
from benchmarks.official_recipe import OfficialRecipe
recipe = OfficialRecipe(Path(sys.argv[2]), False, 1)
recipe(cv2.imread(sys.argv[3]))
done = time.monotonic()
for _ in range(5):
    recipe(cv2.imread(sys.argv[3]))
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"done": done, "peak_kb": peak}))
"""


def run(bundles: Path, quick: bool) -> Report:
    """Measure in fresh processes."""
    report = Report(
        "footprint",
        "Footprint",
        "Fresh processes. Conversion: RT to a float TFLite bundle with an empty cache, after the imports. "
        "Device half: the code inside the bundle, interpreter start to first pose on a 640×480 picture, one "
        "thread; memory is the peak resident set (`VmHWM`) after 21 frames. Disk is the installed size of "
        "the named requirements and all that they require.",
    )
    repeats = 2 if quick else 10
    with tempfile.TemporaryDirectory() as folder:
        _conversion(report, Path(folder), 1 if quick else 3)
        _first_pose(report, Path(folder), bundle_path(bundles, "RT"), repeats)
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extra, half in (("convert", "host half"), ("litert", "device half")):
        sizes = installed_sizes([*project["dependencies"], *project["optional-dependencies"][extra]])
        report.add(
            Figure(
                f"disk, {half} with `{extra}`",
                sum(sizes.values()) / 1e6,
                "MB",
                note=f"{len(sizes)} distributions",
            )
        )
        report.samples[f"bytes on disk, {extra}"] = sizes
    return report


def _conversion(report: Report, folder: Path, repeats: int) -> None:
    runs = []
    for number in range(repeats):
        cache = folder / f"cache-{number}"
        document, _ = run_child(CONVERT, str(folder / f"{number}.edgepose"), environment={"EDGEPOSE_CACHE": str(cache)})
        runs.append(document)
    seconds = statistics.median(entry["seconds"] for entry in runs)
    report.add(Figure("conversion of RT, cold", seconds, "s", at_most=CONVERSION_S))
    report.samples["conversion"] = runs


def _first_pose(report: Report, folder: Path, bundle: Path, repeats: int) -> None:
    picture = folder / "frame.png"
    cv2.imwrite(str(picture), render_figure(0, (640, 480)).image)
    commands = {
        "edgepose": (FIRST_POSE, str(bundle.resolve()), str(picture)),
        "official recipe on LiteRT": (
            OFFICIAL_FIRST_POSE,
            str(REPOSITORY),
            str(official_tflite("RT")),
            str(picture),
        ),
    }
    samples: dict[str, dict[str, list[float]]] = {name: {"start_ms": [], "peak_mb": []} for name in commands}
    for _ in range(repeats):
        for name, command in commands.items():
            document, started = run_child(*command)
            if name == "edgepose":
                _require_device_half(document, bundle)
            samples[name]["start_ms"].append(round(1e3 * (document["done"] - started), 1))
            samples[name]["peak_mb"].append(round(document["peak_kb"] * 1024 / 1e6, 1))
    for name, measured in samples.items():
        limit = DEVICE_RSS_MB if name == "edgepose" else None
        report.add(
            Figure(f"{name}: peak memory", statistics.median(measured["peak_mb"]), "MB", at_most=limit),
            Figure(f"{name}: cold start to first pose", statistics.median(measured["start_ms"]), "ms"),
        )
    report.samples["first pose"] = samples
    whole = []
    for _ in range(repeats):
        started = time.monotonic()
        subprocess.run(
            [sys.executable, str(bundle), "run", str(picture)],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=folder,
        )
        whole.append(round(1e3 * (time.monotonic() - started), 1))
    report.add(Figure("`python3 FILE.edgepose run PICTURE`, whole command", statistics.median(whole), "ms"))
    report.samples["whole command, ms"] = whole


def _require_device_half(document: dict, bundle: Path) -> None:
    """Stop where the process did not run the bundle's own code, or imported what a device does not have."""
    if not document["from"].startswith(str(bundle.resolve())):
        raise SystemExit(f"measured {document['from']}, not the code inside {bundle}")
    if document["foreign"]:
        raise SystemExit(f"the device half imported {', '.join(document['foreign'])}")


def run_child(code: str, *arguments: str, environment: dict[str, str] | None = None) -> tuple[dict, float]:
    """Run ``code`` in a fresh interpreter: its last line as JSON, and when it started (monotonic clock)."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    return json.loads(done.stdout.strip().splitlines()[-1]), started


def installed_sizes(requirements: Iterable[str]) -> dict[str, int]:
    """Bytes on disk, by name, of what ``requirements`` (PEP 508) ask for here and of all that it requires."""
    sizes: dict[str, int] = {}
    waiting = list(_installed(requirements))
    while waiting:
        name = waiting.pop()
        if name not in sizes:
            files = [Path(str(file.locate())) for file in metadata.files(name) or []]
            sizes[name] = sum(file.stat().st_size for file in files if file.is_file())
            waiting += _installed(metadata.requires(name) or [])
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def _installed(requirements: Iterable[str]) -> Iterable[str]:
    """Names of the installed distributions among ``requirements``, those of extras left out."""
    for requirement in map(Requirement, requirements):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        yield name
