"""Calibration sets: the pictures from which int8 conversion learns what a network's values range over.

A set is a self-describing folder or ``.zip`` that ``edgepose calibrate`` makes from photographs, a data set or videos:
``calibration.json`` (recipe, licence note, digests) and ``crops/*.png``.
"""

from edgepose.calibration.calibration_set import CalibrationCrop, CalibrationSet, open_calibration_set
from edgepose.calibration.writer import write_calibration_set

__all__ = ["CalibrationCrop", "CalibrationSet", "open_calibration_set", "write_calibration_set"]
