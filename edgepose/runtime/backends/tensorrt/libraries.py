"""Finding TensorRT's Python bindings, and saying what to do where they are not."""

import importlib
import sys

from edgepose.runtime.errors import EdgeposeError

OLDEST = (8, 0)


class MissingTensorRtError(EdgeposeError):
    """TensorRT, CUDA or a GPU is not here."""


def import_tensorrt():
    """The module ``tensorrt``. Raises :class:`MissingTensorRtError` where it is not there, broken, or too old."""
    python = "python{}.{}".format(*sys.version_info[:2])
    missing = MissingTensorRtError(
        "TensorRT's Python bindings are not installed for {}".format(python),
        "JetPack brings them for the system's own python3: sudo apt install python3-libnvinfer; in a virtual "
        "environment, make it with --system-site-packages",
    )
    try:
        trt = importlib.import_module("tensorrt")
    except ModuleNotFoundError as error:
        if error.name != "tensorrt":
            raise _broken(error)
        raise missing
    # A library built for another numpy, Python or libc fails in its own ways.
    except Exception as error:
        raise _broken(error)
    # A folder of that name, on the search path, imports as well.
    if getattr(trt, "__file__", None) is None:
        raise missing
    version = version_of(trt)
    if version < OLDEST:
        raise MissingTensorRtError(
            "TensorRT {}.{} is older than 8.0".format(*version), "install JetPack 4.6 or newer on this board"
        )
    return trt


def version_of(trt):
    """(major, minor) of the module ``trt``."""
    parts = str(getattr(trt, "__version__", "")).split(".")
    try:
        return int(parts[0]), int(parts[1])
    except (IndexError, ValueError):
        raise MissingTensorRtError("the module 'tensorrt' here is not NVIDIA's", "remove the package of that name")


def _broken(error):
    return MissingTensorRtError(
        "TensorRT's Python bindings do not import: {}".format(str(error).split("\n")[0]),
        "sudo apt install --reinstall tensorrt python3-libnvinfer",
    )
