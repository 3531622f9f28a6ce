"""ONNX engines on the CPU, by ONNX Runtime."""

import importlib

from edgepose.runtime.backends.base import Backend, require_same_tensor
from edgepose.runtime.backends.libraries import library_error
from edgepose.runtime.errors import EngineError

_DTYPES = {"tensor(float)": "float32", "tensor(int8)": "int8"}
_ERRORS_ONLY = 3


class OnnxRuntimeBackend(Backend):
    """Runs an ONNX engine with ONNX Runtime's CPU provider."""

    library = "onnxruntime"

    def _load(self, data, threads):
        try:
            onnxruntime = importlib.import_module("onnxruntime")
        except ModuleNotFoundError as error:
            raise library_error("onnxruntime", [] if error.name == "onnxruntime" else [error])
        # A library built for another numpy or libc fails in its own ways.
        except Exception as error:
            raise library_error("onnxruntime", [error])
        self.version = onnxruntime.__version__
        options = self._options(onnxruntime, threads)
        try:
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        # ONNX Runtime has an exception class for each of its error codes, and no public base for them.
        except Exception as error:
            raise EngineError(
                "onnxruntime {} cannot load the engine: {}".format(self.version, _first_line(error)),
                "a newer onnxruntime may know an operator that this one lacks",
            )
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            raise EngineError(
                "the engine has {} inputs and {} outputs, not one of each".format(len(inputs), len(outputs)),
                "convert again",
            )
        for role, spec, node in (("input", self.spec.input, inputs[0]), ("output", self.spec.output, outputs[0])):
            fixed = node.type in _DTYPES and all(isinstance(side, int) for side in node.shape)
            if not fixed:
                raise EngineError("the engine's {} is {} {}".format(role, node.type, node.shape), "convert again")
            require_same_tensor(role, spec, node.name, node.shape, _DTYPES[node.type])

    def _options(self, onnxruntime, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        return options

    def _infer(self, tensor):
        try:
            return self._session.run([self.spec.output.name], {self.spec.input.name: tensor})[0]
        except Exception as error:
            raise EngineError("onnxruntime failed: {}".format(_first_line(error)))

    def _close(self):
        self._session = None


def _first_line(error):
    return str(error).strip().split("\n")[0]
