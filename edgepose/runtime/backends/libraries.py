"""Which package brings an engine library to this Python, and the error that says so where it is missing."""

import sys

from edgepose.runtime.errors import EngineError

# What pip can install: engine -> ((first Python, last Python or None, requirements), ...).
PACKAGES = {
    "litert": (((3, 9), None, "ai-edge-litert"), ((3, 7), (3, 8), "tflite-runtime")),
    "onnxruntime": (((3, 6), None, "onnxruntime"),),
}
# 32-bit Raspberry Pi OS has neither ai-edge-litert nor onnxruntime.
PACKAGES_32_BIT = {"litert": (((3, 7), (3, 11), "tflite-runtime 'numpy<2'"),), "onnxruntime": ()}
NAMES = {"litert": "LiteRT (ai_edge_litert or tflite_runtime)", "onnxruntime": "ONNX Runtime (onnxruntime)"}


def install_command(engine, version=None, bits=None):
    """The command that installs the library of ``engine`` ('litert', 'onnxruntime') for a Python, or None.

    ``version``: (major, minor), ``bits``: 32 or 64; those of this Python where left out.
    """
    version = version or sys.version_info[:2]
    bits = bits or (64 if sys.maxsize > 2**32 else 32)
    for first, last, requirements in (PACKAGES if bits == 64 else PACKAGES_32_BIT)[engine]:
        if first <= tuple(version) and (last is None or tuple(version) <= last):
            return "python{}.{} -m pip install {}".format(version[0], version[1], requirements)
    return None


def library_error(engine, failures):
    """The :class:`EngineError` for a library that is missing (no ``failures``) or that does not import."""
    command = install_command(engine)
    if failures:
        message = "{} does not import: {}".format(NAMES[engine], failures[0])
    else:
        message = "this bundle needs {}, which is not installed".format(NAMES[engine])
    if command is None:
        hint = "there is none for Python {}.{} here: use a newer Python, or convert for another engine".format(
            *sys.version_info[:2]
        )
    elif failures:
        hint = "install it again, with a numpy it was built for: {}".format(command)
    else:
        hint = command
    return EngineError(message, hint)
