"""How far apart the steps of what an integer operator reads and writes may be.

Beyond these ratios XNNPACK leaves the operator to slower kernels, or (convolutions) refuses the whole engine when it is
opened; further out LiteRT's own kernels compute garbage or abort the process. Ranges of real activations stay far
within; a value that is always zero, with the tiny range that gives it, does not.

Sources: XNNPACK's ``add``, ``multiply``, ``convert`` and ``convolution`` operators, and measurement with LiteRT 2.3.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgepose.conversion.lower_onnx_to_tflite.tflite_writer import OPERATOR_NAMES, Quantisation
from edgepose.runtime.errors import ConversionError

_Operator = schema.BuiltinOperator
_LARGEST = 2.0**8
# From the least to just below the greatest ratio.
LIMITS = {
    _Operator.ADD: (2.0**-10, _LARGEST),
    _Operator.CONV_2D: (0.0, _LARGEST),
    _Operator.DEPTHWISE_CONV_2D: (0.0, _LARGEST),
    _Operator.MUL: (2.0**-16, _LARGEST),
    _Operator.QUANTIZE: (2.0**-8, 2.0**7),
    _Operator.TRANSPOSE_CONV: (0.0, _LARGEST),
}


def check_rescaling(code: int, inputs: Sequence[Quantisation | None], output: Quantisation, name: str) -> None:
    """Raise :class:`ConversionError` where the operator that computes ``name`` cannot change steps that far.

    ``inputs`` are None where a tensor is float or has no steps. ADD and QUANTIZE are judged by the ratio of each
    input's step to the output's, the others by that of the inputs' product.
    """
    if code not in LIMITS:
        return
    scales = [quantisation.scale.astype(np.float64) for quantisation in inputs if quantisation is not None]
    if code in (_Operator.ADD, _Operator.QUANTIZE):
        steps = [scale.item() for scale in scales]
    else:  # a third scale would be a bias's, which is the product already
        steps = list(scales[0] * scales[1])
    low, high = LIMITS[code]
    for ratio in (step / output.scale.item() for step in steps):
        if not low <= ratio < high:
            raise ConversionError(
                f"{OPERATOR_NAMES[code]} cannot compute '{name}' in int8: what it reads comes in steps of {ratio:.2g} "
                f"times those of '{name}'; from {low:.2g} to {high:g} times are possible",
                "give these values ranges that are nearer to each other",
            )
