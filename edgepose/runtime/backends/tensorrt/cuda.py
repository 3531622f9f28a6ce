"""Device memory, streams and graphs by the CUDA runtime, through ctypes: it comes with every JetPack, and pycuda and
cuda-python do not. https://docs.nvidia.com/cuda/cuda-runtime-api
"""

import ctypes
import ctypes.util

import numpy as np

from edgepose.runtime.backends.tensorrt.libraries import MissingTensorRtError
from edgepose.runtime.errors import EngineError

NAMES = ("libcudart.so", "libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0", "libcudart.so.10.2")
FOLDERS = ("", "/usr/local/cuda/lib64/", "/usr/local/cuda/targets/aarch64-linux/lib/")
HOST_TO_DEVICE, DEVICE_TO_HOST = 1, 2
COMPUTE_CAPABILITY_MAJOR, COMPUTE_CAPABILITY_MINOR = 75, 76
NON_BLOCKING = 1
CAPTURE_THREAD_LOCAL = 1
CUDA_12 = 12000

_POINTER = ctypes.c_void_p
_OUT = ctypes.POINTER(ctypes.c_void_p)
_INT_OUT = ctypes.POINTER(ctypes.c_int)
# The functions used, and their arguments; each returns an error code.
FUNCTIONS = {
    "cudaDeviceGetAttribute": (_INT_OUT, ctypes.c_int, ctypes.c_int),
    "cudaFree": (_POINTER,),
    "cudaFreeHost": (_POINTER,),
    "cudaGetDevice": (_INT_OUT,),
    "cudaGetDeviceCount": (_INT_OUT,),
    "cudaGraphDestroy": (_POINTER,),
    "cudaGraphExecDestroy": (_POINTER,),
    # CUDA 12 has flags in place of the last three.
    "cudaGraphInstantiate": (_OUT, _POINTER, _POINTER, _POINTER, ctypes.c_size_t),
    "cudaGraphLaunch": (_POINTER, _POINTER),
    "cudaMalloc": (_OUT, ctypes.c_size_t),
    "cudaMallocHost": (_OUT, ctypes.c_size_t),
    "cudaMemcpyAsync": (_POINTER, _POINTER, ctypes.c_size_t, ctypes.c_int, _POINTER),
    "cudaRuntimeGetVersion": (_INT_OUT,),
    "cudaSetDevice": (ctypes.c_int,),
    "cudaStreamBeginCapture": (_POINTER, ctypes.c_int),
    "cudaStreamCreateWithFlags": (_OUT, ctypes.c_uint),
    "cudaStreamDestroy": (_POINTER,),
    "cudaStreamEndCapture": (_POINTER, _OUT),
    "cudaStreamSynchronize": (_POINTER,),
}


class CudaRuntime(object):
    """The CUDA runtime on the current device. Addresses and handles are integers."""

    def __init__(self, library):
        """Raises :class:`MissingTensorRtError` where ``library`` (ctypes) lacks a function, or finds no device."""
        self._library = library
        library.cudaGetErrorString.restype = ctypes.c_char_p
        for name, arguments in FUNCTIONS.items():
            try:
                getattr(library, name).argtypes = arguments
            except AttributeError:
                raise MissingTensorRtError("the CUDA runtime has no {}".format(name), "CUDA 10.2 or newer is needed")
        try:
            #: 10020 is CUDA 10.2.
            self.version = self._integer("cudaRuntimeGetVersion")
            if self._integer("cudaGetDeviceCount") < 1:
                raise EngineError("there is no device")
            device = self._integer("cudaGetDevice")
            #: (major, minor) of the GPU, as in (5, 3).
            self.compute_capability = (
                self._integer("cudaDeviceGetAttribute", COMPUTE_CAPABILITY_MAJOR, device),
                self._integer("cudaDeviceGetAttribute", COMPUTE_CAPABILITY_MINOR, device),
            )
        except EngineError as error:
            raise MissingTensorRtError(
                "CUDA finds no GPU: {}".format(error.message), "run it on the board, outside of QEMU"
            )
        self._device = device
        if self.version >= CUDA_12:
            library.cudaGraphInstantiate.argtypes = (_OUT, _POINTER, ctypes.c_ulonglong)

    @classmethod
    def find(cls):
        """The runtime of this machine. Raises :class:`MissingTensorRtError` where there is none."""
        found = ctypes.util.find_library("cudart")
        for name in ([found] if found else []) + [folder + name for folder in FOLDERS for name in NAMES]:
            try:
                return cls(ctypes.CDLL(name))
            except OSError:
                continue
        raise MissingTensorRtError("there is no CUDA runtime (libcudart) here", "sudo apt install nvidia-jetpack")

    def use_here(self):
        """Make the device current in the calling thread."""
        self._call("cudaSetDevice", self._device)

    def allocate(self, size):
        """Address of ``size`` bytes on the device."""
        return self._handle("cudaMalloc", size)

    def free(self, address):
        """Free what :meth:`allocate` gave."""
        self._call("cudaFree", address)

    def page_locked(self, shape, dtype):
        """An array in page-locked memory, which the device reads and writes by itself. :meth:`free_page_locked` it."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        address = self._handle("cudaMallocHost", size)
        memory = (ctypes.c_char * size).from_address(address)
        return np.frombuffer(memory, dtype=dtype).reshape(shape)

    def free_page_locked(self, array):
        """Free the memory of what :meth:`page_locked` gave; nothing may read it any more."""
        self._call("cudaFreeHost", array.ctypes.data)

    def stream(self):
        """A new stream."""
        return self._handle("cudaStreamCreateWithFlags", NON_BLOCKING)

    def destroy_stream(self, stream):
        """Free a stream."""
        self._call("cudaStreamDestroy", stream)

    def copy_to_device(self, address, array, stream):
        """Begin to copy ``array`` (page-locked) to ``address``."""
        self._call("cudaMemcpyAsync", address, array.ctypes.data, array.nbytes, HOST_TO_DEVICE, stream)

    def copy_from_device(self, array, address, stream):
        """Begin to copy from ``address`` to ``array`` (page-locked)."""
        self._call("cudaMemcpyAsync", array.ctypes.data, address, array.nbytes, DEVICE_TO_HOST, stream)

    def synchronise(self, stream):
        """Wait until ``stream`` is done. Raises :class:`EngineError` for what failed on it."""
        self._call("cudaStreamSynchronize", stream)

    def capture(self, stream, work):
        """What ``work()`` puts on ``stream``, as an executable graph."""
        self._call("cudaStreamBeginCapture", stream, CAPTURE_THREAD_LOCAL)
        try:
            work()
        finally:
            # A capture that failed is ended all the same, or the stream stays unusable.
            graph = self._handle_last("cudaStreamEndCapture", stream)
        executable = ctypes.c_void_p()
        rest = (0,) if self.version >= CUDA_12 else (None, None, 0)
        try:
            self._call("cudaGraphInstantiate", ctypes.byref(executable), graph, *rest)
        finally:
            self._call("cudaGraphDestroy", graph)
        return executable.value

    def launch(self, graph, stream):
        """Begin to run a captured graph."""
        self._call("cudaGraphLaunch", graph, stream)

    def destroy_graph(self, graph):
        """Free a captured graph."""
        self._call("cudaGraphExecDestroy", graph)

    def _handle(self, name, *arguments):
        handle = ctypes.c_void_p()
        self._call(name, ctypes.byref(handle), *arguments)
        return handle.value

    def _handle_last(self, name, *arguments):
        handle = ctypes.c_void_p()
        self._call(name, *(arguments + (ctypes.byref(handle),)))
        return handle.value

    def _integer(self, name, *arguments):
        value = ctypes.c_int()
        self._call(name, ctypes.byref(value), *arguments)
        return value.value

    def _call(self, name, *arguments):
        code = getattr(self._library, name)(*arguments)
        if code != 0:
            words = self._library.cudaGetErrorString(code).decode("ascii", "replace")
            raise EngineError(
                "CUDA failed in {}: {} ({})".format(name, words, code),
                "close other programs that use the GPU; where it stays so, sudo dmesg tells more",
            )
