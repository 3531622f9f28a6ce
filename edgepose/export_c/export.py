"""``edgepose export-c``: a folder with the engine and the C99 sources around it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from edgepose.export_c.tables import model_header, tables_source
from edgepose.runtime.atomic import atomic_path
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.errors import EdgeposeError, UsageError, did_you_mean
from edgepose.runtime.manifest import DECODERS

SOURCES = Path(__file__).resolve().parent / "sources"


@dataclass(frozen=True)
class Exported:
    """What :func:`export_c` wrote: the folder, its files, and the engine among them."""

    folder: Path
    files: tuple[str, ...]
    engine: str


def export_c(path: str | Path, output: str | Path, decoder: str | None = None) -> Exported:
    """Write the C door of the bundle at ``path`` into the folder ``output``.

    ``decoder``: 'official' or 'realtime'; what the bundle says where left out. Files that an earlier export wrote are
    replaced, others are left alone. Raises :class:`BundleError` for a file that is no whole bundle,
    :class:`UsageError` for an unknown decoder or a folder that cannot be, :class:`EdgeposeError` where it cannot be
    written.
    """
    bundle, output = Bundle.open(path), Path(output)
    manifest = bundle.manifest
    decoder = decoder or manifest.decoder.default
    if decoder not in DECODERS:
        raise UsageError(f"there is no decoder {decoder!r}{did_you_mean(decoder, DECODERS)}", ", ".join(DECODERS))
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output} is a file", "name a folder")
    engine = Path(manifest.engine.member).name
    contents = {
        engine: bundle.engine_bytes(),
        "edgepose_model.h": model_header(manifest, bundle.sha256, engine, decoder).encode("ascii"),
        "edgepose_tables.c": tables_source(manifest, decoder).encode("ascii"),
        **{source.name: source.read_bytes() for source in sorted(SOURCES.iterdir()) if source.is_file()},
    }
    with contextlib.ExitStack() as files:
        if not output.exists():
            files.callback(_remove_if_empty, output)
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EdgeposeError(
                f"cannot make the folder {output}: {error.strerror or error}", "name another folder: --output"
            ) from error
        for name, data in contents.items():  # none takes its place before all are written
            Path(files.enter_context(atomic_path(output / name))).write_bytes(data)
    return Exported(output, tuple(sorted(contents)), engine)


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()
