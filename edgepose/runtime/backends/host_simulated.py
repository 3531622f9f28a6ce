"""The graph of a Jetson bundle where there is no Jetson: ONNX Runtime computes it as it is written, for inspection."""

from edgepose.runtime.backends.onnxruntime import OnnxRuntimeBackend


class HostSimulatedBackend(OnnxRuntimeBackend):
    """Computes what TensorRT is told to compute, operator by operator. Its figures are *host-simulated*.

    Integers are as they will be on the board, but for the last step of roundings. 16-bit floats are not: ONNX Runtime
    computes them in 32 bits on a CPU.
    """

    def __init__(self, spec, data, threads, reason):
        """``reason``: why TensorRT does not do it, as in 'CUDA finds no GPU'."""
        rounding = ", 16-bit floats computed in 32" if spec.build.precision == "fp16" else ""
        self.fallback = "{}{}".format(reason, rounding)
        super(HostSimulatedBackend, self).__init__(spec, data, threads)

    def _options(self, onnxruntime, threads):
        options = super(HostSimulatedBackend, self)._options(onnxruntime, threads)
        # From its basic level on it requantises the weights of convolutions between integers.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        return options
