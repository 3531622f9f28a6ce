"""What the benchmarks convert: bundles, and the calibration sets that int8 ones are made with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.official_recipe import official_tflite, reference_folder

VARIANTS = ("RT", "I", "RT_LITE", "I_LITE")
# The weights of these are published in TFLite files alone.
TFLITE_VARIANTS = ("II", "II_LITE")
ALL_VARIANTS = ("RT", "I", "II", "RT_LITE", "I_LITE", "II_LITE")
CALIBRATION_CROPS = 128


def is_lite(variant: str) -> bool:
    """Whether ``variant`` is one of the Lite family."""
    return variant.endswith("_LITE")


def bundle_path(folder: Path, variant: str, precision: str = "fp32") -> Path:
    """Path of the TFLite bundle of ``variant`` in ``folder``, converted anew: cached stages make that cheap.

    An int8 one is calibrated with :func:`calibration_set`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{_stem(variant)}-host-{precision}.edgepose"
    arguments = ["--variant", variant, "--target", "host", "--precision", precision, "--engine", "tflite"]
    if variant in TFLITE_VARIANTS:
        arguments += ["--checkpoint", str(_checkpoint(folder, variant))]
    if precision == "int8":
        arguments += ["--calibration", str(calibration_set(folder))]
    _edgepose("convert", *arguments, "--output", str(path))
    return path


def coral_bundle(folder: Path, variant: str, calibration: Path) -> Path:
    """Path of the bundle of ``variant`` for the Coral USB Accelerator in ``folder``, converted anew."""
    path = folder / f"{_stem(variant)}-coral-usb-int8.edgepose"
    arguments = ["--variant", variant, "--target", "coral-usb", "--calibration", str(calibration)]
    if variant in TFLITE_VARIANTS:
        arguments += ["--checkpoint", str(_checkpoint(folder, variant))]
    _edgepose("convert", *arguments, "--no-require-full-mapping", "--output", str(path))
    return path


def calibration_set(folder: Path, seed: int = 0, count: int = CALIBRATION_CROPS) -> Path:
    """Path of a calibration set of the reference folder's photographs, which no benchmark measures on."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"calibration-{seed}-{count}.zip"
    source = reference_folder() / "data" / "lspet-calibration"
    settings = ["--count", str(count), "--seed", str(seed), "--licence", "as of the reference folder, not passed on"]
    _edgepose("calibrate", str(source), "--output", str(path), *settings)
    return path


def _checkpoint(folder: Path, variant: str) -> Path:
    from benchmarks.official_weights import tflite_network
    from edgepose.checkpoints import save_safetensors

    path = folder / f"{_stem(variant)}.safetensors"
    save_safetensors(tflite_network(official_tflite(variant), variant), path)
    return path


def _stem(variant: str) -> str:
    return variant.lower().replace("_", "-")


def _edgepose(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "edgepose", *arguments], check=True, stdout=subprocess.DEVNULL)
