"""What a user may ask of an engine that TensorRT builds."""

import os
from typing import NamedTuple, Optional

from edgepose.runtime.errors import UsageError

FOLDER_VARIABLE = "EDGEPOSE_ENGINES"
MIN_WORKSPACE_MB, MAX_WORKSPACE_MB = 16, 65536
MAX_DLA_CORES = 8


class TensorRtOptions(NamedTuple):
    """How to build and run an engine; every field may be left out.

    ``dla``: number of the deep-learning accelerator to use; layers that it cannot do run on the GPU, and are counted.
    ``cuda_graph``: launch each inference as one CUDA graph. ``workspace_mb``: scratch memory that the builder may
    use at first. ``rebuild``: build even where a fitting engine is there. ``folder``: where engines are kept; else
    ``$EDGEPOSE_ENGINES``, else the user's cache folder.
    """

    dla: Optional[int] = None
    cuda_graph: bool = False
    workspace_mb: Optional[int] = None
    rebuild: bool = False
    folder: Optional[str] = None

    def require_possible(self):
        """Raise :class:`UsageError` for a value that cannot be."""
        _require_whole("the DLA core", self.dla, 0, MAX_DLA_CORES - 1)
        _require_whole("the workspace in MB", self.workspace_mb, MIN_WORKSPACE_MB, MAX_WORKSPACE_MB)

    def engines_folder(self):
        """Absolute path of the folder that engines are kept in."""
        named = self.folder or os.environ.get(FOLDER_VARIABLE)
        if named:
            return os.path.abspath(named)
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        return os.path.join(cache, "edgepose", "engines")


def _require_whole(name, value, low, high):
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise UsageError("{} is {!r}".format(name, value), "{} to {}".format(low, high))
