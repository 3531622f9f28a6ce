"""Folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from edgepose.runtime.atomic import write_error


class NewFolder:
    """A folder that takes the place of ``path`` when the block ends without error.

    On any error, Ctrl-C included, it is removed and ``path`` keeps what it held before. Raises :class:`EdgeposeError`
    where the folder around ``path`` is missing, not writable, or full.
    """

    def __init__(self, path: Path):
        self._path = path.resolve()

    def __enter__(self) -> Path:
        try:
            self._work = Path(tempfile.mkdtemp(prefix=".edgepose-", dir=self._path.parent))
            self._new = self._work / "new"
            self._new.mkdir()
        except OSError as error:
            raise write_error(self._path, error) from error
        return self._new

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        try:
            if error is None:
                self._take_place()
            elif isinstance(error, OSError):
                raise write_error(self._path, error) from error
        except OSError as problem:
            raise write_error(self._path, problem) from problem
        finally:
            shutil.rmtree(self._work, ignore_errors=True)

    def _take_place(self) -> None:
        old = self._work / "old"
        try:
            if self._path.exists():
                os.replace(self._path, old)
            os.replace(self._new, self._path)
        except BaseException:  # Ctrl-C between the two, or another who took the place first
            if old.exists() and not self._path.exists():
                os.replace(old, self._path)
            raise
