"""What heatmaps must be before anyone looks for joints in them."""

import math

from edgepose.runtime.errors import EngineError


def require_finite(heatmaps):
    """Raise :class:`EngineError` where a value of ``heatmaps`` (float32) is not finite."""
    # One pass and no temporary: a sum is finite only where every term is.
    if not math.isfinite(heatmaps.sum()):
        raise EngineError(
            "the engine computed heatmaps with values that are not finite",
            "run 'check' on this bundle; if it fails there as well, convert again",
        )
