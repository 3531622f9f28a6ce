"""Q/DQ graphs on the host: what TensorRT is told to compute, computed by ONNX Runtime operator by operator."""

from __future__ import annotations

from edgepose import PoseEstimator
from edgepose.conversion.run_onnx import session_as_written
from edgepose.runtime.backends.onnxruntime import OnnxRuntimeBackend
from edgepose.runtime.bundle import Bundle


class SimulatedEstimator(PoseEstimator):
    """A :class:`PoseEstimator` of an ONNX bundle whose graph is computed as written."""

    def __init__(self, bundle: Bundle, threads: int) -> None:
        super().__init__(bundle, threads=threads)
        self._backend = _AsWritten(bundle.manifest.engine, bundle.engine_bytes(), threads)


class _AsWritten(OnnxRuntimeBackend):
    def _load(self, data: bytes, threads: int) -> None:
        super()._load(data, threads)
        self._session = session_as_written(data, threads)
