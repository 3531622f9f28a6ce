"""Inference engines behind one interface: :class:`edgepose.runtime.backends.base.Backend`."""

from edgepose.runtime.errors import EngineError, UsageError


def open_backend(spec, data, threads, device=None, cpu_data=None, tensorrt=None, simulate=False):
    """Load the engine ``data`` (bytes) described by ``spec`` (:class:`EngineSpec`) with ``threads`` CPU threads.

    ``device`` says which accelerator, where there are several; ``cpu_data`` is the engine for the CPU that takes over
    where an accelerator's engine cannot run, None where none may. ``tensorrt``: :class:`TensorRtOptions` of an engine
    of that format; ``simulate``: compute its graph with ONNX Runtime even where TensorRT is, as off a Jetson in any
    case. Imports the engine's library now, and no other. Raises :class:`EngineError` where the library is missing
    (naming the command that installs it for this Python), or cannot load the engine, :class:`UsageError` for a
    ``device`` or options that cannot be.
    """
    if spec.format != "tensorrt" and (tensorrt is not None or simulate):
        raise UsageError(
            "this bundle holds a finished {} engine: TensorRT does not build it".format(spec.format),
            "leave the options of TensorRT out",
        )
    if spec.format == "edgetpu":
        from edgepose.runtime.backends.edgetpu import open_edgetpu

        return open_edgetpu(spec, data, threads, device, cpu_data)
    if device is not None:
        raise UsageError("{} engines run on no Edge TPU".format(spec.format), "leave --tpu out")
    if spec.format == "tensorrt":
        from edgepose.runtime.backends.tensorrt import open_tensorrt

        return open_tensorrt(spec, data, threads, tensorrt, simulate, allow_cpu=cpu_data is not None)
    if spec.format == "tflite":
        from edgepose.runtime.backends.litert import LiteRtBackend

        return LiteRtBackend(spec, data, threads)
    if spec.format == "onnx":
        from edgepose.runtime.backends.onnxruntime import OnnxRuntimeBackend

        return OnnxRuntimeBackend(spec, data, threads)
    raise EngineError("there is no back end for engines of the format {!r}".format(spec.format))
