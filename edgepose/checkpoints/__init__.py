"""Where trained weights come from: official files, own files, pinned downloads; and how names map to ours.

Finding and fetching files needs no PyTorch; :func:`load_checkpoint` and :func:`build_network` do.
"""

from typing import TYPE_CHECKING, Any

from edgepose.checkpoints.files import checkpoint_digest
from edgepose.checkpoints.weights import (
    OfficialWeights,
    ResolvedCheckpoint,
    demo_weights,
    fetch_official_weights,
    list_official_weights,
    resolve_checkpoint,
)

if TYPE_CHECKING:
    from edgepose.checkpoints.checkpoint import (
        Checkpoint,
        build_network,
        load_checkpoint,
        save_safetensors,
    )

_NEED_TORCH = ("Checkpoint", "build_network", "load_checkpoint", "save_safetensors")

__all__ = [
    "Checkpoint",
    "OfficialWeights",
    "ResolvedCheckpoint",
    "build_network",
    "checkpoint_digest",
    "demo_weights",
    "fetch_official_weights",
    "list_official_weights",
    "load_checkpoint",
    "resolve_checkpoint",
    "save_safetensors",
]


def __getattr__(name: str) -> Any:
    if name in _NEED_TORCH:
        from edgepose.checkpoints import checkpoint

        return getattr(checkpoint, name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
