"""Many jobs: devices at the same time, the bundles of one device after each other."""

from __future__ import annotations

import contextlib
import re
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from edgepose.fleet.device import Job
from edgepose.fleet.session import Session
from edgepose.records import Record, read_record
from edgepose.runtime.atomic import write_bytes
from edgepose.runtime.bench_command import bench_settings, record_bytes
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.errors import EdgeposeError, RecordError, UsageError
from edgepose.runtime.probe_set import sha256_of

# What a bundle brings since it can be watched from afar.
NEEDED_MEMBER = "edgepose/runtime/attended.py"
# Called with the job, the phase, and how much of how much of it is done.
JobProgress = Callable[[Job, str, float, float | None], None]


@dataclass(frozen=True, eq=False)
class Outcome:
    """How a job ended: with a ``record``, or with an ``error``. ``kept``: its record was there already."""

    job: Job
    record: Record | None
    error: EdgeposeError | None
    kept: bool = False


def run_jobs(
    jobs: Sequence[Job],
    folder: Path,
    progress: JobProgress,
    ssh: Sequence[str] = ("ssh",),
    again: bool = False,
) -> list[Outcome]:
    """Run ``jobs``, and write the record of each into ``folder`` as soon as it comes; outcomes in their order.

    A job whose record lies there, of the same bundle and settings, is not run again unless ``again``: an interrupted
    fleet goes on where it was. A device that fails keeps none of the others. Raises :class:`EdgeposeError` before
    anything is sent, for a bundle that is not whole, and as :func:`require_places` does. Ctrl-C closes every
    connection, and is raised.
    """
    digests = {path: _sendable(path) for path in dict.fromkeys(job.bundle for job in jobs)}
    digests |= {path: sha256_of(path) for path in {job.probe for job in jobs} if path is not None}
    require_places(jobs, folder)
    queues: dict[str, list[Job]] = {}
    for job in jobs:
        queues.setdefault(job.device.host, []).append(job)
    outcomes: dict[Job, Outcome] = {}
    sessions: set[Session] = set()
    stopped = threading.Event()

    def work_through(queue: list[Job]) -> None:
        for job in queue:
            if stopped.is_set():
                return
            path = record_path(folder, job)
            kept = None if again else _kept_record(path, job, digests)
            outcomes[job] = Outcome(job, kept, None, kept=True) if kept is not None else run(job, path)
            progress(job, "kept" if kept else "failed" if outcomes[job].error else "done", 1, 1)

    def run(job: Job, path: Path) -> Outcome:
        session = Session(job, ssh)
        sessions.add(session)
        try:
            _require_own(path, job)
            document = session.run(lambda phase, done, total: progress(job, phase, done, total))
            write_bytes(str(path), record_bytes(document))
            return Outcome(job, Record(path, document), None)
        except EdgeposeError as error:
            return Outcome(job, None, error)
        except (OSError, ValueError, KeyError, TypeError) as error:
            return Outcome(job, None, EdgeposeError(f"the device's answer cannot be understood: {error!r}"))
        finally:
            sessions.discard(session)

    with ThreadPoolExecutor(max_workers=len(queues)) as pool:
        running = [pool.submit(work_through, queue) for queue in queues.values()]
        try:
            for one in running:
                one.result()
        except BaseException:
            stopped.set()
            for session in list(sessions):
                session.cancel()
            raise
    return [outcomes[job] for job in jobs]


def require_places(jobs: Sequence[Job], folder: Path) -> None:
    """Make ``folder``, and see that each of ``jobs`` can write a record of its own there: before the work, not after.

    Raises :class:`EdgeposeError` where nothing can be written, :class:`UsageError` where two would write one file.
    """
    taken: dict[str, Job] = {}
    for job in jobs:
        path = record_path(folder, job)
        # Some file systems do not tell upper from lower case.
        place = path.name.lower()
        if place in taken:
            raise UsageError(
                f"{taken[place].name} and {job.name} would both write {path}",
                "name devices otherwise (name = in a fleet file), or bundles",
            )
        taken[place] = job
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "it is a file" if folder.exists() else error.strerror or error
        raise EdgeposeError(f"cannot make the folder {folder}: {reason}", "name another folder: --output") from error
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise EdgeposeError(
            f"cannot write to the folder {folder}: {error.strerror}", "name another folder: --output"
        ) from error


def _require_own(path: Path, job: Job) -> None:
    """Raise :class:`EdgeposeError` where ``path`` holds what another device measured: it would be lost."""
    with contextlib.suppress(RecordError):  # there is none, or none that can be read
        device = read_record(path).document["device"]
        if device != job.device.name:
            raise EdgeposeError(f"{path} is a record of {device or 'this machine'}", "name another folder: --output")


def _sendable(path: Path) -> str:
    """SHA-256 of the bundle at ``path``, which must bring the code that benches it on a device."""
    bundle = Bundle.open(path)
    if NEEDED_MEMBER not in bundle.manifest.members:
        raise EdgeposeError(
            f"{path} was written by an edgepose {bundle.manifest.edgepose} whose bundles do not bench over SSH",
            "convert again with this one",
        )
    return bundle.sha256


def record_path(folder: Path, job: Job) -> Path:
    """Where the record of ``job`` lies in ``folder``."""
    name = re.sub(r"[^A-Za-z0-9_.@+-]", "-", f"{job.device.name}-{job.bundle.stem}")
    return folder / f"{name}.json"


def _kept_record(path: Path, job: Job, digests: Mapping[Path, str]) -> Record | None:
    """The record at ``path`` where it is what ``job`` would measure; ``digests`` of bundles and probe sets."""
    if not path.exists():
        return None
    try:
        record = read_record(path)
    except RecordError:
        return None
    document = record.document
    wanted = bench_settings(job.seconds, job.soak_minutes)._asdict()
    engine, drift, gate = document["engine"], document["drift"], document["gate"]
    asked = [bound for bound in (job.limits.max_drift, *job.limits) if bound is not None]
    same = (
        document["device"] == job.device.name
        and document["bundle"]["sha256"] == digests[job.bundle]
        and all(document["settings"][name] == value for name, value in wanted.items())
        # Records from before these were told are of who knows how many threads, and of any set of that name.
        and job.threads == engine.get("threads_asked", engine["threads"])
        and list(job.engine_options) == engine.get("options", [])
        and asked == [bound["at_most"] for bound in (gate["bounds"] if gate is not None else [])]
        and drift is not None
        and drift.get("set_sha256", "") == (None if job.probe is None else digests[job.probe])
    )
    return record if same else None
