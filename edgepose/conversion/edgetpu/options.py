"""What a user may say about compiling for the Edge TPU."""

from __future__ import annotations

from dataclasses import dataclass

from edgepose.network.variants import get_variant

# The compiler's own default.
TIME_LIMIT_S = 180


@dataclass(frozen=True)
class EdgeTpuOptions:
    """``compiler``: its path, where it is not on the search path. ``full_mapping``: whether every operator must map.

    ``full_mapping`` None is yes for the Lite variants, which are made for it, and no for the others.
    """

    compiler: str | None = None
    full_mapping: bool | None = None
    time_limit_s: int = TIME_LIMIT_S

    @property
    def given(self) -> bool:
        """Whether the user said anything."""
        return self != EdgeTpuOptions()

    def requires_full_mapping(self, variant: str) -> bool:
        """Whether every operator of ``variant`` must map."""
        return get_variant(variant).lite if self.full_mapping is None else self.full_mapping
