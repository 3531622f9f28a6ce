"""Post-training quantisation to int8: once for every engine, on the simplified float ONNX."""

from edgepose.conversion.quantisation.quantise import Calibration, QuantisedOnnx, calibrate, quantise

__all__ = ["Calibration", "QuantisedOnnx", "calibrate", "quantise"]
