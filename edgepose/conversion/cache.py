"""The stage cache: what a stage of the conversion made, kept under the digest of what went into it.

One file an entry, written atomically: a JSON header line (digest and record) and the payload. Two conversions may
share a cache; whichever finishes last leaves the same bytes. A damaged entry is treated as absent and rebuilt.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

import edgepose
from edgepose.data_files import data_folder
from edgepose.runtime.atomic import write_bytes
from edgepose.runtime.errors import EdgeposeError

CACHE_VARIABLE = "EDGEPOSE_CACHE"
MAX_ENTRY_BYTES = 1 << 30
MAX_CACHE_BYTES = 2 << 30  # the oldest entries leave beyond this

_ENTRY_NAME = re.compile(r"[a-z]+-[0-9a-f]{40}\Z")


@dataclass(frozen=True)
class StageResult:
    """What a stage made: ``payload`` bytes and a JSON-able ``record`` of what was measured on the way."""

    payload: bytes
    record: dict[str, Any]


def cache_folder() -> Path:
    """Where stages are cached: ``$EDGEPOSE_CACHE``, else the system's cache folder for edgepose."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named) if named else user_cache_path("edgepose") / "conversion"


class StageCache:
    """A folder of stage results."""

    def __init__(self, folder: Path):
        self.folder = folder

    def get(self, stage: str, key: str) -> StageResult | None:
        """The cached result of ``stage`` under ``key``, or None where there is none or it is damaged."""
        path = self._path(stage, key)
        result = _read_entry(path)
        if result is not None:
            with contextlib.suppress(OSError):
                os.utime(path)  # so that what is in use is not what leaves first
        return result

    def find_payload(self, stage: str, sha256: str) -> bytes | None:
        """The payload with digest ``sha256`` (hex) that ``stage`` once made, whatever went in; None for no such."""
        for entry in self.entries():
            if entry.name.startswith(f"{stage}-"):
                result = _read_entry(Path(entry.path))
                if result is not None and hashlib.sha256(result.payload).hexdigest() == sha256:
                    return result.payload
        return None

    def put(self, stage: str, key: str, result: StageResult) -> None:
        """Keep ``result``. Raises :class:`EdgeposeError` where the folder cannot be written or is full."""
        header = {"record": result.record, "sha256": _entry_digest(result.record, result.payload)}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EdgeposeError(
                f"cannot make the cache folder {self.folder}: {error.strerror}",
                f"name another one in {CACHE_VARIABLE}",
            ) from error
        try:
            write_bytes(self._path(stage, key), _canonical(header) + b"\n" + result.payload)
        except EdgeposeError as error:
            raise EdgeposeError(
                error.message, f"free space there, or name another cache in {CACHE_VARIABLE}"
            ) from error
        self._drop_oldest()

    def entries(self) -> list[os.DirEntry[str]]:
        """The files of the folder that are entries; others are the user's, who may have named any folder."""
        if not self.folder.is_dir():
            return []
        return [entry for entry in os.scandir(self.folder) if _ENTRY_NAME.match(entry.name)]

    def _path(self, stage: str, key: str) -> Path:
        return self.folder / f"{stage}-{key[:40]}"

    def _drop_oldest(self) -> None:
        with contextlib.suppress(OSError):
            entries = [(entry.stat().st_mtime, entry.stat().st_size, entry.path) for entry in self.entries()]
            total = sum(size for _, size, _ in entries)
            for _, size, path in sorted(entries):
                if total <= MAX_CACHE_BYTES:
                    break
                os.unlink(path)
                total -= size


def _read_entry(path: Path) -> StageResult | None:
    """The entry at ``path``, or None where it is absent or damaged."""
    try:
        if path.stat().st_size > MAX_ENTRY_BYTES:
            return None
        header_line, _, payload = path.read_bytes().partition(b"\n")
        header = json.loads(header_line)
        if header["sha256"] != _entry_digest(header["record"], payload):
            return None
        return StageResult(payload, header["record"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def stage_key(stage: str, inputs: dict[str, Any], tools: tuple[str, ...]) -> str:
    """The digest of everything a stage depends on: its inputs, edgepose's own source, and the tools' versions."""
    document = {"stage": stage, "inputs": inputs, "source": source_digest(), "tools": tool_versions(tools)}
    return hashlib.sha256(_canonical(document)).hexdigest()


def tool_versions(tools: tuple[str, ...]) -> dict[str, str]:
    """Installed version of each distribution in ``tools``; ``absent`` where it is not installed."""
    versions = {}
    for tool in tools:
        try:
            versions[tool] = metadata.version(tool)
        except metadata.PackageNotFoundError:
            versions[tool] = "absent"
    return versions


@lru_cache(maxsize=1)
def source_digest() -> str:
    """SHA-256 over edgepose's source and the recipe of its gate images: changed code never meets an old result."""
    root = Path(edgepose.__file__).parent
    digest = hashlib.sha256()
    for folder, pattern in ((root, "*.py"), (data_folder("calibration"), "*.toml")):
        for path in sorted(folder.rglob(pattern)):
            digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _entry_digest(record: dict[str, Any], payload: bytes) -> str:
    return hashlib.sha256(_canonical(record) + b"\n" + payload).hexdigest()


def _canonical(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("utf-8")
