"""Builds an engine from an ONNX, with as much scratch memory as there is."""

from typing import NamedTuple

from edgepose.runtime.announce import monitor_of
from edgepose.runtime.backends.tensorrt.board import SWAP_HINT
from edgepose.runtime.backends.tensorrt.log import log_of
from edgepose.runtime.backends.tensorrt.options import MIN_WORKSPACE_MB
from edgepose.runtime.errors import EngineError

# What the builder may use at first; half of it, and so on, where memory runs out.
WORKSPACE_MB = 256
MB = 1 << 20

# ``data`` and ``timings`` are bytes; ``layers`` of the network, and how many of them the DLA does.
BuiltEngine = NamedTuple(
    "BuiltEngine",
    [("data", bytes), ("timings", bytes), ("workspace_mb", int), ("layers", int), ("layers_on_dla", int)],
)


def workspaces(first_mb, died_with=None):
    """The workspaces to try, in MB: halves of ``first_mb``, and less than a build had that was killed."""
    size = first_mb
    if died_with is not None:
        size = max(MIN_WORKSPACE_MB, min(size, died_with // 2))
    sizes = [size]
    while sizes[-1] > MIN_WORKSPACE_MB:
        sizes.append(max(MIN_WORKSPACE_MB, sizes[-1] // 2))
    return sizes


def build_engine(trt, level, onnx, build, dla, workspace_mb, timings, progress):
    """Build once: a :class:`BuiltEngine`, or None where memory ran out.

    ``level``: :class:`Level`; ``build``: :class:`BuildSpec`; ``dla``: number of its core or None; ``timings``: bytes of
    an earlier build. Raises :class:`EngineError` where TensorRT refuses the graph or cannot build it.
    """
    log = log_of(trt)
    log.clear()
    try:
        builder = trt.Builder(log)
        network = builder.create_network(level.network_flags())
        _parse(trt, network, log, onnx)
        config = builder.create_builder_config()
        level.set_workspace(config, workspace_mb * MB)
        level.set_precision(builder, config, build)
        layers_on_dla = _use_dla(trt, builder, network, config, dla, build)
        cache = _timing_cache(config, timings)
        monitor = monitor_of(trt, progress)
        level.watch(config, monitor)
        data = builder.build_serialized_network(network, config)
    except MemoryError:
        return None
    for interrupted in (log.interrupted, monitor and monitor.interrupted):
        if interrupted is not None:
            raise interrupted
    if data is None:
        if log.memory_ran_out:
            return None
        raise EngineError(
            "TensorRT {} cannot build the engine{}".format(trt.__version__, _because(log.errors)),
            "please report this with the output of 'info'; --workspace may help where it speaks of tactics",
        )
    kept = b"" if cache is None else bytes(config.get_timing_cache().serialize())
    return BuiltEngine(bytes(data), kept, workspace_mb, network.num_layers, layers_on_dla)


def memory_error(board, workspace_mb, log):
    """The :class:`EngineError` for a build that has not enough memory even with the least workspace."""
    return EngineError(
        "{} has not enough free memory to build the engine, even with {} MB of workspace{}".format(
            board.model, workspace_mb, _because(log.errors)
        ),
        SWAP_HINT,
    )


def _parse(trt, network, log, onnx):
    parser = trt.OnnxParser(network, log)
    if not parser.parse(onnx):
        errors = [parser.get_error(index).desc() for index in range(parser.num_errors)] or log.errors
        raise EngineError(
            "TensorRT {} does not take the graph of this bundle{}".format(trt.__version__, _because(errors)),
            "convert again for this board, with the newest edgepose",
        )


def _use_dla(trt, builder, network, config, dla, build):
    """Have the accelerator do what it can; how many layers that is."""
    if dla is None:
        return 0
    if dla >= builder.num_DLA_cores:
        cores = builder.num_DLA_cores
        raise EngineError(
            "there is no DLA core {} here: this board has {}".format(dla, cores or "none"),
            "leave --dla out" if cores == 0 else "0 to {}".format(cores - 1),
        )
    if build.precision == "fp32":
        raise EngineError("the DLA computes in FP16 and INT8 alone", "convert with --precision fp16")
    config.default_device_type = trt.DeviceType.DLA
    config.DLA_core = dla
    config.set_flag(trt.BuilderFlag.GPU_FALLBACK)
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    return sum(bool(config.can_run_on_DLA(layer)) for layer in layers)


def _timing_cache(config, timings):
    """The cache given to ``config``, or None where TensorRT takes none: a damaged one is started anew."""
    for data in (timings, b""):
        cache = config.create_timing_cache(data)
        if cache is not None and config.set_timing_cache(cache, False):
            return cache
    return None


def _because(errors):
    return ": " + errors[-1].split("\n")[0] if errors else ""
