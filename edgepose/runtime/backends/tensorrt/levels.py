"""Three ranges of TensorRT versions, told apart by what they have, and the calls in which they differ.

=================  =========  ======================================================================
level              TensorRT   how it differs
=================  =========  ======================================================================
bindings           8.0–8.4    tensors by number, ``execute_async_v2``; explicit batch must be asked for
tensor names       8.5–10     ``set_tensor_address`` and ``execute_async_v3``; precision by builder flags
strongly typed     11         the graph's types are the engine's; there are no precision flags
=================  =========  ======================================================================
"""

from typing import NamedTuple, Tuple

from edgepose.runtime.backends.tensorrt.libraries import version_of
from edgepose.runtime.errors import EngineError

# A tensor of an engine's input or output; ``dtype`` is TensorRT's.
EngineTensor = NamedTuple(
    "EngineTensor", [("name", str), ("is_input", bool), ("shape", Tuple[int, ...]), ("dtype", object)]
)


def level_of(trt):
    """The level of the module ``trt``."""
    if not hasattr(trt.BuilderFlag, "FP16"):
        return StronglyTypedLevel(trt)
    if hasattr(trt.ICudaEngine, "num_io_tensors"):
        return TensorNamesLevel(trt)
    return BindingsLevel(trt)


class Level(object):
    """The calls that differ, for one engine. Objects are TensorRT's own; addresses and streams are integers."""

    name = ""

    def __init__(self, trt):
        self.trt = trt

    def network_flags(self):
        """Flags of ``create_network``."""
        flag = getattr(self.trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)
        return 0 if flag is None else 1 << int(flag)

    def set_workspace(self, config, size):
        """Bound the builder's scratch memory to ``size`` bytes."""
        if hasattr(config, "set_memory_pool_limit"):  # from 8.4 on
            config.set_memory_pool_limit(self.trt.MemoryPoolType.WORKSPACE, size)
        else:
            config.max_workspace_size = size

    def set_precision(self, builder, config, build):
        """Ask for the precision of ``build`` (:class:`BuildSpec`).

        Raises :class:`EngineError` where this TensorRT would take another one.
        """
        flags = {"fp32": (), "fp16": ("FP16",), "int8": ("INT8", "FP16")}[build.precision]
        for name, flag in (("fast_int8", "INT8"), ("fast_fp16", "FP16")):
            # What is left in float beside integers may run in FP32; the precision itself may not.
            if flag == build.precision.upper() and not getattr(builder, "platform_has_" + name, True):
                raise EngineError(
                    "TensorRT {} says that this GPU is not fast in {}".format(self.trt.__version__, flag),
                    "convert with --precision fp16 or fp32",
                )
        for flag in flags:
            config.set_flag(getattr(self.trt.BuilderFlag, flag))

    def watch(self, config, monitor):
        """Have ``monitor`` told of the progress; whether this TensorRT does that."""
        if monitor is None or not hasattr(config, "progress_monitor"):
            return False
        config.progress_monitor = monitor
        return True

    def tensors(self, engine):
        """List of :class:`EngineTensor`, in the engine's order."""
        raise NotImplementedError

    def bind(self, context, addresses):
        """Tell ``context`` where its tensors are: ``addresses`` in the engine's order, by name."""
        raise NotImplementedError

    def enqueue(self, context, stream):
        """Run the network on ``stream``; whether it could be started."""
        raise NotImplementedError


class BindingsLevel(Level):
    """TensorRT 8.0 to 8.4: JetPack 4.6."""

    name = "bindings"

    def __init__(self, trt):
        super(BindingsLevel, self).__init__(trt)
        self._bindings = []

    def tensors(self, engine):
        """By number."""
        return [
            EngineTensor(
                engine.get_binding_name(index),
                engine.binding_is_input(index),
                tuple(engine.get_binding_shape(index)),
                engine.get_binding_dtype(index),
            )
            for index in range(engine.num_bindings)
        ]

    def bind(self, context, addresses):
        """They are handed over with each run."""
        self._bindings = list(addresses.values())

    def enqueue(self, context, stream):
        """``execute_async_v2``."""
        return context.execute_async_v2(bindings=self._bindings, stream_handle=stream)


class TensorNamesLevel(Level):
    """TensorRT 8.5 to 10: JetPack 5 and 6, and the first of 7."""

    name = "tensor names"

    def tensors(self, engine):
        """By name."""
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        return [
            EngineTensor(
                name,
                engine.get_tensor_mode(name) == self.trt.TensorIOMode.INPUT,
                tuple(engine.get_tensor_shape(name)),
                engine.get_tensor_dtype(name),
            )
            for name in names
        ]

    def bind(self, context, addresses):
        """Once."""
        for name, address in addresses.items():
            if not context.set_tensor_address(name, address):
                raise EngineError("TensorRT does not take the buffer of the tensor {!r}".format(name))

    def enqueue(self, context, stream):
        """``execute_async_v3``."""
        return context.execute_async_v3(stream_handle=stream)


class StronglyTypedLevel(TensorNamesLevel):
    """TensorRT 11: the graph says it all."""

    name = "strongly typed"

    def network_flags(self):
        """Typed networks are the only ones; nothing is left to ask for."""
        return 0

    def set_precision(self, builder, config, build):
        """Nothing to set, and a graph of other types than its precision to refuse."""
        if build.precision == "fp16" and not build.half:
            raise EngineError(
                "the graph of this bundle is typed in 32 bits, and TensorRT {}.{} computes in the types of the graph: "
                "it would be FP32 under the name of FP16".format(*version_of(self.trt)),
                "convert again for this board: this bundle is for {}".format(build.target),
            )
