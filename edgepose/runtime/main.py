"""The command line that a bundle carries: ``python3 FILE.edgepose run|stream|info|check|bench|build``.

Exit codes: 0 done, 1 failed, 2 usage, 3 the engine does not agree with its float model or a bound is not kept,
129 the terminal is gone, 130 interrupted, 143 terminated.
"""

import argparse
import json
import os
import sys

from edgepose.runtime.errors import EXIT_DONE, EXIT_FAILED, EXIT_GATE, UsageError
from edgepose.runtime.exits import exit_code_of
from edgepose.runtime.stream.publishing import PLACES
from edgepose.version import __version__


def main(argv=None, bundle_path=None):
    """Run the command in ``argv`` (the process's own where left out) on the bundle at ``bundle_path``.

    Returns the exit code. Errors are printed to standard error as ``error: ...`` and ``hint: ...``.
    """
    # FFmpeg's complaints about a damaged video would come before the error that says what to do about it.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")  # nor its warnings about a camera that is not there

    def work():
        options = _parser(bundle_path).parse_args(argv)
        if bundle_path is None:
            raise UsageError("there is no bundle to run", "python3 FILE.edgepose " + options.command)
        return options.work(bundle_path, options)

    return exit_code_of(work, _print_error)


def _parser(bundle_path):
    name = "FILE.edgepose" if bundle_path is None else os.path.basename(bundle_path)
    parser = argparse.ArgumentParser(
        prog="python3 " + name,
        description="Sixteen joints of the person in a picture: EfficientPose for this device, in one file.",
        epilog="exit codes: 0 done, 1 failed, 2 usage, 3 a gate does not hold: of check, or of a bound asked of bench",
    )
    parser.add_argument("--version", action="version", version="edgepose " + __version__)
    commands = parser.add_subparsers(dest="command", metavar="run|stream|info|check|bench|build")
    commands.required = True

    run = commands.add_parser("run", help="find the joints in images, folders and videos")
    run.add_argument("sources", nargs="+", metavar="SOURCE", help="image, video, or folder of them")
    run.add_argument("--overlay", metavar="PATH", help="draw the joints: an image, a video, or a folder for several")
    run.add_argument("--json", metavar="PATH", help="write .json, or .jsonl (a line a frame); - prints the lines")
    run.add_argument("--csv", metavar="PATH", help="write a row a frame; - prints them")
    run.add_argument("--decoder", metavar="NAME", help="official (smoothed maps, for stills) or realtime")
    run.add_argument("--region", metavar="X,Y,W,H", type=_region, help="look at this part of every frame, in pixels")
    run.add_argument("--min-score", metavar="S", type=float, default=0.0, help="leave out joints that score less")
    _add_engine_options(run)
    run.set_defaults(work=_run)

    stream = commands.add_parser("stream", help="follow the person before a camera; events as lines of JSON")
    stream.add_argument("source", metavar="SOURCE", help="camera number, GStreamer pipeline, rtsp:// address or video")
    stream.add_argument(
        "--publish", metavar="PLACE", action="append", default=[], help="{} (standard output)".format(PLACES)
    )
    stream.add_argument("--policy", metavar="NAME", help="newest (cameras: drop frames) or every (files: none)")
    stream.add_argument("--decoder", metavar="NAME", help="official (smoothed maps, for stills) or realtime")
    stream.add_argument("--region", metavar="X,Y,W,H", type=_region, help="look here always, instead of following")
    stream.add_argument("--no-tracking", action="store_true", help="look at the whole frame, always")
    stream.add_argument("--no-smoothing", action="store_true", help="joints as they are measured")
    stream.add_argument("--no-reconnect", action="store_true", help="end when the camera goes")
    stream.add_argument("--limit", metavar="N", type=int, help="end after N frames")
    _add_engine_options(stream)
    stream.set_defaults(work=_stream)

    info = commands.add_parser("info", help="what this bundle is and where it comes from")
    info.add_argument("--json", action="store_true", help="print the whole manifest")
    info.set_defaults(work=_info)

    check = commands.add_parser("check", help="compare this device's joints with the float model's")
    _add_engine_options(check)
    check.set_defaults(work=_check)

    bench = commands.add_parser("bench", help="measure latency, memory, heat, power and drift on this device")
    bench.add_argument("--json", metavar="PATH", nargs="?", const="-", help="write the record, or print it (-)")
    bench.add_argument("--seconds", metavar="S", type=float, default=5.0, help="measure at least this long (5)")
    bench.add_argument("--soak", metavar="MINUTES", type=float, help="measure a sustained load of that long instead")
    bench.add_argument(
        "--source", metavar="PATH", action="append", default=[], help="images or videos to read frames of"
    )
    bench.add_argument("--probe", metavar="SET", help="measure drift on a set that 'edgepose bench --dataset' made")
    bench.add_argument("--label", metavar="NAME", help="what the record calls this device")
    bench.add_argument("--max-drift", metavar="P", type=float, help="exit 3 where more points of PCKh are lost")
    bench.add_argument("--max-p95-ms", metavar="MS", type=float, help="exit 3 where the p95 of the latency is more")
    bench.add_argument("--max-rss-mb", metavar="MB", type=float, help="exit 3 where the peak memory is more")
    bench.add_argument("--attended", metavar="MARK", help=argparse.SUPPRESS)  # by 'edgepose bench --device'
    _add_engine_options(bench)
    bench.set_defaults(work=_bench)

    build = commands.add_parser("build", help="on a Jetson: build the TensorRT engine now, instead of at the first run")
    build.add_argument("--dla", metavar="N", type=int, help="for this deep-learning accelerator (0 or 1)")
    build.add_argument("--workspace", metavar="MB", type=int, help="scratch memory that the builder may use at first")
    build.add_argument("--rebuild", action="store_true", help="build even where a fitting engine is there")
    build.add_argument("--json", action="store_true", help="print the engine's record")
    build.set_defaults(work=_build)
    return parser


def _add_engine_options(parser):
    parser.add_argument("--threads", metavar="N", type=int, help="CPU threads of the engine (processors, at most 4)")
    parser.add_argument("--tpu", metavar="WHICH", help="which Edge TPU, where there are several: 0, usb:0, pci:1")
    parser.add_argument(
        "--allow-cpu", action="store_true", help="let the CPU do the work of an accelerator that cannot be used"
    )
    parser.add_argument("--dla", metavar="N", type=int, help="on a Jetson: use this deep-learning accelerator (0 or 1)")
    parser.add_argument("--cuda-graph", action="store_true", help="on a Jetson: launch each inference as one graph")
    parser.add_argument("--simulate", action="store_true", help="a Jetson's bundle in ONNX Runtime, host-simulated")


def _engine_options(options):
    """Which accelerator, whether the CPU may do its work, and what was asked of TensorRT: None where nothing was."""
    tensorrt = None
    if options.dla is not None or options.cuda_graph:
        from edgepose.runtime.backends.tensorrt import TensorRtOptions

        tensorrt = TensorRtOptions(dla=options.dla, cuda_graph=options.cuda_graph)
    return options.tpu, options.allow_cpu, tensorrt, options.simulate


def _region(text):
    numbers = text.split(",")
    if len(numbers) != 4:
        raise argparse.ArgumentTypeError("{!r} is not X,Y,W,H".format(text))
    try:
        return tuple(float(number) for number in numbers)
    except ValueError:
        raise argparse.ArgumentTypeError("{!r} is not X,Y,W,H".format(text))


def _run(bundle_path, options):
    from edgepose.runtime.announce import announced
    from edgepose.runtime.estimator import load
    from edgepose.runtime.progress_line import ProgressLine
    from edgepose.runtime.quiet import engine_chatter_hidden
    from edgepose.runtime.run import Outputs, run_sources

    outputs = Outputs(json=options.json, csv=options.csv, overlay=options.overlay)
    with announced(), engine_chatter_hidden():
        loaded = load(bundle_path, options.threads, options.decoder, *_engine_options(options))
    if loaded.fallback is not None:
        sys.stderr.write("warning: by the CPU, not the accelerator: {}\n".format(loaded.fallback))
    with loaded as estimator:
        with ProgressLine() as progress:
            summary = run_sources(
                estimator, options.sources, outputs, options.region, options.min_score, progress=progress
            )
    for warning in summary.warnings:
        sys.stderr.write("warning: {}\n".format(warning))
    for _, error in summary.failures:
        _print_error(error.message, error.hint)
    return EXIT_FAILED if summary.failures else EXIT_DONE


def _stream(bundle_path, options):
    from edgepose.runtime.stream.command import publish_stream

    device, allow_cpu, tensorrt, simulate = _engine_options(options)
    publish_stream(
        bundle_path,
        options.source,
        options.publish,
        lambda message, hint: _print_error(message, hint, "warning"),
        options.limit,
        policy=options.policy,
        tracking=not (options.no_tracking or options.region),
        smoothing=not options.no_smoothing,
        region=options.region,
        reconnect=not options.no_reconnect,
        threads=options.threads,
        decoder=options.decoder,
        device=device,
        allow_cpu=allow_cpu,
        tensorrt=tensorrt,
        simulate=simulate,
    )
    return EXIT_DONE


def _info(bundle_path, options):
    from edgepose.runtime.bundle import Bundle

    bundle = Bundle.open(bundle_path)
    manifest = bundle.manifest
    if options.json:
        _print(json.dumps(dict(manifest.document, manifest_sha256=bundle.sha256), indent=1, sort_keys=True))
        return EXIT_DONE
    engine = manifest.engine
    rows = [
        ("bundle", "{}, every member matches its SHA-256".format(manifest.name)),
        ("network", "EfficientPose {}, {:.2f} G multiply-adds".format(manifest.variant, engine.macs / 1e9)),
        ("target", "{}, {}".format(manifest.target, manifest.precision)),
        ("engine", "{}, {:.2f} MB".format(_engine_words(bundle), manifest.members[engine.member].bytes / 1e6)),
        ("decoder", "{}, map upsampled x{}".format(manifest.decoder.default, manifest.decoder.upsampling)),
        ("written by", "edgepose {}".format(manifest.edgepose)),
        ("manifest", "sha256 {}".format(bundle.sha256)),
    ]
    for spec, name in ((engine.input, "input"), (engine.output, "output")):
        sides = " x ".join(str(side) for side in spec.shape)
        rows.insert(-3, (name, "{}, {} {}, {}".format(spec.name, sides, spec.layout, spec.dtype)))
    for name, value in rows:
        _print("{:<11} {}".format(name, value))
    return EXIT_DONE


def _engine_words(bundle):
    if bundle.manifest.engine.format != "edgetpu":
        return bundle.manifest.engine.format
    from edgepose.runtime.backends.edgetpu import is_compiled

    return "edgetpu, " + ("compiled" if is_compiled(bundle.engine_bytes()) else "not compiled yet")


def _check(bundle_path, options):
    from edgepose.runtime.announce import announced
    from edgepose.runtime.bundle import Bundle
    from edgepose.runtime.probe import check_probe
    from edgepose.runtime.quiet import engine_chatter_hidden

    with announced(), engine_chatter_hidden():
        report = check_probe(Bundle.open(bundle_path), options.threads, *_engine_options(options))
    _print("{}: {}".format("agrees" if report.passed else "DOES NOT AGREE", report.summary))
    return EXIT_DONE if report.passed else EXIT_GATE


def _bench(bundle_path, options):
    from edgepose.runtime.bench_command import bench

    return bench(bundle_path, options, _engine_options(options))


def _build(bundle_path, options):
    from edgepose.runtime.announce import announced
    from edgepose.runtime.backends.tensorrt import TensorRtOptions, build_ahead
    from edgepose.runtime.bundle import Bundle

    bundle = Bundle.open(bundle_path)
    spec = bundle.manifest.engine
    if spec.format != "tensorrt":
        raise UsageError("this bundle holds a finished {} engine: there is nothing to build".format(spec.format))
    wanted = TensorRtOptions(dla=options.dla, workspace_mb=options.workspace, rebuild=options.rebuild)
    with announced():
        record = build_ahead(spec, bundle.engine_bytes(), wanted)
    if options.json:
        _print(json.dumps(record.to_dict(), indent=1, sort_keys=True))
        return EXIT_DONE
    words = "built in {:.0f} s".format(record.seconds) if record.built else "was there already"
    _print("{}: {} {:.2f} MB, {}".format(bundle.manifest.name, record.path, record.bytes / 1e6, words))
    return EXIT_DONE


def _print(text):
    sys.stdout.write(text + "\n")


def _print_error(message, hint, kind="error"):
    sys.stderr.write("{}: {}\n".format(kind, message))
    if hint is not None:
        sys.stderr.write("hint: {}\n".format(hint))
