"""Graphs in TensorRT-RTX: NVIDIA's own ONNX parser and strongly typed builder, which need no GPU to build.

Its engines are for other GPUs than a Jetson's: that it accepts and builds a graph is all that is asked of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# A Python with the bindings of TensorRT-RTX.
VARIABLE = "EDGEPOSE_TENSORRT_RTX"
PACKAGES = ("tensorrt-rtx-cu12-bindings==1.7.1.116", "tensorrt-rtx-cu12-libs==1.7.1.116")
BUILD_SECONDS = 900

_PROGRAM = """
import json, sys, time
import tensorrt_rtx_bindings as trt

class Log(trt.ILogger):
    def __init__(self):
        trt.ILogger.__init__(self)
        self.lines = []

    def log(self, severity, msg):
        if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR, trt.ILogger.WARNING):
            self.lines.append(msg)

log = Log()
for path in sys.argv[1:]:
    del log.lines[:]
    start = time.monotonic()
    builder = trt.Builder(log)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, log)
    with open(path, "rb") as file:
        parsed = parser.parse(file.read())
    refusals = [parser.get_error(index).desc() for index in range(parser.num_errors)]
    engine = builder.build_serialized_network(network, builder.create_builder_config()) if parsed else None
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    types = sorted({str(each.get_output(0).dtype).rpartition(".")[2] for each in layers})
    print(json.dumps({
        "parsed": parsed, "built": engine is not None, "refusals": refusals, "remarks": log.lines[:5], "types": types,
        "layers": len(layers), "bytes": 0 if engine is None else engine.nbytes, "seconds": time.monotonic() - start,
    }), flush=True)
"""


@dataclass(frozen=True)
class RtxBuild:
    """What TensorRT-RTX made of one graph. ``types``: of its layers' outputs."""

    parsed: bool
    built: bool
    refusals: list[str]
    remarks: list[str]
    types: list[str]
    layers: int
    bytes: int
    seconds: float


def build_in_rtx(python: str, graphs: Mapping[str, bytes]) -> dict[str, RtxBuild]:
    """Parse and build each of ``graphs`` (ONNX by name) in the Python ``python``."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for index, data in enumerate(graphs.values()):
            paths.append(Path(folder) / f"{index}.onnx")
            paths[-1].write_bytes(data)
        done = subprocess.run(
            [python, "-c", _PROGRAM, *map(str, paths)],
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
        )
    if done.returncode:
        raise RuntimeError(f"TensorRT-RTX ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    documents = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {name: RtxBuild(**document) for name, document in zip(graphs, documents, strict=True)}
