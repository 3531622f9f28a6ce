"""Options of the commands that run engines, for those that run on an accelerator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgepose.cli.console import print_warning

if TYPE_CHECKING:
    from edgepose.runtime.estimator import PoseEstimator

TPU_HELP = "Which Edge TPU, where there are several: 0, usb:0, pci:1."
ALLOW_CPU_HELP = "Let the CPU do the work of an Edge TPU that cannot be used; every result says so."


def warn_of_fallback(estimator: PoseEstimator) -> None:
    """Say so where the CPU does an accelerator's work."""
    if estimator.fallback is not None:
        print_warning(f"by the CPU, not the accelerator: {estimator.fallback}")
