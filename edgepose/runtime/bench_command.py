"""``python3 FILE.edgepose bench``: measure, show or write the record, and hold it against the bounds asked for."""

import json
import os
import sys

from edgepose.bench.gates import Limits, broken_bounds
from edgepose.bench.measure import DEFAULT_SETTINGS, sustained
from edgepose.runtime.announce import announced
from edgepose.runtime.atomic import write_bytes
from edgepose.runtime.attended import Attendance
from edgepose.runtime.bench_progress import BenchLine
from edgepose.runtime.bench_record import bench_bundle
from edgepose.runtime.bench_table import bench_table
from edgepose.runtime.errors import EXIT_DONE, GateError, UsageError
from edgepose.runtime.quiet import engine_chatter_hidden


def bench(bundle_path, options, accelerator):
    """Bench ``bundle_path`` as the parsed ``options`` say; the exit code. Raises :class:`GateError` at the very end.

    ``accelerator``: as for :func:`bench_bundle`.
    """
    settings = bench_settings(options.seconds, options.soak)
    require_place(options.json)
    limits = Limits(options.max_drift, options.max_p95_ms, options.max_rss_mb)
    attendance = None if options.attended is None else Attendance(options.attended)
    with attendance or BenchLine() as progress, announced(), engine_chatter_hidden():
        record = bench_bundle(
            bundle_path,
            threads=options.threads,
            settings=settings,
            limits=limits,
            sources=options.source,
            probe=options.probe,
            accelerator=accelerator,
            label=options.label,
            progress=progress,
        )
    if attendance is not None:
        attendance.say("record", record_bytes(record).decode("ascii").rstrip())
    else:
        write_record(record, options.json)
        if options.json != "-":
            sys.stdout.write(bench_table(record) + "\n")
    require_gate(record)
    return EXIT_DONE


def bench_settings(seconds, soak_minutes=None):
    """The :class:`Settings` for that many seconds, or minutes of sustained load."""
    if soak_minutes is not None:
        return sustained(soak_minutes)
    if not seconds >= 0:
        raise UsageError("{} seconds cannot be measured".format(seconds))
    return DEFAULT_SETTINGS._replace(min_duration_s=seconds)


def require_place(path):
    """Raise :class:`UsageError` where there is no folder for the record at ``path``: before the work, not after."""
    if path not in (None, "-") and not os.path.isdir(os.path.dirname(os.path.realpath(path))):
        raise UsageError("there is no folder for {}".format(path), "make it first")


def record_bytes(record):
    """A record as it is written: the same record gives the same bytes."""
    return (json.dumps(record, sort_keys=True, allow_nan=False) + "\n").encode("ascii")


def write_record(record, path):
    """Write ``record`` to ``path``, to standard output where that is ``-``; nowhere where it is None."""
    if path == "-":
        sys.stdout.write(record_bytes(record).decode("ascii"))
    elif path is not None:
        write_bytes(path, record_bytes(record))


def require_gate(record):
    """Raise :class:`GateError` where a bound of ``record`` is not kept."""
    if record["gate"] is not None and not record["gate"]["held"]:
        raise GateError("the gate does not hold: " + broken_bounds(record["gate"]))
