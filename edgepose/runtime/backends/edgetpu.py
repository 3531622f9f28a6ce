"""Engines compiled for the Edge TPU: a TFLite runtime with the libedgetpu delegate."""

import importlib
import os
import re

from edgepose.runtime.backends.edgetpu_failures import explain, not_compiled
from edgepose.runtime.backends.edgetpu_probe import probe_delegate
from edgepose.runtime.backends.litert import MODULES, LiteRtBackend
from edgepose.runtime.edgetpu_devices import attached_edge_tpus
from edgepose.runtime.errors import EngineError, UsageError

LIBRARY = "libedgetpu.so.1"
LIBRARY_VARIABLE = "EDGEPOSE_LIBEDGETPU"
# The operator that the Edge TPU compiler puts in the place of those it compiled.
CUSTOM_OPERATOR = b"edgetpu-custom-op"

_DEVICE = re.compile(r"(?:(?:usb|pci)(?::[0-9]{1,2})?|[0-9]{1,2})\Z")


def open_edgetpu(spec, data, threads, device, cpu_data):
    """The back end for an ``edgetpu`` engine.

    ``device``: which Edge TPU, as :func:`libedgetpu_device` reads it. ``cpu_data``: the engine for the CPU, which takes
    over where the Edge TPU cannot be used, and says why in ``fallback``; None where it may not.
    """
    try:
        return EdgeTpuBackend(spec, data, threads, device)
    except EngineError as error:
        if cpu_data is None:
            raise EngineError(
                error.message, "; ".join(filter(None, [error.hint, "or run it on the CPU, slower: --allow-cpu"]))
            )
        if is_compiled(cpu_data):
            raise EngineError("{}, and the bundle has no engine for the CPU".format(error.message), error.hint)
        backend = _CpuBackend(spec, cpu_data, threads)
        backend.fallback = error.message
        return backend


def libedgetpu_device(which):
    """What libedgetpu calls the Edge TPU ``which``: None (any), ``1``, ``usb``, ``usb:0``, ``pci``, ``pci:1``.

    Raises :class:`UsageError` for anything else.
    """
    if which is None:
        return None
    text = str(which)
    if not _DEVICE.match(text):
        raise UsageError("{!r} is no Edge TPU".format(text), "its number, as in 0, or usb, pci, usb:0, pci:1")
    return ":" + text if text.isdigit() else text


def is_compiled(data):
    """Whether ``data``, a TFLite file, is one that the Edge TPU compiler wrote."""
    return CUSTOM_OPERATOR in data


class _RenamedTensors(LiteRtBackend):
    """The compiler may name tensors as it likes: there is one input and one output."""

    def _tensor_name(self, spec, name):
        return spec.name


class _CpuBackend(_RenamedTensors):
    """The same network as an Edge TPU engine, on the CPU."""


class EdgeTpuBackend(_RenamedTensors):
    """Runs an engine on an Edge TPU.

    The delegate is tried in a process of its own first, engine and all: a libedgetpu that does not fit the runtime
    takes the process down with it.
    """

    # Builds of libedgetpu are for tflite_runtime: where both are installed, that is the one that fits.
    modules = MODULES[::-1]

    def __init__(self, spec, data, threads, device=None):
        self._options = {} if device is None else {"device": libedgetpu_device(device)}
        super(EdgeTpuBackend, self).__init__(spec, data, threads)

    def _make_interpreter(self, interpreter_class, data, threads):
        if not is_compiled(data):
            raise not_compiled()
        library = os.environ.get(LIBRARY_VARIABLE) or LIBRARY
        failure = probe_delegate(self.library, library, self._options, data)
        if failure is not None:
            runtime = "{} {}".format(self.library, self.version)
            raise explain(failure, library, runtime, self._options.get("device"), attached_edge_tpus())
        load_delegate = importlib.import_module(self.library + ".interpreter").load_delegate
        try:
            delegates = [load_delegate(library, self._options)]
        except (OSError, ValueError) as error:
            # It was there a moment ago.
            raise EngineError("the Edge TPU was lost: {}".format(error), "unplug it, plug it in, and try again")
        return interpreter_class(model_content=data, num_threads=threads, experimental_delegates=delegates)
