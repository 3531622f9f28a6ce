"""The float engine that a bundle is compared with: one of the same checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgepose.conversion.cache import StageCache, cache_folder
from edgepose.conversion.probe_writer import reference_bundle
from edgepose.network.variants import get_variant
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.errors import UsageError
from edgepose.runtime.manifest import Manifest

FLOAT_PRECISION = "fp32"


def open_reference(bundle: Bundle, path: Path) -> Bundle:
    """The float bundle at ``path``.

    Raises :class:`UsageError` where it is not fp32, or where neither the simplified ONNX nor the checkpoint that it
    was made from is that of ``bundle``; :class:`BundleError` where it cannot be read.
    """
    reference = Bundle.open(path)
    precision = reference.manifest.precision
    if precision != FLOAT_PRECISION:
        raise UsageError(
            f"the reference {path} is {precision}, not {FLOAT_PRECISION}", how_to_measure_drift(bundle.manifest)
        )
    if not _same_origin(bundle.manifest, reference.manifest):
        raise UsageError(
            f"the reference {path} is not of the checkpoint that {bundle.path} was made from",
            "'edgepose inspect' shows where each comes from; convert both from one file",
        )
    return reference


def find_reference(bundle: Bundle) -> Bundle | None:
    """The simplified ONNX that ``bundle`` was made from, as ONNX Runtime runs it; None where it is not cached here."""
    sha256 = _digest(bundle.manifest, "simplified_onnx")
    if sha256 is None:
        return None
    onnx = StageCache(cache_folder()).find_payload("simplify", sha256)
    if onnx is None:
        return None
    return reference_bundle(get_variant(bundle.manifest.variant), onnx, bundle.manifest.decoder.upsampling)


def how_to_measure_drift(manifest: Manifest) -> str:
    """The commands that make a reference for the bundle of ``manifest``."""
    return (
        f"'edgepose convert --variant {manifest.variant} --target host --precision fp32 -o float.edgepose' "
        "from the same checkpoint, then --reference float.edgepose"
    )


def _same_origin(one: Manifest, other: Manifest) -> bool:
    for part in ("simplified_onnx", "source"):
        digests = _digest(one, part), _digest(other, part)
        if digests[0] is not None and digests[0] == digests[1]:
            return one.variant == other.variant
    return False


def _digest(manifest: Manifest, part: str) -> str | None:
    origin: Any = manifest.provenance.get(part)
    sha256 = origin.get("sha256") if isinstance(origin, dict) else None
    return sha256 if isinstance(sha256, str) else None
