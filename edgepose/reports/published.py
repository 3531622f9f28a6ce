"""What others have published of their pose estimators: told as theirs, never among what was measured."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = Path(__file__).parent / "published.toml"


@dataclass(frozen=True)
class PublishedPoint:
    """One line of somebody's table: ``ms`` of one inference and ``value`` of ``metric``, as ``source`` has them."""

    model: str
    device: str
    ms: float
    metric: str
    value: float
    source: str


def published_points() -> list[PublishedPoint]:
    """Every point of ``published.toml``."""
    return [PublishedPoint(**entry) for entry in tomllib.loads(FILE.read_text(encoding="utf-8"))["point"]]
