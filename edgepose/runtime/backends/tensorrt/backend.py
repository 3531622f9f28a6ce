"""The back end: finds or builds the engine of this board, and runs it."""

import contextlib
import hashlib
import logging
import time
from typing import Any  # noqa: F401 - in a type comment

import numpy as np

from edgepose.runtime.announce import LOGGER, BuildProgress
from edgepose.runtime.backends.base import Backend, require_same_tensor
from edgepose.runtime.backends.tensorrt.board import SWAP_HINT, memory_advice, read_memory
from edgepose.runtime.backends.tensorrt.build import WORKSPACE_MB, build_engine, memory_error, workspaces
from edgepose.runtime.backends.tensorrt.engine_cache import EngineCache, EngineKey, EngineRecord
from edgepose.runtime.backends.tensorrt.levels import level_of
from edgepose.runtime.backends.tensorrt.lock import build_lock
from edgepose.runtime.backends.tensorrt.log import log_of
from edgepose.runtime.backends.tensorrt.policy import board_remark, require_precision
from edgepose.runtime.errors import EngineError
from edgepose.version import __version__

logger = logging.getLogger(LOGGER)
# Space that a build must find, in sizes of its ONNX: the engine and the timings, twice while they are written.
ROOM_IN_ONNX = 8


class TensorRtBackend(Backend):
    """Runs the engine that TensorRT built of a bundle's ONNX on this board, building it where none fits.

    ``record`` is its :class:`EngineRecord`. Nothing is allocated on the device, and no page-locked memory, after
    loading. Several may be open in one process.
    """

    library = "TensorRT"

    def __init__(self, spec, data, options, trt, cuda, board):
        """``trt``: the module; ``cuda``: :class:`CudaRuntime`; ``board``: :class:`Board`. Else as :class:`Backend`."""
        self._options = options
        self._trt = trt
        self._cuda = cuda
        self._board = board
        self._level = level_of(trt)
        self._runtime = self._engine = self._context = None  # type: Any
        self.version = trt.__version__
        #: How this engine came to be; set by loading.
        self.record = None
        super(TensorRtBackend, self).__init__(spec, data, threads=1)

    def _load(self, data, threads):
        build = self.spec.build
        require_precision(self._board, self._cuda.compute_capability, build)
        remark = board_remark(self._board, build)
        if remark is not None:
            logger.warning(remark)
        key = EngineKey(
            hashlib.sha256(data).hexdigest(),
            self.version,
            tuple(self._cuda.compute_capability),
            self._board.model,
            build.precision,
            self._options.dla,
        )
        cache = EngineCache(self._options.engines_folder())
        cache.prepare(room=ROOM_IN_ONNX * len(data))
        serialised, found = (None, "asked for anew") if self._options.rebuild else cache.get(key)
        refused = None
        self._resources = contextlib.ExitStack()
        try:
            if serialised is not None and not self._deserialise(serialised):
                refused, serialised, found = serialised, None, "TensorRT does not load the engine kept for it"
            if serialised is None:
                logger.warning("building the TensorRT engine for this board, which takes minutes, once: %s", found)
                serialised, found = self._build(cache, key, data, refused)
                if not self._deserialise(serialised):
                    raise EngineError(
                        "TensorRT {} does not load the engine that it just built{}".format(self.version, self._why()),
                        "free memory, and run it again",
                    )
            self.record = found
            self._prepare()
        except BaseException:
            self._release()
            raise

    def _build(self, cache, key, onnx, refused):
        """Build under the lock: (engine bytes, :class:`EngineRecord`). ``refused``: an engine not to be found again."""
        advice = memory_advice(read_memory(), self.spec.build.memory_mb)
        if advice is not None:
            logger.warning(advice)
        first = self._options.workspace_mb or WORKSPACE_MB
        with build_lock(cache.path(key) + ".lock", first) as lock, BuildProgress() as progress:
            if not self._options.rebuild:
                data, record = cache.get(key)  # somebody else's build may have ended meanwhile
                if data not in (None, refused):
                    return data, record
            if lock.died_with is not None:
                logger.warning(
                    "an earlier build was killed with a workspace of %d MB, for want of memory perhaps: trying less",
                    lock.died_with,
                )
            started = time.time()
            for workspace_mb in workspaces(first, lock.died_with):
                lock.note_workspace(workspace_mb)
                built = build_engine(
                    self._trt,
                    self._level,
                    onnx,
                    self.spec.build,
                    self._options.dla,
                    workspace_mb,
                    cache.timings(key),
                    progress,
                )
                if built is not None:
                    break
                logger.warning("memory ran out with a workspace of %d MB", workspace_mb)
            else:
                raise memory_error(self._board, workspace_mb, log_of(self._trt))
            record = EngineRecord(
                key=key,
                jetpack=self._board.jetpack,
                l4t=self._board.l4t,
                cuda=self._cuda.version,
                edgepose=__version__,
                seconds=round(time.time() - started, 1),
                workspace_mb=built.workspace_mb,
                bytes=len(built.data),
                layers=built.layers,
                layers_on_dla=built.layers_on_dla,
                path=cache.path(key),
                built=True,
            )
            cache.put(record, built.data)
            cache.put_timings(key, built.timings)
        logger.info("built in %.0f s, kept in %s", record.seconds, record.path)
        if key.dla is not None:
            logger.warning(
                "%d of %d layers run on DLA core %d, the others on the GPU",
                record.layers_on_dla,
                record.layers,
                key.dla,
            )
        return built.data, record

    def _deserialise(self, data):
        """Whether TensorRT takes the engine ``data``."""
        log = log_of(self._trt)
        log.clear()
        runtime = self._trt.Runtime(log)
        if self._options.dla is not None:
            runtime.DLA_core = self._options.dla
        engine = runtime.deserialize_cuda_engine(data)
        if engine is None:
            if log.memory_ran_out:
                raise EngineError(
                    "{} has not enough free memory to load the engine{}".format(self._board.model, self._why()),
                    SWAP_HINT,
                )
            return False
        # The runtime is freed after the engine.
        self._runtime, self._engine = runtime, engine
        return True

    def _prepare(self):
        """Everything that running needs: context, stream, buffers."""
        tensors = self._level.tensors(self._engine)
        if [tensor.is_input for tensor in tensors].count(True) != 1 or len(tensors) != 2:
            raise EngineError("the engine has not one input and one output", "convert again")
        for tensor in tensors:
            role, spec = ("input", self.spec.input) if tensor.is_input else ("output", self.spec.output)
            if tensor.dtype != self._trt.float32:
                raise EngineError("the engine's {} is not float32".format(role), "convert again")
            require_same_tensor(role, spec, tensor.name, tensor.shape, np.float32)
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise EngineError(
                "TensorRT cannot make room to run the engine{}".format(self._why()), "close other programs"
            )
        keep, cuda = self._resources.callback, self._cuda
        cuda.use_here()
        self._stream = cuda.stream()
        keep(cuda.destroy_stream, self._stream)
        self._host, self._addresses = {}, {}
        for tensor in tensors:
            array = cuda.page_locked(tensor.shape, np.float32)
            keep(cuda.free_page_locked, array)
            address = cuda.allocate(array.nbytes)
            keep(cuda.free, address)
            self._host[tensor.is_input], self._addresses[tensor.name] = array, address
        self._level.bind(self._context, self._addresses)
        self._graph = None
        if self._options.cuda_graph:
            self._host[True].fill(0)
            self._enqueue()  # what TensorRT does once, it must have done before
            cuda.synchronise(self._stream)
            try:
                self._graph = cuda.capture(self._stream, self._enqueue)
            except EngineError as error:
                raise EngineError(
                    "this engine cannot be captured as a CUDA graph: {}".format(error.message), "leave --cuda-graph out"
                )
            keep(cuda.destroy_graph, self._graph)

    def _infer(self, tensor):
        self._cuda.use_here()
        np.copyto(self._host[True], tensor)
        if self._graph is None:
            self._enqueue()
        else:
            self._cuda.launch(self._graph, self._stream)
        self._cuda.synchronise(self._stream)
        return self._host[False].copy()

    def _enqueue(self):
        cuda, stream = self._cuda, self._stream
        cuda.copy_to_device(self._addresses[self.spec.input.name], self._host[True], stream)
        if not self._level.enqueue(self._context, stream):
            raise EngineError("TensorRT cannot run the engine{}".format(self._why()), "load the bundle again")
        cuda.copy_from_device(self._host[False], self._addresses[self.spec.output.name], stream)

    def _close(self):
        self._cuda.use_here()
        self._cuda.synchronise(self._stream)  # nothing may still run on what is freed
        self._release()

    def _release(self):
        """Free what there is: the context before the engine, the engine before the runtime."""
        self._host, self._addresses = {}, {}
        self._context = None
        self._resources.close()
        self._engine = None
        self._runtime = None

    def _why(self):
        errors = log_of(self._trt).errors
        return ": " + errors[-1].split("\n")[0] if errors else ""
