"""The numeric gates between the stages: each stage's result is run against the one before, on real crops.

A gate measures on one thread, so that a conversion repeats bit by bit, and raises where the difference is too
large: nothing is written then. Images are float32 [n, 3, S, S], RGB, normalised as the network wants them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from edgepose.conversion.run_onnx import run_onnx
from edgepose.runtime.decoder import HeatmapDecoder
from edgepose.runtime.errors import ConversionError, GateError

if TYPE_CHECKING:
    from edgepose.network.efficientpose import EfficientPose

# Heatmaps range over 0 to 1. float32 engines differ by the order of their sums only, some 1e-6.
FLOAT32_TOLERANCE = 1e-4
# A float16 filter is off by up to 2**-11 of its value. On 60 photographs the official RT, I, RT_LITE and I_LITE
# differ by at most 4.3e-3, 2.8e-3, 9.4e-3 and 4.0e-3, and every visible joint stays on its pixel.
FLOAT16_TOLERANCE = 3e-2
# The official real-time decoder takes a joint for visible from this score on (``track.py``).
VISIBLE_SCORE = 0.3
# Share of the visible joints that must decode to the same pixel of the full map, or to one beside it.
MIN_JOINTS_AGREEING = 0.95
SAME_JOINT_PIXELS = 1.0


class GateRecord(NamedTuple):
    """What a gate measured over ``samples`` images.

    ``max_abs`` and ``rms`` are differences of heatmap values; ``tolerance`` is what ``max_abs`` was allowed.
    ``joints_agreeing`` is the share of joints visible in the reference that both decode to the same pixel,
    None where the gate does not decode or no joint is visible.
    """

    name: str
    samples: int
    max_abs: float
    rms: float
    tolerance: float
    joints_agreeing: float | None

    def as_dict(self) -> dict[str, Any]:
        """For the manifest: numbers rounded to what the measurement can tell."""
        values = self._asdict()
        for key in ("max_abs", "rms"):
            values[key] = float(f"{values[key]:.3g}")
        if self.joints_agreeing is not None:
            values["joints_agreeing"] = round(self.joints_agreeing, 4)
        return values


def gate_torch_to_onnx(
    network: EfficientPose,
    onnx: bytes,
    images: np.ndarray,
    keep_head: bool = False,
    expected: np.ndarray | None = None,
) -> GateRecord:
    """The exported graph in ONNX Runtime against torch. Raises :class:`GateError` above 1e-4.

    ``expected`` is what :func:`run_torch` gave for these images, where it is at hand already.
    """
    reference = run_torch(network, images, keep_head) if expected is None else expected
    return _gate("torch_to_onnx", reference, run_onnx(onnx, images), FLOAT32_TOLERANCE)


def gate_onnx_to_onnx(reference: bytes, candidate: bytes, images: np.ndarray, name: str = "onnx_to_onnx") -> GateRecord:
    """A rewritten graph against its source, both in ONNX Runtime. Raises :class:`GateError` above 1e-4."""
    return _gate(name, run_onnx(reference, images), run_onnx(candidate, images), FLOAT32_TOLERANCE)


def gate_onnx_to_tflite(
    onnx: bytes, tflite: bytes, images: np.ndarray, precision: str = "fp32", upsampling: int = 8
) -> GateRecord:
    """The TFLite engine in LiteRT against the graph in ONNX Runtime.

    ``precision`` is ``fp32`` (at most 1e-4) or ``fp16`` (at most 3e-2, and at least 95 % of the visible
    joints at the same pixel); ``upsampling`` is the decoder's factor for these heatmaps. Raises
    :class:`GateError` where it does not hold.
    """
    expected = run_onnx(onnx, images)
    actual = run_tflite(tflite, images)
    if precision == "fp32":
        return _gate("onnx_to_tflite", expected, actual, FLOAT32_TOLERANCE)
    return _gate("onnx_to_tflite_float16", expected, actual, FLOAT16_TOLERANCE, upsampling)


def gate_onnx_to_tensorrt_half(onnx: bytes, images: np.ndarray, upsampling: int = 8) -> GateRecord:
    """The graph with every weight and activation rounded to float16, against itself: at most 3e-2, and joints agree.

    *Host-simulated*, whether the board takes types from the graph or from a builder flag. Raises :class:`GateError`
    where it does not hold.
    """
    from edgepose.conversion.lower_onnx_to_tensorrt import simulate_half

    expected, actual = run_onnx(onnx, images), run_onnx(simulate_half(onnx), images)
    return _gate("onnx_to_float16", expected, actual, FLOAT16_TOLERANCE, upsampling)


def gate_integer_tflite(tflite: bytes, whole: bool) -> None:
    """LiteRT must open an INT8 engine, and where it is to be ``whole``, every tensor in it must be an integer one.

    How well it computes is measured on crops held out of the calibration set (:mod:`edgepose.conversion.hold_out`).
    Raises :class:`GateError` naming the first float tensor, :class:`ConversionError` where LiteRT refuses the engine.
    """
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(model_content=tflite, num_threads=1)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ConversionError(f"LiteRT cannot open the engine: {error}") from error
    floats = [each["name"] for each in interpreter.get_tensor_details() if each["dtype"] == np.float32]
    if whole and floats:
        raise GateError(
            f"the engine is to compute in integers alone, but '{floats[0]}' and {len(floats) - 1} other tensors are "
            "float",
            "please report this with the checkpoint",
        )


def run_torch(network: EfficientPose, images: np.ndarray, keep_head: bool = False) -> np.ndarray:
    """Heatmaps [n, 16, h, w] of the network in evaluation mode, on one thread."""
    import torch

    from edgepose.conversion.torch_evaluation import evaluating

    outputs = []
    with evaluating(network), torch.inference_mode():
        for image in torch.from_numpy(np.ascontiguousarray(images)):
            heatmaps = network.low_resolution_heatmaps(image[None])
            outputs.append(network.upscale(heatmaps) if keep_head else heatmaps)
    return torch.cat(outputs).numpy()


def run_tflite(tflite: bytes, images: np.ndarray) -> np.ndarray:
    """Heatmaps [n, 16, h, w] of a float TFLite engine in LiteRT with XNNPACK, on one thread."""
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(model_content=tflite, num_threads=1)
        interpreter.allocate_tensors()
        source = interpreter.get_input_details()[0]["index"]
        result = interpreter.get_output_details()[0]["index"]
        outputs = []
        for image in images:
            interpreter.set_tensor(source, np.ascontiguousarray(image.transpose(1, 2, 0)[None]))
            interpreter.invoke()
            outputs.append(interpreter.get_tensor(result).transpose(0, 3, 1, 2))
    except (ValueError, RuntimeError) as error:
        raise ConversionError(f"LiteRT cannot run the engine: {error}") from error
    return np.concatenate(outputs)


def _gate(
    name: str, expected: np.ndarray, actual: np.ndarray, tolerance: float, upsampling: int | None = None
) -> GateRecord:
    """Compare heatmaps [n, 16, h, w]; decode both where ``upsampling`` is given."""
    title = name.replace("_", " ")
    if expected.shape != actual.shape:
        raise GateError(f"{title}: the outputs have the shapes {expected.shape} and {actual.shape}")
    for array, which in ((expected, "reference"), (actual, "result")):
        if not np.isfinite(array).all():
            raise GateError(
                f"{title}: the {which} computes values that are not finite",
                "check the checkpoint for NaN and infinity",
            )
    difference = np.abs(expected.astype(np.float64) - actual)
    agreeing = None if upsampling is None else _joints_agreeing(expected, actual, upsampling)
    record = GateRecord(
        name,
        len(expected),
        float(difference.max()),
        float(np.sqrt((difference**2).mean())),
        tolerance,
        agreeing,
    )
    if record.max_abs > tolerance:
        raise GateError(
            f"{title}: heatmaps differ by up to {record.max_abs:.2g} over {record.samples} images; "
            f"at most {tolerance:g} is allowed",
            "convert at a higher precision, or report this with the checkpoint",
        )
    if agreeing is not None and agreeing < MIN_JOINTS_AGREEING:
        raise GateError(
            f"{title}: only {agreeing:.0%} of the visible joints of {record.samples} images decode to the "
            f"same pixel; at least {MIN_JOINTS_AGREEING:.0%} must",
            "convert at a higher precision",
        )
    return record


def _joints_agreeing(expected: np.ndarray, actual: np.ndarray, upsampling: int) -> float | None:
    height, width = expected.shape[2:]
    decoder = HeatmapDecoder(height, width, upsampling, sigma=1.0)
    visible = agreeing = 0
    for reference, result in zip(expected, actual, strict=True):
        peaks, scores = decoder.decode(reference.transpose(1, 2, 0))
        others, _ = decoder.decode(result.transpose(1, 2, 0))
        same = np.abs(peaks - others).max(axis=1) <= SAME_JOINT_PIXELS
        visible += int((scores >= VISIBLE_SCORE).sum())
        agreeing += int((same & (scores >= VISIBLE_SCORE)).sum())
    return agreeing / visible if visible else None
