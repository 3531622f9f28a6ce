"""What this machine can run and convert, what is missing, and the command that mends it."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from edgepose.bench.conditions import DEVICE_TREE_MODEL
from edgepose.conversion.cache import StageCache, cache_folder
from edgepose.runtime.backends.tensorrt.board import is_jetson, read_board
from edgepose.runtime.backends.tensorrt.cuda import CudaRuntime
from edgepose.runtime.backends.tensorrt.libraries import MissingTensorRtError, import_tensorrt
from edgepose.runtime.edgetpu_devices import attached_edge_tpus, describe, runtime_clock
from edgepose.targets import Target, all_targets

LEAST_FREE_BYTES = 500_000_000
# Imported from the conversion it would need what this page reports on.
COMPILER = "edgetpu_compiler"
INSTALL_DEVICE_HALF = "pip install numpy opencv-python-headless"
INSTALL_CONVERT = "pip install '.[convert]', in a clone of edgepose"

# Distribution, module, what it is for.
DEVICE_LIBRARIES = (
    ("numpy", "numpy", "arrays"),
    ("opencv-python-headless", "cv2", "images and video"),
)
ENGINE_LIBRARIES = (
    ("ai-edge-litert", "ai_edge_litert.interpreter", "LiteRT, runs .tflite engines"),
    ("tflite-runtime", "tflite_runtime.interpreter", "the older TFLite runtime, runs .tflite engines"),
    ("onnxruntime", "onnxruntime", "ONNX Runtime, runs .onnx engines; the reference of every gate"),
)
CONVERT_LIBRARIES = (
    ("torch", "torch", "the network and its ONNX export"),
    ("onnx", "onnx", "the interchange format"),
    ("onnxsim", "onnxsim", "simplifies the ONNX"),
    ("h5py", "h5py", "reads official Keras weights"),
    ("safetensors", "safetensors", "reads our own weights"),
)


@dataclass(frozen=True)
class Finding:
    """One thing looked at: ``status`` is ``ok``, ``missing`` or ``note``; ``mend`` is a command, where one helps."""

    area: str
    name: str
    status: str
    detail: str
    mend: str | None = None


@dataclass(frozen=True)
class Diagnosis:
    """All findings, and what follows: whether bundles run here and whether checkpoints convert here."""

    findings: tuple[Finding, ...]
    runs: bool
    converts: bool


def diagnose() -> Diagnosis:
    """Look at this machine. Imports what it reports on, so that a library that is installed but broken shows."""
    machine = [_python(), _device(), _disk()]
    device = [_library("device half", *entry, mend=INSTALL_DEVICE_HALF) for entry in DEVICE_LIBRARIES]
    engines = [_library("engine", *entry, mend=f"pip install {entry[0]}") for entry in ENGINE_LIBRARIES]
    tensorrt = _tensorrt()
    convert = [_library("convert", *entry, mend=INSTALL_CONVERT) for entry in CONVERT_LIBRARIES]
    runs = _all_ok(device) and any(finding.status == "ok" for finding in [*engines, *tensorrt])
    installed = {finding.name for finding in engines if finding.status == "ok"}
    if any(finding.status == "ok" for finding in engines[:2]):
        # One of the two TFLite runtimes is enough.
        engines = [_as_note(finding) if finding.status == "missing" else finding for finding in engines]
    return Diagnosis(
        findings=(
            *machine,
            *_edge_tpus(),
            *device,
            *engines,
            *tensorrt,
            *convert,
            _edgetpu_compiler(),
            *_weights(),
            _cache(),
        ),
        runs=runs,
        converts=_all_ok(device) and _all_ok(convert) and {"ai-edge-litert", "onnxruntime"} <= installed,
    )


def detect_target(model: str) -> Target | None:
    """The target whose ``detect`` texts the device-tree model name starts with, or None."""
    for target in all_targets().values():
        if any(model.startswith(text) for text in target.detect):
            return target
    return None


def _python() -> Finding:
    detail = f"{platform.python_version()} on {platform.machine()}, {platform.platform()}"
    return Finding("machine", "python", "ok", detail)


def _device() -> Finding:
    try:
        model = Path(DEVICE_TREE_MODEL).read_bytes()[:200].rstrip(b"\0").decode("utf-8", "replace")
    except OSError:
        return Finding("machine", "device", "ok", f"{os.cpu_count()} processors; no device tree: target 'host'")
    target = detect_target(model)
    if target is None:
        return Finding("machine", "device", "note", f"{model}: no file in targets/ knows it; target 'host' may do")
    return Finding("machine", "device", "ok", f"{model}: target '{target.name}'")


def _tensorrt() -> list[Finding]:
    """TensorRT and its GPU, looked for on a Jetson alone."""
    if not is_jetson():
        return []
    board = read_board()
    system = f"JetPack {board.jetpack or 'unknown'}, L4T {board.l4t or 'unknown'}"
    try:
        version = import_tensorrt().__version__
        capability = "{}.{}".format(*CudaRuntime.find().compute_capability)
    except MissingTensorRtError as missing:
        return [Finding("engine", "tensorrt", "missing", f"{system}; {missing.message}", missing.hint)]
    return [Finding("engine", "tensorrt", "ok", f"{version}, GPU SM {capability}, {system}; builds and runs engines")]


def _edge_tpus() -> list[Finding]:
    clock = runtime_clock()
    return [
        Finding("machine", "Edge TPU", "ok" if device.accessible else "note", describe(device, clock))
        for device in attached_edge_tpus()
    ]


def _edgetpu_compiler() -> Finding:
    compiler = shutil.which(COMPILER)
    detail = f"{compiler or 'not here'}; compiles bundles for Coral, see docs/coral.md"
    return Finding("convert", COMPILER, "ok" if compiler else "note", detail)


def _disk() -> Finding:
    free = shutil.disk_usage(_existing(cache_folder())).free
    status = "ok" if free >= LEAST_FREE_BYTES else "note"
    return Finding("machine", "disk", status, f"{free / 1e9:.1f} GB free where the cache is")


def _library(area: str, distribution: str, module: str, purpose: str, mend: str) -> Finding:
    try:
        importlib.import_module(module)
    except Exception as error:  # broken native libraries fail in ways of their own
        if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] == module.split(".")[0]:
            return Finding(area, distribution, "missing", purpose, mend)
        return Finding(area, distribution, "missing", f"{purpose}; installed, but does not load: {error}", mend)
    try:
        version = metadata.version(distribution)
    except metadata.PackageNotFoundError:
        version = str(getattr(sys.modules[module.split(".")[0]], "__version__", "of unknown version"))
    return Finding(area, distribution, "ok", f"{version}; {purpose}")


def _weights() -> list[Finding]:
    from edgepose.checkpoints import demo_weights, list_official_weights
    from edgepose.network.variants import VARIANTS

    cached = [entry.variant for entry in list_official_weights() if entry.path]
    official = f"here: {', '.join(cached) or 'none'}; the others are fetched when they are needed"
    shipped = [variant for variant in VARIANTS if demo_weights(variant)]
    demo = f"{', '.join(shipped) or 'none'}; edgepose's own, to try and to test with"
    return [
        Finding("weights", "official", "ok" if cached else "note", official),
        Finding("weights", "demo", "ok" if shipped else "note", demo),
    ]


def _cache() -> Finding:
    cache = StageCache(cache_folder())
    size = sum(entry.stat().st_size for entry in cache.entries())
    return Finding("cache", "conversion stages", "ok", f"{cache.folder}, {size / 1e6:.0f} MB")


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)


def _as_note(finding: Finding) -> Finding:
    return Finding(finding.area, finding.name, "note", f"not installed; {finding.detail}", finding.mend)


def _all_ok(findings: list[Finding]) -> bool:
    return all(finding.status == "ok" for finding in findings)
