"""The whole of the TensorRT back end for real, where a CUDA machine with TensorRT is at hand: ``make gpu-check``."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import Figure, Report
from edgepose import PoseEstimator
from edgepose.conversion.pipeline import ConversionRequest, convert
from edgepose.conversion.progress import SilentProgress
from edgepose.doctor import detect_target
from edgepose.figures.demo import demo_set
from edgepose.runtime.announce import announced
from edgepose.runtime.backends.tensorrt import TensorRtOptions
from edgepose.runtime.backends.tensorrt.board import read_board
from edgepose.runtime.backends.tensorrt.cuda import CudaRuntime
from edgepose.runtime.backends.tensorrt.libraries import MissingTensorRtError, import_tensorrt, version_of
from edgepose.runtime.backends.tensorrt.policy import computes_in
from edgepose.runtime.bench_command import bench_settings
from edgepose.runtime.bench_record import bench_bundle
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.probe import check_probe

VARIANTS = ("RT", "RT_LITE")
PRECISIONS = ("fp32", "fp16", "int8")
FIGURES = 16
SECONDS = 2.0
# Percent of the joints that are to lie within 0.1 head of those that the host simulates.
LEAST_AGREEMENT = {"fp32": 99, "fp16": 98, "int8": 85}


@dataclass(frozen=True)
class Machine:
    """What builds and runs here, and the target that bundles are converted for."""

    board: str
    jetpack: str | None
    tensorrt: str
    cuda: int
    compute_capability: tuple[int, int]
    target: str


def run(quick: bool) -> Report:
    """Convert, build, find again, run, and compare with the host's simulation; exits where there is no GPU."""
    machine = find_machine()
    report = Report(
        "gpu_check",
        f"TensorRT {machine.tensorrt} on {machine.board}",
        f"Bundles for {machine.target}, converted here, built and run by TensorRT on this GPU (SM "
        f"{machine.compute_capability[0]}.{machine.compute_capability[1]}, CUDA {machine.cuda}). Joints of {FIGURES} "
        "rendered figures are compared with what ONNX Runtime computes of the same graph. Latencies are measured.",
    )
    report.samples["machine"] = vars(machine)
    variants = VARIANTS[:1] if quick else VARIANTS
    with tempfile.TemporaryDirectory() as folder, announced():
        for variant, precision, path in _bundles(Path(folder), machine, variants):
            print(f"  {variant} {precision}", flush=True)
            _check(report, f"{variant} {precision}", precision, path, TensorRtOptions(folder=f"{folder}/engines"))
    return report


def find_machine() -> Machine:
    """What this machine is. Exits, saying why, where TensorRT or a GPU is missing."""
    try:
        trt = import_tensorrt()
        cuda = CudaRuntime.find()
    except MissingTensorRtError as missing:
        raise SystemExit(
            f"nothing was checked, as there is no TensorRT with a GPU here: {missing.message}"
        ) from missing
    board = read_board()
    target = detect_target(board.model)
    typed = version_of(trt) >= (10, 13)
    name = target.name if target is not None else "jetson-thor" if typed else "jetson-orin-nano"
    return Machine(board.model, board.jetpack, trt.__version__, cuda.version, cuda.compute_capability, name)


def _bundles(folder: Path, machine: Machine, variants: Sequence[str]) -> Iterator[tuple[str, str, Path]]:
    for variant in variants:
        for precision in PRECISIONS:
            if computes_in(machine.compute_capability, precision):
                path = folder / f"{variant}-{precision}.edgepose"
                convert(ConversionRequest(variant, machine.target, precision, output=path), SilentProgress())
                yield variant, precision, path


def _check(report: Report, title: str, precision: str, path: Path, options: TensorRtOptions) -> None:
    bundle = Bundle.open(path)
    images = [figure.image for figure in demo_set(FIGURES)]
    heads = np.array([figure.head_length for figure in demo_set(FIGURES)])
    with PoseEstimator(bundle, tensorrt=options) as estimator:
        record = _record(estimator)
        built = _joints(estimator, images)
    with PoseEstimator(bundle, tensorrt=options) as estimator:
        found_again = not _record(estimator)["built"]
        again = _joints(estimator, images)
    graph = options._replace(cuda_graph=True)
    with PoseEstimator(bundle, tensorrt=graph) as one, PoseEstimator(bundle, tensorrt=options) as other:
        both = np.array([np.abs(_joints(each, images) - built).max() for each in (one, other)])
    with PoseEstimator(bundle, simulate=True) as estimator:
        simulated = _joints(estimator, images)
    damaged = Path(record["path"])
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with PoseEstimator(bundle, tensorrt=options) as estimator:
        mended = _record(estimator)["built"]
    probe = check_probe(bundle, tensorrt=options)
    latency = bench_bundle(path, settings=bench_settings(SECONDS), accelerator=(None, False, options))
    within = 100 * float((np.linalg.norm(built - simulated, axis=2) <= 0.1 * heads[:, None]).mean())
    report.add(
        Figure(
            f"{title}: joints within 0.1 head of the simulation's", within, "%", at_least=LEAST_AGREEMENT[precision]
        ),
        Figure(f"{title}: agrees on its probe", int(probe.passed), "", at_least=1, note=probe.summary),
        Figure(f"{title}: found again, not built again", int(found_again), "", at_least=1),
        Figure(
            f"{title}: pixels that joints move from one run to the next", np.abs(again - built).max(), "", at_most=0
        ),
        Figure(f"{title}: the same, as a CUDA graph and beside another", both.max(), "", at_most=0),
        Figure(f"{title}: a damaged engine is built anew", int(mended), "", at_least=1),
        Figure(f"{title}: building", record["seconds"], "s", note=f"workspace {record['workspace_mb']} MB"),
        Figure(f"{title}: engine, median", latency["latency_ms"]["engine"]["p50"], "ms"),
    )
    report.samples[title] = {"record": record, "latency": latency, "probe": probe._asdict()}


def _record(estimator: PoseEstimator) -> dict[str, Any]:
    return estimator.engine_record.to_dict()


def _joints(estimator: PoseEstimator, images: Sequence[np.ndarray]) -> np.ndarray:
    """float64 [n, 16, 2] in pixels."""
    return np.array([estimator(image).keypoints for image in images], dtype=np.float64)
