"""Progress bars for work of known length."""

from __future__ import annotations

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from edgepose.cli.console import err


class CountedProgress:
    """A bar fed with (done, total); ``total`` may be None while it is not known. Use it as a context manager."""

    def __init__(self, title: str, *, of_bytes: bool = False):
        amount = DownloadColumn() if of_bytes else MofNCompleteColumn()
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            amount,
            TimeRemainingColumn(),
            console=err,
            transient=True,
            disable=not err.is_terminal,
        )
        self._bar = self._bars.add_task(title, total=None)

    def __enter__(self) -> CountedProgress:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def __call__(self, done: int, total: int | None) -> None:
        """Show that ``done`` of ``total`` is done."""
        self._bars.update(self._bar, completed=done, total=total)
