"""TFLite engines: LiteRT (``ai_edge_litert``), or ``tflite_runtime`` where that is what the device has."""

import importlib
from typing import List  # noqa: F401 - in a type comment

from edgepose.runtime.backends.base import Backend, require_same_tensor
from edgepose.runtime.backends.libraries import library_error
from edgepose.runtime.errors import EngineError

MODULES = ("ai_edge_litert", "tflite_runtime")
# At byte 4 of every TFLite file. Old runtimes do not look, and crash on anything else.
FILE_IDENTIFIER = b"TFL3"


class LiteRtBackend(Backend):
    """Runs a TFLite engine on the CPU, XNNPACK included where the library has it."""

    library = "LiteRT"
    #: The packages that are tried, in this order.
    modules = MODULES

    def _load(self, data, threads):
        module, interpreter_class = import_interpreter(self.modules)
        self.library = module.__name__
        self.version = getattr(module, "__version__", "unknown")
        if data[4:8] != FILE_IDENTIFIER:
            raise EngineError("cannot load the engine: it is not a TFLite file", "convert again")
        try:
            self._interpreter = self._make_interpreter(interpreter_class, data, threads)
            self._interpreter.allocate_tensors()
        # The interpreter's errors have no type of their own.
        except (RuntimeError, ValueError) as error:
            raise EngineError(
                "{} {} cannot load the engine: {}".format(self.library, self.version, str(error).strip()),
                "a newer {} may know an operator that this one lacks".format(self.library),
            )
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1:
            raise EngineError(
                "the engine has {} inputs and {} outputs, not one of each".format(len(inputs), len(outputs)),
                "convert again",
            )
        for role, spec, details in (("input", self.spec.input, inputs[0]), ("output", self.spec.output, outputs[0])):
            scale, zero_point = details["quantization"]
            name = self._tensor_name(spec, details["name"])
            require_same_tensor(role, spec, name, details["shape"], details["dtype"], scale, zero_point)
        self._input, self._output = inputs[0]["index"], outputs[0]["index"]

    def _infer(self, tensor):
        try:
            self._interpreter.set_tensor(self._input, tensor)
            self._interpreter.invoke()
            return self._interpreter.get_tensor(self._output)
        except (RuntimeError, ValueError) as error:
            raise EngineError("{} failed: {}".format(self.library, str(error).strip()))

    def _make_interpreter(self, interpreter_class, data, threads):
        return interpreter_class(model_content=data, num_threads=threads)

    def _tensor_name(self, spec, name):
        """The name to hold against that of ``spec``, of a tensor that the engine calls ``name``."""
        return name

    def _close(self):
        self._interpreter = None


def import_interpreter(modules=MODULES):
    """(package, its ``Interpreter`` class) of the first of ``modules`` that is here.

    Raises :class:`EngineError` naming the command that installs one.
    """
    failures = []  # type: List[Exception]
    for name in modules:
        try:
            return importlib.import_module(name), importlib.import_module(name + ".interpreter").Interpreter
        except ModuleNotFoundError as error:
            if error.name is not None and error.name.split(".")[0] != name:
                failures.append(error)
        # A library built for another numpy or libc fails in its own ways.
        except Exception as error:
            failures.append(error)
    raise library_error("litert", failures)
