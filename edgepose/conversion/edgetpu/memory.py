"""What a model asks of the Edge TPU's memory: parameters to keep on chip, and the largest activation.

Predictions: the compiler alone knows what it stores, and its log replaces them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgepose.conversion.edgetpu.tflite_file import TfliteFile

MIB = 1 << 20
# What compiler logs give as used plus remaining: 7.69 (with many operators) to 7.9 MiB.
ON_CHIP_BYTES = int(7.69 * MIB)
# Compiled parameters are padded to the width of the array: 3.86 MiB were made of a file of 2.88 MiB.
GROWTH = 1.34
# The largest activations of models that map whole: those of edgepose's table and of Coral's EfficientDet-Lite3 (512).
# Compilations have failed from 4 million elements on, depending on how many maps must be kept at once.
LARGEST_ELEMENTS = 9_437_184


@dataclass(frozen=True)
class MemoryPrediction:
    """Bytes of parameters in the file and, as *predicted*, on chip and streamed for every inference.

    ``largest_activation``: (name, shape, elements) of the largest tensor that is computed.
    """

    parameter_bytes: int
    on_chip_bytes: int
    off_chip_bytes: int
    largest_activation: tuple[str, tuple[int, ...], int]

    @property
    def activation_fits(self) -> bool:
        """Whether models with an activation as large are known to map."""
        return self.largest_activation[2] <= LARGEST_ELEMENTS

    def to_dict(self) -> dict[str, Any]:
        """For manifest and ``--json``."""
        name, shape, elements = self.largest_activation
        return {
            "parameter_bytes": self.parameter_bytes,
            "on_chip_bytes": self.on_chip_bytes,
            "off_chip_bytes": self.off_chip_bytes,
            "largest_activation": {"name": name, "shape": list(shape), "elements": elements},
            "largest_known_to_map": LARGEST_ELEMENTS,
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
