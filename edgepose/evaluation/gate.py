"""The gate of an evaluation: how much drift is too much.

The point estimate decides, not its interval: it is what the table says, the same command gives it again, and an
interval that reaches beyond the bound would fail every engine on a small data set. The interval is told beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from edgepose.bench.bootstrap import Interval
from edgepose.evaluation.datasets import PoseDataset
from edgepose.evaluation.drift import Drift
from edgepose.runtime.errors import UsageError


class Bound(NamedTuple):
    """One measured figure and what it must not pass: ``value`` at most, or at least, ``bound``."""

    measure: str
    value: float
    interval: Interval
    at_most: float | None
    at_least: float | None

    @property
    def held(self) -> bool:
        """Whether the point estimate keeps to the bound, edge included."""
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )

    def __str__(self) -> str:
        bound = f"at most {self.at_most:g}" if self.at_most is not None else f"at least {self.at_least:g}"
        low, high = self.interval
        return f"{self.measure} is {self.value:.2f} ({low:.2f} to {high:.2f}), not {bound}"


@dataclass(frozen=True)
class Gate:
    """Every bound that was asked for."""

    bounds: tuple[Bound, ...]

    @property
    def held(self) -> bool:
        """Whether all of them are kept."""
        return all(bound.held for bound in self.bounds)

    def __str__(self) -> str:
        return "; ".join(str(bound) for bound in self.bounds if not bound.held)

    def to_dict(self) -> dict[str, Any]:
        """The gate as JSON values."""
        bounds = [
            {**bound._asdict(), "interval": [round(side, 4) for side in bound.interval], "held": bound.held}
            for bound in self.bounds
        ]
        return {"held": self.held, "bounds": bounds}


@dataclass(frozen=True)
class Limits:
    """What is asked of a drift. ``max_drift``: points of PCKh@50, and of @10, that may be lost; ``min_agreement``:
    percent of joints that must lie within 0.1 head of the reference's. ``None``: not asked."""

    max_drift: float | None = None
    min_agreement: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("--max-drift", self.max_drift), ("--min-agreement", self.min_agreement)):
            if value is not None and not 0 <= value <= 100:
                raise UsageError(f"{name} {value:g} cannot be", "0 to 100")

    @property
    def any(self) -> bool:
        """Whether anything is asked."""
        return self.max_drift is not None or self.min_agreement is not None

    def require_possible(self, dataset: PoseDataset) -> None:
        """Raise :class:`UsageError` where ``dataset`` lacks the labels that ``max_drift`` needs."""
        if self.max_drift is not None and not dataset.labelled:
            raise UsageError(
                f"--max-drift bounds a loss of PCKh, and {dataset.name!r} lacks labels", "--min-agreement needs none"
            )


def check_gate(drift: Drift, limits: Limits) -> Gate:
    """Hold ``drift`` against ``limits``, which must be possible for its data."""
    bounds = []
    if limits.max_drift is not None:
        assert drift.pckh50 is not None
        assert drift.pckh10 is not None
        for name, shares in (("the loss of PCKh@50", drift.pckh50), ("the loss of PCKh@10", drift.pckh10)):
            loss = Interval(0.0 - shares.interval.high, 0.0 - shares.interval.low)
            bounds.append(Bound(f"{name} in points", 0.0 - shares.total, loss, limits.max_drift, None))
    if limits.min_agreement is not None:
        name = "the percentage of joints within 0.1 head of the reference's"
        bounds.append(Bound(name, drift.within01.total, drift.within01.interval, None, limits.min_agreement))
    return Gate(tuple(bounds))
