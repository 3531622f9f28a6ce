"""What a conversion tells whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class StageReport:
    """One finished stage: its name, what came of it in a few words, seconds taken, and whether the cache had it."""

    name: str
    note: str
    seconds: float
    cached: bool


class Progress(Protocol):
    """Receives the course of a conversion, in order."""

    def begin(self, stage: str) -> None:
        """``stage`` starts."""

    def detail(self, message: str) -> None:
        """What the stage that began last is doing."""

    def end(self, report: StageReport) -> None:
        """The stage that began last is done."""

    def warn(self, message: str) -> None:
        """Something the user should know, which does not stop the conversion."""


@dataclass
class SilentProgress:
    """Shows nothing and keeps what it was told."""

    reports: list[StageReport] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def begin(self, stage: str) -> None:
        """Nothing to show."""

    def detail(self, message: str) -> None:
        """Nothing to show."""

    def end(self, report: StageReport) -> None:
        """Keep the report."""
        self.reports.append(report)

    def warn(self, message: str) -> None:
        """Keep the warning."""
        self.warnings.append(message)
