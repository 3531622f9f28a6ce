"""What a GPU computes in, and the refusal of what it does not: TensorRT would take another precision without a word."""

from edgepose.runtime.errors import EngineError

# NVIDIA's hardware support matrix: SM 5.3 (Nano), 6.0 and 6.2 (TX2) have half floats and no INT8; 6.1 the reverse.
INT8_BELOW_7 = ((6, 1),)
FP16_BELOW_7 = ((5, 3), (6, 0), (6, 2))


def computes_in(compute_capability, precision):
    """Whether a GPU of ``compute_capability`` (major, minor) has arithmetic of ``precision``."""
    below = {"int8": INT8_BELOW_7, "fp16": FP16_BELOW_7}
    return precision == "fp32" or compute_capability >= (7, 0) or tuple(compute_capability) in below[precision]


def require_precision(board, compute_capability, build):
    """Raise :class:`EngineError` where this GPU lacks the precision of ``build`` (:class:`BuildSpec`)."""
    if not computes_in(compute_capability, build.precision):
        raise EngineError(
            "{} (SM {}.{}) has no {} arithmetic: TensorRT would run FP32 instead".format(
                board.model, compute_capability[0], compute_capability[1], build.precision.upper()
            ),
            "convert with --precision {}".format("fp16" if computes_in(compute_capability, "fp16") else "fp32"),
        )


def board_remark(board, build):
    """What to say where ``board`` is not one that the bundle was converted for; None where it is."""
    if any(board.model.startswith(name) for name in build.boards):
        return None
    return (
        "this bundle was converted for {} ({}), and this is {}: its joints and memory were not checked for it".format(
            build.target, ", ".join(build.boards), board.model
        )
    )
