"""Inference engines behind one interface: :class:`edgepose.runtime.backends.base.Backend`."""

from edgepose.runtime.errors import EngineError, UsageError


def open_backend(spec, data, threads, tensorrt=None, simulate=False):
    """Load the engine ``data`` (bytes) described by ``spec`` (:class:`EngineSpec`) with ``threads`` CPU threads.

    ``tensorrt``: :class:`TensorRtOptions`, for engines of that format. ``simulate``: compute such an engine's graph
    with ONNX Runtime even where TensorRT is; where it cannot be, off a Jetson, that is done in any case.

    Imports the engine's library now, and no other. Raises :class:`EngineError` where the library is missing (naming
    the command that installs it for this Python), or cannot load the engine; :class:`UsageError` for options of
    another engine.
    """
    if spec.format == "tensorrt":
        from edgepose.runtime.backends.tensorrt import open_tensorrt

        return open_tensorrt(spec, data, threads, tensorrt, simulate)
    if tensorrt is not None or simulate:
        raise UsageError(
            "this bundle holds a {} engine: nothing in it is built by TensorRT".format(spec.format),
            "leave the options of TensorRT out",
        )
    if spec.format == "tflite":
        from edgepose.runtime.backends.litert import LiteRtBackend

        return LiteRtBackend(spec, data, threads)
    if spec.format == "onnx":
        from edgepose.runtime.backends.onnxruntime import OnnxRuntimeBackend

        return OnnxRuntimeBackend(spec, data, threads)
    raise EngineError("there is no back end for engines of the format {!r}".format(spec.format))
