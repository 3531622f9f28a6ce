"""Inference engines behind one interface: :class:`edgepose.runtime.backends.base.Backend`."""

from edgepose.runtime.errors import EngineError


def open_backend(spec, data, threads):
    """Load the engine ``data`` (bytes) described by ``spec`` (:class:`EngineSpec`) with ``threads`` CPU threads.

    Imports the engine's library now, and no other. Raises :class:`EngineError` where the library is missing (naming
    the command that installs it for this Python), or cannot load the engine.
    """
    if spec.format == "tflite":
        from edgepose.runtime.backends.litert import LiteRtBackend

        return LiteRtBackend(spec, data, threads)
    if spec.format == "onnx":
        from edgepose.runtime.backends.onnxruntime import OnnxRuntimeBackend

        return OnnxRuntimeBackend(spec, data, threads)
    raise EngineError("there is no back end for engines of the format {!r}".format(spec.format))
