"""How long one bundle takes on this machine: the estimator under :mod:`edgepose.bench`."""

from edgepose.bench.conditions import conditions, peak_memory_mb
from edgepose.bench.measure import DEFAULT_SETTINGS, measure
from edgepose.bench.statistics import summarise
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.edgetpu_devices import EdgeTpu, attached_edge_tpus, describe, runtime_clock
from edgepose.runtime.errors import UsageError
from edgepose.runtime.estimator import PoseEstimator
from edgepose.runtime.probe import read_probe

PARTS = ("preprocess", "engine", "decode", "total")
MAX_SECONDS = 86400.0
# How the conditions read in the table.
MACHINE_WORDS = (
    ("machine", "{}"),
    ("processors", "{} processors"),
    ("architecture", "{}"),
    ("load_average", "load {}"),
    ("governor", "governor {}"),
    ("temperature_c", "{} C"),
)


def bench_bundle(
    path,
    threads=None,
    seconds=DEFAULT_SETTINGS.min_duration_s,
    device=None,
    allow_cpu=False,
    tensorrt=None,
    simulate=False,
):
    """Run the bundle at ``path`` on its own probe crops for ``seconds`` or longer.

    Returns a JSON-able report: ``kind`` ('measured', or 'host-simulated' where the CPU did an accelerator's work:
    ``fallback`` says why), the bundle, ``conditions`` (taken before), ``peak_memory_mb`` of this process,
    ``latency_ms`` (p50, p90, p99, max, mean of each part) and every sample in ``samples_ms``; for an engine of the
    Edge TPU ``edgetpu``: the devices attached, afterwards, and libedgetpu's clock. The other options are those of
    :class:`PoseEstimator`.

    Raises :class:`UsageError` for a duration that cannot be, and what opening and running a bundle raises.
    """
    if not 0 <= seconds <= MAX_SECONDS:
        raise UsageError("{} seconds cannot be measured".format(seconds), "0 to {:.0f}".format(MAX_SECONDS))
    before = conditions()
    bundle = Bundle.open(path)
    frames = [crop.image for crop in read_probe(bundle).crops]
    with PoseEstimator(bundle, threads, None, device, allow_cpu, tensorrt, simulate) as estimator:

        def find_one_pose(number):
            estimator(frames[number % len(frames)])
            return estimator.timings._asdict()

        samples = measure(find_one_pose, DEFAULT_SETTINGS._replace(min_duration_s=seconds))
        in_ms = {part: [round(value * 1e3, 4) for value in samples[part]] for part in PARTS}
        edgetpu = None
        if bundle.manifest.engine.format == "edgetpu":
            edgetpu = {"attached": [one._asdict() for one in attached_edge_tpus()], "clock": runtime_clock()}
        return {
            "kind": "measured" if estimator.fallback is None else "host-simulated",
            "bundle": bundle.manifest.name,
            "bundle_sha256": bundle.sha256,
            "decoder": estimator.decoder,
            "engine_library": estimator.library,
            "fallback": estimator.fallback,
            "edgetpu": edgetpu,
            "threads": estimator.threads,
            "frames": ["{}x{}".format(frame.shape[1], frame.shape[0]) for frame in frames],
            "conditions": before,
            "peak_memory_mb": peak_memory_mb(),
            "latency_ms": {part: summarise(in_ms[part]) for part in PARTS},
            "samples_ms": in_ms,
        }


def latency_table(report):
    """The lines that a person reads of a report of :func:`bench_bundle`."""
    machine = report["conditions"]
    lines = [] if report["fallback"] is None else ["BY THE CPU, not the accelerator: {}".format(report["fallback"])]
    lines += [
        "{}, {} thread{}, {}".format(
            report["bundle"], report["threads"], "" if report["threads"] == 1 else "s", report["engine_library"]
        ),
        "",
        "{:<11} {:>8} {:>8} {:>8} {:>8}".format("measured ms", "p50", "p90", "p99", "max"),
    ]
    for part in PARTS:
        summary = report["latency_ms"][part]
        numbers = " ".join("{:8.2f}".format(summary[name]) for name in ("p50", "p90", "p99", "max"))
        lines.append("{:<11} {}".format(part, numbers))
    lines += [
        "",
        "{} frames of {}; {:.1f} a second; peak memory {} MB".format(
            report["latency_ms"]["total"]["samples"],
            ", ".join(sorted(set(report["frames"]))),
            1e3 / report["latency_ms"]["total"]["mean"],
            report["peak_memory_mb"],
        ),
        ", ".join(
            form.format(machine[name])
            for name, form in MACHINE_WORDS
            if machine[name] is not None  # no such sensor here
        ),
    ]
    for device in (report["edgetpu"] or {}).get("attached", ()):
        lines.append(describe(EdgeTpu(**device), report["edgetpu"]["clock"]))
    lines += [
        "Python {python}, numpy {numpy}, OpenCV {opencv}, {system}".format(**machine),
    ]
    return "\n".join(lines)
