"""Inference engines behind one interface: :class:`edgepose.runtime.backends.base.Backend`."""

from edgepose.runtime.errors import EngineError, UsageError


def open_backend(spec, data, threads, device=None, cpu_data=None):
    """Load the engine ``data`` (bytes) described by ``spec`` (:class:`EngineSpec`) with ``threads`` CPU threads.

    ``device`` says which accelerator, where there are several; ``cpu_data`` is the engine for the CPU that takes over
    where an accelerator's engine cannot run, None where none may. Imports the engine's library now, and no other.
    Raises :class:`EngineError` where the library is missing (naming the command that installs it for this Python), or
    cannot load the engine, :class:`UsageError` for a ``device`` that cannot be.
    """
    if spec.format == "edgetpu":
        from edgepose.runtime.backends.edgetpu import open_edgetpu

        return open_edgetpu(spec, data, threads, device, cpu_data)
    if device is not None:
        raise UsageError("{} engines run on no Edge TPU".format(spec.format), "leave --tpu out")
    if spec.format == "tflite":
        from edgepose.runtime.backends.litert import LiteRtBackend

        return LiteRtBackend(spec, data, threads)
    if spec.format == "onnx":
        from edgepose.runtime.backends.onnxruntime import OnnxRuntimeBackend

        return OnnxRuntimeBackend(spec, data, threads)
    raise EngineError("there is no back end for engines of the format {!r}".format(spec.format))
