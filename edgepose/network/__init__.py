"""EfficientPose in PyTorch: Groos et al., EfficientPose: Scalable single-person pose estimation (2021).

``edgepose.network.variants`` (the table) imports without PyTorch; :class:`EfficientPose` needs it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgepose.network.efficientpose import EfficientPose, EfficientPoseOutputs

__all__ = ["EfficientPose", "EfficientPoseOutputs"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from edgepose.network import efficientpose

        return getattr(efficientpose, name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
