"""``python3 FILE.edgepose bench``: measure, show or write the record, and hold it against the bounds asked for."""

import json
import sys

from edgepose.bench.gates import Limits, broken_bounds
from edgepose.bench.measure import DEFAULT_SETTINGS, MAX_DURATION_S, sustained
from edgepose.runtime.announce import announced
from edgepose.runtime.atomic import require_place, write_bytes
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
    if options.json not in (None, "-"):
        require_place(options.json, [bundle_path] + options.source + [one for one in [options.probe] if one])
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
        show_and_keep(record, options.json, options.json == "-")
    require_gate(record)
    return EXIT_DONE


def bench_settings(seconds, soak_minutes=None):
    """The :class:`Settings` for that many seconds, or minutes of sustained load."""
    if soak_minutes is not None:
        return sustained(soak_minutes)
    if not 0 <= seconds <= MAX_DURATION_S:
        raise UsageError("{} seconds cannot be measured".format(seconds), "up to a week")
    return DEFAULT_SETTINGS._replace(min_duration_s=seconds)


def record_bytes(record):
    """A record as it is written: the same record gives the same bytes."""
    return (json.dumps(record, sort_keys=True, allow_nan=False) + "\n").encode("ascii")


def show_and_keep(record, path, as_json):
    """Write ``record`` to the file ``path``, unless that is None or ``-``, and to standard output: a table, or JSON."""
    try:
        if path not in (None, "-"):
            write_bytes(path, record_bytes(record))
    finally:
        # Minutes of measuring are not lost to a disk that has filled up meanwhile.
        sys.stdout.write(record_bytes(record).decode("ascii") if as_json else bench_table(record) + "\n")


def require_gate(record):
    """Raise :class:`GateError` where a bound of ``record`` is not kept."""
    if record["gate"] is not None and not record["gate"]["held"]:
        raise GateError("the gate does not hold: " + broken_bounds(record["gate"]))
