"""Runs ONNX graphs for comparison: ONNX Runtime on one thread, operator by operator as written."""

from __future__ import annotations

import numpy as np
import onnxruntime

from edgepose.runtime.errors import ConversionError

ERRORS_ONLY = 3


def session_as_written(onnx: bytes, threads: int = 1) -> onnxruntime.InferenceSession:
    """A session that computes the operators of ``onnx`` as written.

    An optimised graph would gate ONNX Runtime's own rewrites instead of ours: from its basic level on it requantises
    the float weights of convolutions between integers, for one.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = ERRORS_ONLY
    return onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])


def run_onnx(onnx: bytes, images: np.ndarray) -> np.ndarray:
    """Outputs [n, 16, h, w] of a one-input, one-output graph for ``images`` float32 [n, 3, S, S].

    Raises :class:`ConversionError` where ONNX Runtime refuses the graph.
    """
    try:
        session = session_as_written(onnx)
        name = session.get_inputs()[0].name
        return np.concatenate([session.run(None, {name: image[None]})[0] for image in images])
    except Exception as error:  # ONNX Runtime raises a dozen unrelated classes
        raise ConversionError(f"ONNX Runtime cannot run the graph: {str(error).splitlines()[0]}") from error
