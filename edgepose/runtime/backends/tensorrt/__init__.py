"""TensorRT on Jetson: the bundle carries an ONNX; the board builds its engine from it once, keeps it, and runs it.

An engine fits one TensorRT on one board. Everything here works on what JetPack brings: TensorRT's Python bindings, from
8.0 on, and the CUDA runtime through ctypes; nothing is compiled or installed.
"""

from edgepose.runtime.backends.tensorrt.board import is_jetson, read_board
from edgepose.runtime.backends.tensorrt.cuda import CudaRuntime
from edgepose.runtime.backends.tensorrt.libraries import MissingTensorRtError, import_tensorrt
from edgepose.runtime.backends.tensorrt.options import TensorRtOptions
from edgepose.runtime.errors import EngineError, UsageError

__all__ = ["TensorRtOptions", "build_ahead", "open_tensorrt"]


def open_tensorrt(spec, data, threads, options=None, simulate=False, allow_cpu=False):
    """The back end for the ONNX ``data``: TensorRT's, building the engine where none fits, or ONNX Runtime's stand-in.

    ``options``: :class:`TensorRtOptions`. Off a Jetson, where TensorRT or a GPU is missing, and with ``simulate``,
    ONNX Runtime computes the graph, *host-simulated*. On a Jetson that is an error without ``allow_cpu``. Raises
    :class:`EngineError` where the engine cannot be built or run, :class:`UsageError` for options that cannot be.
    """
    if simulate and options is not None:
        raise UsageError("--simulate runs nothing in TensorRT", "leave its options out, or --simulate")
    options = TensorRtOptions() if options is None else options
    options.require_possible()
    reason = "simulated, as asked for"
    if not simulate:
        try:
            return _open(spec, data, options)
        except MissingTensorRtError as missing:
            if is_jetson() and not allow_cpu:
                raise EngineError(missing.message, missing.hint)
            reason = missing.message
    from edgepose.runtime.backends.host_simulated import HostSimulatedBackend

    return HostSimulatedBackend(spec, data, threads, reason)


def build_ahead(spec, data, options=None):
    """Build the engine now, or find that a fitting one is there: its :class:`EngineRecord`.

    Raises :class:`EngineError` where this machine cannot, a laptop for one, and as :func:`open_tensorrt` does.
    """
    options = TensorRtOptions() if options is None else options
    options.require_possible()
    try:
        with _open(spec, data, options) as backend:
            return backend.record
    except MissingTensorRtError as missing:
        hint = missing.hint if is_jetson() else "an engine is built on the board that it is for: copy the bundle there"
        raise EngineError(missing.message, hint)


def _open(spec, data, options):
    from edgepose.runtime.backends.tensorrt.backend import TensorRtBackend

    trt = import_tensorrt()
    cuda = CudaRuntime.find()
    return TensorRtBackend(spec, data, options, trt, cuda, read_board())
