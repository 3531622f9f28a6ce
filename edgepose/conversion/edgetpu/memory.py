"""What a model asks of the Edge TPU's memory: parameters to keep on chip, and the largest activation.

Predictions: the compiler alone knows what it stores, and its log replaces them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgepose.conversion.edgetpu.tflite_file import TfliteFile

MIB = 1 << 20
# What compiler logs give as used plus remaining where activations are small: 6.9 to 7.9 MiB. Large activations take
# from it: 1.1 MiB are left in google-coral/edgetpu issue 572, 1.9 MiB in 427.
ON_CHIP_BYTES = int(6.9 * MIB)
# Bytes on and off chip over those of the file: 0.98 to 1.34 in the logs of that project's issues.
GROWTH = 1.34
# The largest activation of a model that Coral publishes compiled: 361 x 641 x 48 of PoseNet, MobileNet v1, 1281 x 721.
LARGEST_MAPPED = 11_107_248
# The smallest largest one of a model that fails for its activations: 256 x 256 x 32 of YOLOv5s, 512 (issue 449).
SMALLEST_FAILED = 2_097_152


@dataclass(frozen=True)
class MemoryPrediction:
    """Bytes of parameters in the file and, as *predicted*, at most on chip and streamed for every inference.

    ``largest_activation``: (name, shape, elements) of the largest tensor that is computed.
    """

    parameter_bytes: int
    on_chip_bytes: int
    off_chip_bytes: int
    largest_activation: tuple[str, tuple[int, ...], int]

    @property
    def activation_verdict(self) -> str:
        """``fits``, ``uncertain`` or ``too large``: by what models with an activation as large have met."""
        elements = self.largest_activation[2]
        if elements < SMALLEST_FAILED:
            return "fits"
        return "uncertain" if elements <= LARGEST_MAPPED else "too large"

    def to_dict(self) -> dict[str, Any]:
        """For manifest and ``--json``."""
        name, shape, elements = self.largest_activation
        return {
            "parameter_bytes": self.parameter_bytes,
            "on_chip_bytes": self.on_chip_bytes,
            "off_chip_bytes": self.off_chip_bytes,
            "largest_activation": {"name": name, "shape": list(shape), "elements": elements},
            "activation_verdict": self.activation_verdict,
        }


def predict_memory(file: TfliteFile) -> MemoryPrediction:
    """Predict for the constants that operators read, each counted once."""
    read = {index for operator in file.operators for index in operator.inputs if index >= 0}
    parameters = sum(len(tensor.data) for tensor in (file.tensors[index] for index in read) if tensor.data is not None)
    compiled = int(parameters * GROWTH)
    computed = [file.tensors[index] for operator in file.operators for index in operator.outputs]
    computed += [file.tensors[index] for index in file.inputs]
    largest = max(computed, key=lambda tensor: tensor.elements, default=None)
    return MemoryPrediction(
        parameter_bytes=parameters,
        on_chip_bytes=min(compiled, ON_CHIP_BYTES),
        off_chip_bytes=max(0, compiled - ON_CHIP_BYTES),
        largest_activation=("", (), 0) if largest is None else (largest.name, largest.shape, largest.elements),
    )
