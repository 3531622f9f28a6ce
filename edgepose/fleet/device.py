"""A device to bench on, and what to bench on it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from edgepose.bench.gates import NO_LIMITS, OPTIONS, Limits, require_possible
from edgepose.runtime.errors import UsageError
from edgepose.runtime.estimator import require_threads

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

    ``probe``: a probe set to measure drift on. ``engine_options``: words for its engine, as
    :func:`edgepose.runtime.engine_options.option_words` gives them. Raises :class:`UsageError` for threads and limits
    that cannot be: here, not when the bundle is on the device.
    """

    device: Device
    bundle: Path
    seconds: float = 5.0
    soak_minutes: float | None = None
    threads: int | None = None
    limits: Limits = field(default=NO_LIMITS)
    probe: Path | None = None
    engine_options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.threads is not None:
            require_threads(self.threads)
        require_possible(self.limits)

    @property
    def name(self) -> str:
        """Device and bundle, in words."""
        return f"{self.device.name}, {self.bundle.name}"

    def arguments(self) -> list[str]:
        """The arguments of ``FILE.edgepose bench`` that ask for this job, without the probe's path."""
        words = ["--label", self.device.name, "--seconds", repr(self.seconds)]
        if self.soak_minutes is not None:
            words += ["--soak", repr(self.soak_minutes)]
        if self.threads is not None:
            words += ["--threads", str(self.threads)]
        for option, value in zip(OPTIONS, self.limits, strict=True):
            if value is not None:
                words += [option, repr(value)]
        return words + list(self.engine_options)
