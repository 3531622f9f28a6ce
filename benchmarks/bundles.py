"""The float bundles that the benchmarks measure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

VARIANTS = ("RT", "I", "RT_LITE", "I_LITE")


def is_lite(variant: str) -> bool:
    """Whether ``variant`` is one of the Lite family."""
    return variant.endswith("_LITE")


def bundle_path(folder: Path, variant: str) -> Path:
    """Path of the float TFLite bundle of ``variant`` in ``folder``, converted anew: cached stages make that cheap."""
    path = folder / f"{variant.lower().replace('_', '-')}-host-fp32.edgepose"
    folder.mkdir(parents=True, exist_ok=True)
    arguments = ["--variant", variant, "--target", "host", "--precision", "fp32", "--engine", "tflite"]
    command = [sys.executable, "-m", "edgepose", "convert", *arguments, "--output", str(path)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return path
