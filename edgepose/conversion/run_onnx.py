"""Runs ONNX graphs for comparison: ONNX Runtime on one thread, operator by operator as written."""

from __future__ import annotations

import numpy as np
import onnxruntime

from edgepose.runtime.errors import ConversionError

ERRORS_ONLY = 3


def run_onnx(onnx: bytes, images: np.ndarray) -> np.ndarray:
    """Outputs [n, 16, h, w] of a one-input, one-output graph for ``images`` float32 [n, 3, S, S].

    Raises :class:`ConversionError` where ONNX Runtime refuses the graph.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # As written: an optimised graph would gate ONNX Runtime's own rewrites instead of ours.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = ERRORS_ONLY
    try:
        session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return np.concatenate([session.run(None, {name: image[None]})[0] for image in images])
    except Exception as error:  # ONNX Runtime raises a dozen unrelated classes
        raise ConversionError(f"ONNX Runtime cannot run the graph: {str(error).splitlines()[0]}") from error
