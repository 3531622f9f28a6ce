"""What every inference engine looks like to the estimator, and the checks that hold for all of them."""

from typing import Any, Optional  # noqa: F401 - in type comments

import numpy as np

from edgepose.runtime.errors import EngineError
from edgepose.runtime.heatmaps import require_finite


class Backend(object):
    """One loaded engine. ``infer`` and ``close`` are public and own every check; subclasses write the three hooks.

    An instance serves one thread at a time. It is a context manager that closes itself.
    """

    #: The name of the engine library, and its version once loaded; shown by ``bench`` and ``doctor``.
    library = ""
    version = ""
    #: Why an accelerator's engine runs on the CPU; None where it runs where it should.
    fallback = None  # type: Optional[str]
    #: How an engine that was built here came to be; None for one that came finished.
    record = None  # type: Any

    def __init__(self, spec, data, threads):
        """Load ``data`` (the engine's bytes), whose tensors are those of ``spec`` (:class:`EngineSpec`).

        Raises :class:`EngineError` where the engine cannot be loaded or has other tensors than ``spec`` says.
        """
        self.spec = spec
        self._input_dtype = np.dtype(spec.input.dtype)
        self._output_dtype = np.dtype(spec.output.dtype)
        self._open = False
        self._load(data, threads)
        self._open = True

    def infer(self, tensor):
        """Run the network on ``tensor`` of the input's shape and dtype.

        Returns heatmaps [height, width, 16], float32 or int8 as the engine computes them, whatever its layout; they
        stay valid. Raises :class:`EngineError` for a closed engine, a tensor of another shape or dtype, a failure
        inside the engine, and heatmaps of another shape or dtype, or that are not finite.
        """
        if not self._open:
            raise EngineError("the {} engine is closed".format(self.library), "load the bundle again")
        if tensor.shape != self.spec.input.shape or tensor.dtype != self._input_dtype:
            raise EngineError(
                "the engine takes {} {}, not {} {}".format(
                    self.spec.input.dtype, list(self.spec.input.shape), tensor.dtype, list(tensor.shape)
                )
            )
        output = self._infer(tensor)
        if output.shape != self.spec.output.shape or output.dtype != self._output_dtype:
            raise EngineError(
                "the engine computed {} {} where its manifest says {} {}".format(
                    output.dtype, list(output.shape), self.spec.output.dtype, list(self.spec.output.shape)
                )
            )
        heatmaps = output[0] if self.spec.output.layout == "NHWC" else np.transpose(output[0], (1, 2, 0))
        if self._output_dtype.kind == "f":
            require_finite(heatmaps)
        return heatmaps

    def close(self):
        """Free the engine. Closing twice does nothing."""
        if self._open:
            self._open = False
            self._close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _load(self, data, threads):
        raise NotImplementedError

    def _infer(self, tensor):
        """Array of the output's shape and dtype that the engine does not write to again."""
        raise NotImplementedError

    def _close(self):
        raise NotImplementedError


def require_same_tensor(role, spec, name, shape, dtype, scale=None, zero_point=None):
    """Raise :class:`EngineError` where an engine's tensor is not the one in the manifest (``spec``)."""
    found = _words(name, shape, dtype, scale, zero_point)
    # Engines store scales as float32; a float tensor has none, whatever its details say.
    expected = _words(spec.name, spec.shape, spec.dtype, scale and spec.scale, spec.zero_point)
    if found != expected:
        raise EngineError(
            "the engine's {} is {}, not {} as its manifest says".format(role, found, expected),
            "convert again: the engine and the manifest of this bundle do not belong together",
        )


def _words(name, shape, dtype, scale, zero_point):
    words = "{!r} {} {}".format(name, np.dtype(dtype).name, [int(side) for side in shape])
    return words + " (scale {:.8g}, zero point {})".format(float(np.float32(scale)), zero_point) if scale else words
