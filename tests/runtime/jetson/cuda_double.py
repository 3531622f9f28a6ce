"""A CUDA runtime library in this process: C functions with the signatures that the back end declares, on host memory.

Work that is put on a stream happens when it is synchronised, so that whoever forgets to wait reads old values.
"""

import ctypes

from edgepose.runtime.backends.tensorrt.cuda import FUNCTIONS

INVALID_VALUE, OUT_OF_MEMORY, NO_DEVICE, CAPTURE_UNSUPPORTED = 1, 2, 100, 900
WORDS = {
    INVALID_VALUE: b"invalid argument",
    OUT_OF_MEMORY: b"out of memory",
    NO_DEVICE: b"no CUDA-capable device is detected",
    CAPTURE_UNSUPPORTED: b"operation not permitted when stream is capturing",
}


class CudaDouble(object):
    """Attributes are functions as ctypes has them. ``devices``, ``compute_capability``, ``version``: what it says.

    ``allocations`` holds what is allocated and not yet freed, by address; ``calls`` counts each function's.
    """

    def __init__(self, compute_capability=(5, 3), version=10020, devices=1, device_bytes=1 << 30):
        self.compute_capability = compute_capability
        self.version = version
        self.devices = devices
        self.device_bytes = device_bytes
        self.can_capture = True
        self.allocations = {}
        self.calls = {}
        self.streams, self.graphs = {}, {}
        self.capturing = None
        self._handles = iter(range(0x1000, 1 << 30))
        self.cudaGetErrorString = lambda code: WORDS.get(code, b"unknown error")
        self.cudaGetErrorString = _Function(self.cudaGetErrorString)
        for name, arguments in FUNCTIONS.items():
            if name == "cudaGraphInstantiate" and version >= 12000:
                arguments = (arguments[0], arguments[1], ctypes.c_ulonglong)
            setattr(self, name, ctypes.CFUNCTYPE(ctypes.c_int, *arguments)(self._counted(name)))

    def _counted(self, name):
        work = getattr(self, "_" + name)

        def call(*arguments):
            self.calls[name] = self.calls.get(name, 0) + 1
            result = work(*arguments)
            return 0 if result is None else result

        return call

    def enqueue(self, stream, work):
        """Put ``work()`` on ``stream``, or into the graph that is being captured from it."""
        if stream not in self.streams:
            return INVALID_VALUE
        (self.capturing if self.capturing is not None else self.streams[stream]).append(work)
        return 0

    def owns(self, address, size):
        """Whether ``size`` bytes from ``address`` on are allocated."""
        return any(start <= address and address + size <= start + len(held) for start, held in self.allocations.items())

    def _cudaGetDeviceCount(self, count):
        count[0] = self.devices
        return 0 if self.devices else NO_DEVICE

    def _cudaGetDevice(self, device):
        device[0] = 0

    def _cudaSetDevice(self, device):
        return 0 if device == 0 else INVALID_VALUE

    def _cudaRuntimeGetVersion(self, version):
        version[0] = self.version

    def _cudaDeviceGetAttribute(self, value, attribute, device):
        value[0] = self.compute_capability[{75: 0, 76: 1}[attribute]]

    def _cudaMalloc(self, address, size):
        if sum(map(len, self.allocations.values())) + size > self.device_bytes:
            return OUT_OF_MEMORY
        held = (ctypes.c_char * size)()
        address[0] = ctypes.addressof(held)
        self.allocations[address[0]] = held
        return 0

    _cudaMallocHost = _cudaMalloc

    def _cudaFree(self, address):
        return 0 if self.allocations.pop(address, None) is not None else INVALID_VALUE

    _cudaFreeHost = _cudaFree

    def _cudaMemcpyAsync(self, target, source, size, kind, stream):
        if kind not in (1, 2) or not self.owns(target, size) or not self.owns(source, size):
            return INVALID_VALUE
        return self.enqueue(stream, lambda: ctypes.memmove(target, source, size))

    def _cudaStreamCreateWithFlags(self, stream, flags):
        stream[0] = next(self._handles)
        self.streams[stream[0]] = []

    def _cudaStreamDestroy(self, stream):
        return 0 if self.streams.pop(stream, None) is not None else INVALID_VALUE

    def _cudaStreamSynchronize(self, stream):
        if stream not in self.streams:
            return INVALID_VALUE
        for work in self.streams[stream]:
            work()
        self.streams[stream] = []
        return 0

    def _cudaStreamBeginCapture(self, stream, mode):
        self.capturing = []

    def _cudaStreamEndCapture(self, stream, graph):
        captured, self.capturing = self.capturing, None
        if not self.can_capture:
            return CAPTURE_UNSUPPORTED
        graph[0] = next(self._handles)
        self.graphs[graph[0]] = captured
        return 0

    def _cudaGraphInstantiate(self, executable, graph, *rest):
        executable[0] = next(self._handles)
        self.graphs[executable[0]] = self.graphs[graph]

    def _cudaGraphLaunch(self, graph, stream):
        self.streams[stream].extend(self.graphs[graph])

    def _cudaGraphDestroy(self, graph):
        return 0 if self.graphs.pop(graph, None) is not None else INVALID_VALUE

    _cudaGraphExecDestroy = _cudaGraphDestroy


class _Function(object):
    def __init__(self, work):
        self._work = work

    def __call__(self, *arguments):
        return self._work(*arguments)
