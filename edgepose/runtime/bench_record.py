"""What a bundle does on this machine, as one record: the estimator under :mod:`edgepose.bench`.

The record is a JSON object of schema version 2; ``docs/bench.md`` says what its fields hold.
"""

import base64
import os
import time
import unicodedata
from typing import Any, Dict  # noqa: F401 - in a type comment

import cv2

from edgepose.bench import findings
from edgepose.bench.conditions import conditions
from edgepose.bench.gates import NO_LIMITS, check_gate, require_measurable
from edgepose.bench.measure import DEFAULT_SETTINGS, SINGLE_STREAM, measure
from edgepose.bench.sampler import Sampler
from edgepose.bench.sensors import find_sensors
from edgepose.bench.sensors.memory import peak_memory_mb
from edgepose.bench.statistics import percentile, summarise
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.edgetpu_devices import attached_edge_tpus, runtime_clock
from edgepose.runtime.engine_options import option_words
from edgepose.runtime.errors import UsageError
from edgepose.runtime.estimator import PoseEstimator
from edgepose.runtime.probe_drift import measure_drift
from edgepose.runtime.probe_set import open_probe
from edgepose.runtime.sources import open_sources
from edgepose.version import __version__

SCHEMA = 2
# Where an emulator is the device, or the CPU does an accelerator's work, times mean nothing.
MEASURED, EMULATED, SIMULATED = "measured", "emulated", "host-simulated"
PARTS = ("capture", "preprocess", "engine", "decode", "total")
# The probe's crops, as pictures in the record.
PICTURES, PICTURE_SIDE, PICTURE_QUALITY = 4, 320, 85
FRAMES_HELD = 16
NULL_CALLS = 200
MAX_LABEL = 200
# Control characters, halves of surrogate pairs, and ends of lines and paragraphs: no table or file survives them.
_UNWRITABLE = ("Cc", "Cs", "Zl", "Zp")
# Of the processors, busy with something else before anything began.
BUSY = 0.5


def bench_bundle(
    path,
    threads=None,
    settings=DEFAULT_SETTINGS,
    limits=NO_LIMITS,
    sources=(),
    probe=None,
    label=None,
    progress=None,
    accelerator=(),
):
    """Run the bundle at ``path``, take note of everything, and return the record, a JSON-able mapping.

    Frames are the crops of the probe, already in memory; or of ``sources`` (images, videos, folders), read and decoded
    anew for each call, round and round. Drift is measured on the bundle's probe, or on the one at ``probe``, a zip as
    ``edgepose bench --dataset`` makes them. ``label`` names the device. ``progress(phase, done, total)`` is told how
    far each phase is: in seconds, or persons of 'drift'. ``accelerator``: the options of :class:`PoseEstimator` from
    ``device`` on; where it says that another does the accelerator's work, the record is 'host-simulated'. Raises
    :class:`UsageError` for a ``label``, ``settings`` and ``limits`` that cannot be, and what opening and running a
    bundle raises.
    """
    require_label(label)
    machine = conditions()
    measured_at = _utc(time.time())
    emulated = machine["emulator"] is not None
    clock = time.perf_counter
    began = clock()
    bundle = Bundle.open(path)
    opened = clock()
    with open_probe(bundle, probe) as crops:
        held = [crop.image for crop in crops.first(FRAMES_HELD)]
        next_frame = _from_sources(sources) if sources else _from_memory(held)
        overhead = _harness_overhead_us()
        found = find_sensors()
        opening = clock()
        with PoseEstimator(bundle, threads, None, *accelerator) as estimator:
            simulated = estimator.fallback is not None
            require_measurable(limits, crops.labelled, not (emulated or simulated), peak_memory_mb() is not None)
            loaded = clock()

            def find_one_pose(number):
                start = clock()
                frame = next_frame(number)
                captured = clock() - start
                estimator(frame)
                return dict(estimator.timings._asdict(), capture=captured)

            def told(phase, seconds, _):
                if progress is not None:
                    progress(phase, seconds, settings.min_duration_s if phase == "measuring" else None)

            with Sampler(found.sensors) as sampler:
                measured = measure(find_one_pose, settings, clock, told)
            peak_mb = peak_memory_mb()
            record = {
                "schema": SCHEMA,
                "kind": EMULATED if emulated else SIMULATED if simulated else MEASURED,
                "measured_at": measured_at,
                "edgepose": __version__,
                "device": label,
                "bundle": _bundle(bundle),
                "engine": {
                    "library": estimator.library,
                    "threads": estimator.threads,
                    "threads_asked": None if threads is None else estimator.threads,
                    "decoder": estimator.decoder,
                    "options": option_words(*accelerator),
                    "fallback": estimator.fallback,
                },
                "settings": dict(settings._asdict(), sample_interval_s=sampler.interval_s),
                "capture": {
                    "from": "files" if sources else "memory",
                    "frames": sorted({"{}x{}".format(one.shape[1], one.shape[0]) for one in held})
                    if not sources
                    else [os.fsencode(str(one)).decode("utf-8", "replace") for one in sources],
                },
                "conditions": machine,
                "load_ms": {"bundle": _ms(opened - began), "engine": _ms(loaded - opening)},
                "harness_overhead_us": overhead,
            }  # type: Dict[str, Any]
        record.update(_latency(measured))
        record.update(_sensed(measured, sampler, found.absent, peak_mb))
        record["edgetpu"] = _edgetpu(bundle)
        record["drift"] = _drift(bundle, crops, threads, accelerator, progress)
    record["gate"] = check_gate(limits, _losses(record), record["latency_ms"]["total"]["p95"], peak_mb)
    record["warnings"] = _warnings(record, sampler)
    return record


def require_label(label):
    """Raise :class:`UsageError` for what cannot name a device in a record; None may."""
    if label is None:
        return
    if len(label) > MAX_LABEL or any(unicodedata.category(one) in _UNWRITABLE for one in label):
        raise UsageError(
            "{!r} cannot name a device".format(label[:MAX_LABEL]), "one line, at most {} characters".format(MAX_LABEL)
        )


def _bundle(bundle):
    manifest = bundle.manifest
    return {
        "name": manifest.name,
        "variant": manifest.variant,
        "target": manifest.target,
        "precision": manifest.precision,
        "sha256": bundle.sha256,
        "engine_bytes": manifest.members[manifest.engine.member].bytes,
        "macs": manifest.engine.macs,
    }


def _latency(measured):
    in_ms = {part: _all_ms(measured.samples[part]) for part in PARTS}
    return {
        "first_call_ms": {part: _ms(measured.first[part]) for part in PARTS},
        "warm_up": {"steady": measured.steady, "samples_ms": _all_ms(measured.warm_up)},
        "latency_ms": {part: _rounded(summarise(in_ms[part])) for part in PARTS},
        "duration_s": round(measured.duration, 4),
        "poses_per_s": round(len(measured.starts) / measured.duration, 4),
        "samples_ms": in_ms,
        "starts_ms": _all_ms(measured.starts),
    }


def _sensed(measured, sampler, absent, peak_mb):
    """What the sensors say of the run, and all their samples; times are seconds after the first measured call."""
    times = [time - measured.started for time in sampler.times]
    during = [number for number, time in enumerate(times) if time >= 0] or [len(times) - 1]
    columns = [[column[number] for number in during] for column in sampler.values]
    resident = [
        value
        for sensor, column in zip(sampler.sensors, columns)
        if sensor.kind == "memory"
        for value in column
        if value is not None
    ]
    available = [
        value
        for sensor, column in zip(sampler.sensors, columns)
        if sensor.kind == "memory_available"
        for value in column
        if value is not None
    ]
    own = sum(len(one) * one.itemsize for one in list(measured.samples.values()) + [measured.starts]) / 1e6
    return {
        "throttling": findings.throttling(sampler.sensors, columns, absent),
        "power": findings.power(
            sampler.sensors, [times[number] for number in during], columns, len(measured.starts), measured.duration
        ),
        "memory": {
            "peak_mb": peak_mb,
            "growth_mb": round(resident[-1] - resident[0], 1) if resident else None,
            "samples_mb": round(own, 1),
            "least_available_mb": min(available) if available else None,
        },
        "sensors": {
            "times_s": [round(time, 3) for time in times],
            "took_ms": _all_ms(sampler.took),
            "series": [
                {
                    "kind": sensor.kind,
                    "name": sensor.name,
                    "unit": sensor.unit,
                    "values": [None if value is None else round(value, 4) for value in column],
                }
                for sensor, column in zip(sampler.sensors, sampler.values)
            ],
            "absent": dict(absent),
        },
    }


def _edgetpu(bundle):
    """The Edge TPUs attached, afterwards, and libedgetpu's clock; None for other engines."""
    if bundle.manifest.engine.format != "edgetpu":
        return None
    return {"attached": [one._asdict() for one in attached_edge_tpus()], "clock": runtime_clock()}


def _drift(bundle, crops, threads, accelerator, progress):
    # The bundle's own decoder may be another than the one that the float model's joints were found with.
    with PoseEstimator(bundle, threads, crops.decoder, *accelerator) as estimator:
        told = None if progress is None else lambda done: progress("drift", done, len(crops))
        report = measure_drift(estimator, crops, crops.source, told)
    report["set_sha256"] = crops.sha256
    if crops.sha256 is None:
        for crop, entry in zip(crops.first(PICTURES), report["crops"]):
            entry.update(_picture(crop.image))
    else:  # a data set's persons are not the record's to pass on
        report["crops"] = []
    return report


def _picture(image):
    scale = min(1.0, PICTURE_SIDE / float(max(image.shape[:2])))
    small = image if scale == 1 else cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, PICTURE_QUALITY])[1].tobytes()
    return {"picture_scale": scale, "picture_jpeg": base64.b64encode(encoded).decode("ascii")}


def _losses(record):
    drift = record["drift"]
    if drift["pckh50_points"] is None:
        return None
    return [0.0 - drift[name]["total"] for name in ("pckh50_points", "pckh10_points")]


def _warnings(record, sampler):
    """Sentences about what makes the figures less than they look; every view shows them."""
    machine, sentences = record["conditions"], []
    if record["kind"] == EMULATED:
        sentences.append("emulated ({}): the times say nothing about the device".format(machine["emulator"]))
    if record["kind"] == SIMULATED:
        sentences.append("BY THE CPU, not the accelerator: {}".format(record["engine"]["fallback"]))
    throttling = record["throttling"]
    if throttling["throttled"]:
        sentences.append(
            "THROTTLED in {:.0%} of the samples: {}".format(
                throttling["share_of_samples"], ", ".join(throttling["now"])
            )
        )
    sentences += findings.fallen_clocks(sampler.sensors, sampler.values)
    if record["warm_up"]["steady"] is False:
        sentences.append("not steady after {:g} s of warm-up".format(record["settings"]["max_warm_up_s"]))
    if machine["load_average"] is not None and machine["load_average"] > BUSY * (machine["processors"] or 1):
        sentences.append(
            "other programs were running: load average {} on {} processors".format(
                machine["load_average"], machine["processors"]
            )
        )
    return sentences


def _from_memory(frames):
    return lambda number: frames[number % len(frames)]


def _from_sources(paths):
    sources = open_sources(paths)

    def endless():
        while True:
            for source in sources:
                for frame in source.frames():
                    yield frame.image

    frames = endless()
    return lambda number: next(frames)


def _harness_overhead_us():
    """Median microseconds that the harness finds a call to take that does nothing."""
    settings = DEFAULT_SETTINGS._replace(min_duration_s=0.0, min_calls=NULL_CALLS, scenario=SINGLE_STREAM)
    samples = measure(lambda _: None, settings).samples["total"]
    return round(percentile(samples, 50) * 1e6, 2)


def _ms(seconds):
    return round(seconds * 1e3, 4)


def _all_ms(seconds):
    return [round(one * 1e3, 4) for one in seconds]


def _rounded(summary):
    def short(value):
        if isinstance(value, list):
            return [short(one) for one in value]
        return round(value, 4) if isinstance(value, float) else value

    return {name: short(value) for name, value in summary.items()}


def _utc(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
