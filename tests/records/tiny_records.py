"""A real record of a tiny bundle, measured once, and what tests make of it."""

import copy
import functools
import json
import tempfile
from pathlib import Path

from tiny_bundles import probe_members, squares, tiny_bundle

from edgepose.bench.measure import DEFAULT_SETTINGS
from edgepose.bench.statistics import summarise
from edgepose.runtime.bench_record import bench_bundle

FOUND = [(23, 23), (23, 39), (39, 23)]


@functools.lru_cache(maxsize=1)
def _measured():
    probe = probe_members([FOUND[joint % 3] for joint in range(16)], squares(64, 64))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.edgepose"
        path.write_bytes(tiny_bundle("tflite", probe=probe))
        return bench_bundle(path, threads=1, settings=DEFAULT_SETTINGS._replace(min_duration_s=0.0))


def tiny_record(**fields):
    """A fresh copy of the record, ``fields`` (of its conditions, or its own) replaced."""
    record = copy.deepcopy(_measured())
    # Whatever this machine was doing meanwhile.
    record["conditions"].update(load_average=0.0, temperature_c=None)
    record["warm_up"]["steady"] = True
    record["warnings"] = []
    for name, value in fields.items():
        (record["conditions"] if name in record["conditions"] else record)[name] = value
    return record


def with_latencies(record, milliseconds):
    """``record`` whose calls took ``milliseconds`` (a list) each, one after the other."""
    starts = [sum(milliseconds[:number]) for number in range(len(milliseconds))]
    shares = {"capture": 0.01, "preprocess": 0.04, "engine": 0.9, "decode": 0.05, "total": 1.0}
    record["starts_ms"] = starts
    record["samples_ms"] = {part: [share * one for one in milliseconds] for part, share in shares.items()}
    record["latency_ms"] = {part: summarise(one) for part, one in record["samples_ms"].items()}
    record["duration_s"] = sum(milliseconds) / 1e3
    record["poses_per_s"] = len(milliseconds) / record["duration_s"]
    return record


def write_record(path, record):
    path.write_text(json.dumps(record))
    return path
