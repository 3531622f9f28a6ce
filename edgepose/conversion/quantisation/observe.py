"""Runs a float graph on calibration images and shows every value in it, one image at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import numpy as np
import onnx
import onnxruntime

from edgepose.conversion.onnx_graph import OnnxGraph
from edgepose.conversion.run_onnx import ERRORS_ONLY
from edgepose.runtime.errors import ConversionError

THREADS = 2


def observe(graph: OnnxGraph, images: Iterable[np.ndarray], values: Iterable[str]) -> Iterator[dict[str, np.ndarray]]:
    """For each of ``images`` float32 [1, 3, S, S], the arrays of ``values`` by name, the input's among them.

    Only one image's arrays are held at a time. Raises :class:`ConversionError` where ONNX Runtime refuses the graph.
    """
    wanted = list(dict.fromkeys(values))
    source = graph.inputs[0].name
    model = onnx.load_from_string(graph.to_bytes())
    del model.graph.output[:]
    computed = [name for name in wanted if name != source]
    model.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in computed
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    # Threads that spin while they wait make a busy machine several times slower.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = ERRORS_ONLY
    with _onnxruntime_errors():
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    for image in images:
        with _onnxruntime_errors():
            arrays = dict(zip(computed, session.run(computed, {source: image}), strict=True))
        if source in wanted:
            arrays[source] = image
        yield arrays


@contextlib.contextmanager
def _onnxruntime_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # ONNX Runtime raises a dozen unrelated classes
        raise ConversionError(f"ONNX Runtime cannot run the graph: {str(error).splitlines()[0]}") from error
