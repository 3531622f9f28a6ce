"""Simplifies an ONNX graph with onnxsim, in a child process, and believes the result only after checking it.

onnxsim is native code with a history of crashes; a child that dies, hangs or returns another function costs a
warning, not the conversion.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgepose.conversion.onnx_graph import MAX_ONNX_BYTES, OnnxGraph
from edgepose.conversion.run_onnx import run_onnx
from edgepose.runtime.errors import ConversionError

TIMEOUT_S = 60.0
# Relative to the largest output: folding batch norms and constants only reorders float32 roundings.
TOLERANCE = 1e-4
CHECK_IMAGES = 2

_CHILD = """
import sys
# onnxsim imports both where they are installed, which takes seconds, and needs neither to simplify.
sys.modules["torch"] = sys.modules["sympy"] = None
import onnx
import onnxsim
model, sound = onnxsim.simplify(onnx.load(sys.argv[1]))
if not sound:
    sys.exit("its own check of the result failed")
onnx.save(model, sys.argv[2])
"""


class SimplifiedOnnx(NamedTuple):
    """``onnx`` bytes; where they are unsimplified, ``simplified`` is False and ``warning`` says why."""

    onnx: bytes
    simplified: bool
    warning: str | None


def simplify_onnx(onnx: bytes, timeout_s: float = TIMEOUT_S, python: str = sys.executable) -> SimplifiedOnnx:
    """Simplify a one-input, one-output float graph in a child process of the interpreter ``python``.

    Where the child fails or takes longer than ``timeout_s`` seconds, or its result is invalid or computes
    something else (ONNX Runtime, two random images), the graph comes back unsimplified with a warning. Raises
    :class:`ConversionError` only where ``onnx`` itself is bad.
    """
    graph = OnnxGraph.from_bytes(onnx)
    try:
        simplified = OnnxGraph.from_bytes(_run_child(onnx, timeout_s, python), "onnxsim's result")
        _require_same_function(graph, simplified)
        return SimplifiedOnnx(simplified.to_bytes(), True, None)
    except (ConversionError, _ChildError) as failure:
        warning = f"onnxsim did not simplify the graph, going on without it: {failure}"
        return SimplifiedOnnx(graph.to_bytes(), False, warning)


class _ChildError(Exception):
    pass


def _run_child(onnx: bytes, timeout_s: float, python: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="edgepose-simplify-") as folder:
        source, result = Path(folder, "source.onnx"), Path(folder, "result.onnx")
        source.write_bytes(onnx)
        try:
            child = subprocess.run(
                [python, "-c", _CHILD, source, result],
                cwd=folder,  # so that no module in the user's folder is imported instead
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise _ChildError(f"it took longer than {timeout_s:g} s") from None
        except OSError as error:
            raise _ChildError(f"{python} cannot be started: {error.strerror}") from error
        if child.returncode < 0:
            raise _ChildError(f"it crashed with signal {-child.returncode}")
        if child.returncode:
            lines = child.stderr.decode("utf-8", "replace").strip().splitlines()
            raise _ChildError(lines[-1][:300] if lines else f"it ended with exit code {child.returncode}")
        if not result.is_file() or result.stat().st_size > MAX_ONNX_BYTES:
            raise _ChildError("it wrote no usable result")
        return result.read_bytes()


def _require_same_function(graph: OnnxGraph, simplified: OnnxGraph) -> None:
    if (graph.inputs, graph.outputs) != (simplified.inputs, simplified.outputs):
        raise _ChildError("it changed the inputs or outputs")
    images = np.random.default_rng(0).standard_normal((CHECK_IMAGES, *graph.inputs[0].shape[1:]), dtype=np.float32)
    expected = run_onnx(graph.to_bytes(), images)
    difference = np.abs(run_onnx(simplified.to_bytes(), images) - expected).max()
    if not difference <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise _ChildError(f"its result differs from the graph by {difference:.2g}")
