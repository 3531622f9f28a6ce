"""TensorRT in this process: what the back end calls of it, as one of its versions has it and no more.

``tensorrt_api.json`` says what each version has (:mod:`tests.tensorrt_bindings.make_tensorrt_api`). A member that a
version lacks is not there, a parameter of another name is refused, and no attribute can be added, as in the bindings.
"""

import ctypes
import json
import os
import types

import numpy as np

with open(os.path.join(os.path.dirname(__file__), "tensorrt_api.json")) as file:
    API = json.load(file)
VERSIONS = sorted(API, key=lambda version: [int(part) for part in version.split(".")])
SIDE, CELLS, MAPS = 32, 4, 16
INPUT, OUTPUT = ("image", (1, 3, SIDE, SIDE)), ("heatmaps", (1, MAPS, CELLS, CELLS))
LAYERS = 5


class World(object):
    """What the doubles of one test share, and what the test decides.

    ``cuda``: a :class:`CudaDouble`. ``memory_mb``: a larger workspace makes a build run out of memory.
    ``during_build`` is called in the middle of each build. ``failure``, ``load_failure``: what a build, or loading an
    engine, says where it is to fail.
    ``refuses_graph``, ``dla_cores`` and ``fast``: what it says of the graph and the board. ``built`` tells of each
    build, ``timings_loaded`` of each timing cache, ``live`` of how many engines and contexts there are.
    """

    def __init__(self, cuda, release="1.8"):
        self.cuda = cuda
        self.release = release
        self.memory_mb = 1 << 20
        self.during_build = lambda: None
        self.failure = None
        self.load_failure = None
        self.refuses_graph = False
        self.dla_cores = 0
        self.fast = {"fp16": True, "int8": True}
        self.built = []
        self.timings_loaded = []
        self.live = {}

    def count(self, name, change):
        self.live[name] = self.live.get(name, 0) + change


class DataType(object):
    """TensorRT's types are compared, and no more."""


FLOAT, HALF = DataType(), DataType()


class Implementation(object):
    """Everything of every version; the classes that a version shows take from it what that version has."""

    def __init__(self, world, trt):
        self._world = world
        self._trt = trt


class Builder(Implementation):
    def __init__(self, world, trt, logger):
        super(Builder, self).__init__(world, trt)
        assert logger.made, "a logger must call ILogger.__init__"
        self._logger = logger

    @property
    def num_DLA_cores(self):
        return self._world.dla_cores

    @property
    def platform_has_fast_fp16(self):
        return self._world.fast["fp16"]

    @property
    def platform_has_fast_int8(self):
        return self._world.fast["int8"]

    def create_network(self, flags=0):
        explicit = hasattr(self._trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH")
        assert flags == (1 if explicit else 0)
        return self._trt.INetworkDefinition(Network(self._world, self._trt))

    def create_builder_config(self):
        return self._trt.IBuilderConfig(Config(self._world, self._trt))

    def build_serialized_network(self, network, config):
        network, config, world = network._it, config._it, self._world
        assert network.onnx is not None
        monitor = config.progress_monitor
        if monitor is not None:
            monitor.phase_start("Building", None, 2)
        world.during_build()
        stopped = monitor is not None and not monitor.step_complete("Building", 0)
        if monitor is not None:
            monitor.phase_finish("Building")
        if stopped:
            return None
        error = self._trt.ILogger.Severity.ERROR
        if config.workspace > world.memory_mb << 20:
            self._logger.log(
                error, "[defaultAllocator.cpp] Requested amount of GPU memory could not be allocated: out of memory"
            )
            return None
        if world.failure is not None:
            self._logger.log(error, world.failure)
            return None
        world.built.append(
            {"flags": sorted(config.flags), "workspace_mb": config.workspace >> 20, "dla": config.DLA_core}
        )
        header = {"tensorrt": self._trt.__version__, "compute_capability": world.cuda.compute_capability}
        return self._trt.IHostMemory("engine {}".format(json.dumps(header)).encode())


class Network(Implementation):
    onnx = None
    num_layers = LAYERS

    def get_layer(self, index):
        return index


class Config(Implementation):
    progress_monitor = None
    default_device_type = None
    DLA_core = -1

    def __init__(self, world, trt):
        super(Config, self).__init__(world, trt)
        self.flags = set()
        self.workspace = 1 << 50
        self.cache = None

    @property
    def max_workspace_size(self):
        return self.workspace

    @max_workspace_size.setter
    def max_workspace_size(self, size):
        self.workspace = size

    def set_memory_pool_limit(self, pool, pool_size):
        assert pool == self._trt.MemoryPoolType.WORKSPACE
        self.workspace = pool_size

    def set_flag(self, flag):
        self.flags.add(next(name for name, value in vars(self._trt.BuilderFlag).items() if value == flag))

    def can_run_on_DLA(self, layer):
        return layer % 2 == 0

    def create_timing_cache(self, serialized_timing_cache):
        data = bytes(serialized_timing_cache)
        if data and not data.startswith(b"timings"):
            return None
        self._world.timings_loaded.append(data)
        return self._trt.ITimingCache(TimingCache(self._world, self._trt))

    def set_timing_cache(self, cache, ignore_mismatch):
        self.cache = cache
        return True

    def get_timing_cache(self):
        return self.cache


class TimingCache(Implementation):
    def serialize(self):
        return self._trt.IHostMemory(b"timings of this board")


class Parser(Implementation):
    def __init__(self, world, trt, network, logger):
        super(Parser, self).__init__(world, trt)
        self._network = network._it
        self.num_errors = 0

    def parse(self, model, path=None):
        if self._world.refuses_graph:
            self.num_errors = 1
            return False
        self._network.onnx = bytes(model)
        return True

    def get_error(self, index):
        return self._trt.ParserError(ParserError(self._world, self._trt))


class ParserError(Implementation):
    def desc(self):
        return "Non-zero zero point is not supported"


class Runtime(Implementation):
    DLA_core = -1

    def __init__(self, world, trt, logger):
        super(Runtime, self).__init__(world, trt)
        self._logger = logger

    def deserialize_cuda_engine(self, serialized_engine):
        world, data = self._world, bytes(serialized_engine)
        if world.load_failure is not None:
            self._logger.log(self._trt.ILogger.Severity.ERROR, world.load_failure)
            return None
        if not data.startswith(b"engine "):
            self._logger.log(self._trt.ILogger.Severity.ERROR, "Magic tag does not match")
            return None
        header = json.loads(data[len(b"engine ") :].decode())
        if header["tensorrt"] != self._trt.__version__ or header["compute_capability"] != list(
            world.cuda.compute_capability
        ):
            self._logger.log(self._trt.ILogger.Severity.ERROR, "Version tag does not match")
            return None
        return self._trt.ICudaEngine(Engine(world, self._trt))


class Engine(Implementation):
    num_bindings = num_io_tensors = 2
    _tensors = (INPUT, OUTPUT)

    def __init__(self, world, trt):
        super(Engine, self).__init__(world, trt)
        world.count("engine", 1)

    def __del__(self):
        self._world.count("engine", -1)

    def _find(self, name):
        return next(tensor for tensor in self._tensors if tensor[0] == name)

    def get_tensor_name(self, index):
        return self._tensors[index][0]

    def get_tensor_mode(self, name):
        modes = self._trt.TensorIOMode
        return modes.INPUT if name == INPUT[0] else modes.INPUT + 1

    def get_tensor_shape(self, name):
        return self._find(name)[1]

    def get_tensor_dtype(self, name):
        return FLOAT

    def get_binding_name(self, index):
        return self._tensors[index][0]

    def binding_is_input(self, index):
        return index == 0

    def get_binding_shape(self, index):
        return self._tensors[index][1]

    def get_binding_dtype(self, index):
        return FLOAT

    def create_execution_context(self):
        return self._trt.IExecutionContext(Context(self._world, self._trt))


class Context(Implementation):
    def __init__(self, world, trt):
        super(Context, self).__init__(world, trt)
        self._addresses = {}
        world.count("context", 1)

    def __del__(self):
        assert self._world.live["engine"] >= 1, "a context was freed after its engine"
        self._world.count("context", -1)

    def set_tensor_address(self, name, memory):
        self._addresses[name] = memory
        return True

    def execute_async_v2(self, bindings, stream_handle):
        return self._run(stream_handle, *bindings)

    def execute_async_v3(self, stream_handle):
        return self._run(stream_handle, self._addresses[INPUT[0]], self._addresses[OUTPUT[0]])

    def _run(self, stream, source, target):
        """The mean of one colour over 8x8 pixels, as the tiny engines of the other back ends compute it."""

        def work():
            pixels = np.frombuffer(ctypes.string_at(source, 4 * int(np.prod(INPUT[1]))), np.float32).reshape(INPUT[1])
            means = pixels.reshape(3, CELLS, 8, CELLS, 8).astype(np.float64).mean(axis=(2, 4))
            heatmaps = np.ascontiguousarray(means[np.arange(MAPS) % 3], dtype=np.float32)
            ctypes.memmove(target, heatmaps.ctypes.data, heatmaps.nbytes)

        return self._world.cuda.enqueue(stream, work) == 0


IMPLEMENTATIONS = {
    "Builder": Builder,
    "IBuilderConfig": Config,
    "ICudaEngine": Engine,
    "IExecutionContext": Context,
    "INetworkDefinition": Network,
    "ITimingCache": TimingCache,
    "OnnxParser": Parser,
    "ParserError": ParserError,
    "Runtime": Runtime,
}


def make_tensorrt(version, world):
    """A module as ``import tensorrt`` gives it, of ``version`` as in '8.2'."""
    api = API[version]
    trt = types.ModuleType("tensorrt")
    trt.__file__ = "tensorrt/__init__.py"
    trt.__version__ = "{}.{}".format(version, world.release)
    trt.float32 = FLOAT
    trt.IHostMemory = bytes  # all that is asked of it is its buffer
    for name, implementation in IMPLEMENTATIONS.items():
        setattr(trt, name, _shown(name, api["classes"][name], implementation, world, trt))
    for name, members in api["enums"].items():
        values = type(str(name.split(".")[-1]), (), {member: number for number, member in enumerate(members)})
        if name == "ILogger.Severity":
            trt.ILogger = type("ILogger", (_Derived,), {"Severity": values})
        else:
            setattr(trt, name, values)
    if "IProgressMonitor" in api["classes"]:
        trt.IProgressMonitor = type("IProgressMonitor", (_Derived,), {})
    return trt


class _Derived(object):
    made = False

    def __init__(self):
        self.made = True


def _shown(name, members, implementation, world, trt):
    """The class ``name`` with ``members`` alone, which does what ``implementation`` does."""

    def init(self, *arguments, **named):
        made = len(arguments) == 1 and isinstance(arguments[0], Implementation)
        if made and not named:
            self._it = arguments[0]
        elif "__init__" in members:
            _check(name, "__init__", members["__init__"], arguments, named)
            self._it = implementation(world, trt, *arguments, **named)
        else:
            raise TypeError("No constructor defined!")

    def method(member, parameters):
        def call(self, *arguments, **named):
            _check(name, member, parameters, arguments, named)
            return getattr(self._it, member)(*arguments, **named)

        return call

    namespace = {"__slots__": ("_it",), "__init__": init}
    for member, parameters in members.items():
        if member == "__init__":
            continue
        if parameters is not None:
            namespace[member] = method(member, parameters)
        else:
            namespace[member] = property(
                lambda self, member=member: getattr(self._it, member),
                lambda self, value, member=member: setattr(self._it, member, value),
            )
    return type(str(name), (object,), namespace)


def _check(name, member, parameters, arguments, named):
    if len(arguments) + len(named) > len(parameters) or not set(named) <= set(parameters):
        raise TypeError(
            "{}.{}(): incompatible function arguments: {} {}, not {}".format(
                name, member, len(arguments), named, parameters
            )
        )
