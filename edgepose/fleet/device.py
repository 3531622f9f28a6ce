"""A device to bench on, and what to bench on it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from edgepose.bench.gates import NO_LIMITS, Limits
from edgepose.runtime.errors import UsageError
from edgepose.runtime.probe_set import BUNDLE_PROBE

# What ssh takes: a name from the user's configuration, an address, user@host; an option it must not become.
_HOST = re.compile(r"[A-Za-z0-9_.%:\[\]][A-Za-z0-9_.%:@\[\]+-]*\Z")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+ -]{0,79}\Z")


@dataclass(frozen=True)
class Device:
    """One board. ``host``: what ``ssh`` is given; ``name``: what records and reports call it.

    ``python``: the interpreter there, as the device's shell finds it; ``folder``: where the bundle is put while it
    runs, the home folder where empty. Raises :class:`UsageError` for names that cannot be.
    """

    host: str
    name: str = ""
    python: str = "python3"
    folder: str = ""

    def __post_init__(self) -> None:
        if not _HOST.match(self.host):
            raise UsageError(f"{self.host!r} is not a host for ssh", "user@host, or a name from your ssh configuration")
        if not self.name:
            object.__setattr__(self, "name", re.sub(r"[^A-Za-z0-9_.@+ -]", "_", self.host))
        if not _NAME.match(self.name):
            raise UsageError(f"{self.name!r} cannot name a device", "letters, digits, spaces and _ . @ + -")
        for what, text in (("python", self.python), ("folder", self.folder)):
            if "\n" in text or "\0" in text or text.startswith("-") or (what == "python" and not text):
                raise UsageError(f"{what} {text!r} of {self.name} cannot be", "a path on the device")


@dataclass(frozen=True)
class Job:
    """One bundle to bench on one device, and what is asked of the measurement, as ``bench`` takes it.

    ``probe``: a probe set to measure drift on, made of ``drift_source``. ``engine_options``: words for its engine, as
    :func:`edgepose.runtime.engine_options.option_words` gives them.
    """

    device: Device
    bundle: Path
    seconds: float = 5.0
    soak_minutes: float | None = None
    threads: int | None = None
    limits: Limits = field(default=NO_LIMITS)
    probe: Path | None = None
    drift_source: str = BUNDLE_PROBE
    engine_options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Device and bundle, in words."""
        return f"{self.device.name}, {self.bundle.name}"

    def arguments(self) -> list[str]:
        """The arguments of ``FILE.edgepose bench`` that ask for this job, without the probe's path."""
        words = ["--label", self.device.name, "--seconds", f"{self.seconds:g}"]
        if self.soak_minutes is not None:
            words += ["--soak", f"{self.soak_minutes:g}"]
        if self.threads is not None:
            words += ["--threads", str(self.threads)]
        for option, value in zip(("--max-drift", "--max-p95-ms", "--max-rss-mb"), self.limits, strict=True):
            if value is not None:
                words += [option, f"{value:g}"]
        return words + list(self.engine_options)
