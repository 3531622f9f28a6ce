"""The decoder for firmware without Python: a bundle to C99 sources beside its engine."""

from edgepose.export_c.export import export_c

__all__ = ["export_c"]
