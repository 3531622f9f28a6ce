"""``edgepose bench``: what a bundle does on this machine, or on devices over SSH."""

from __future__ import annotations

import multiprocessing
import shlex
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from edgepose.cli.accelerator import ALLOW_CPU_HELP, TPU_HELP
from edgepose.cli.console import print_warning
from edgepose.cli.evaluate import Subset, open_float_engine, open_subset
from edgepose.cli.progress import CountedProgress
from edgepose.runtime.errors import UsageError

if TYPE_CHECKING:
    from edgepose.evaluation.datasets import PoseDataset
    from edgepose.runtime.bundle import Bundle

RECORDS = Path("bench-records")
PYTHON, SSH = "python3", "ssh"


def bench(
    file: Path | None = typer.Argument(None, help="The bundle, for this machine or each --device."),
    seconds: float = typer.Option(5.0, "--seconds", help="Measure at least this long, once steady."),
    soak: float | None = typer.Option(None, "--soak", help="Measure a sustained load of that many minutes instead."),
    source: list[Path] = typer.Option([], "--source", help="Images or videos to read frames of (the probe's crops)."),
    dataset: Path | None = typer.Option(None, "--dataset", help="Measure drift on this data set, not on the probe."),
    images: Path | None = typer.Option(None, "--images", help="The folder of its pictures, where it is elsewhere."),
    subset: Subset = typer.Option(Subset.ALL, "--subset", help="All persons of it, the upright, or the others."),
    reference: Path | None = typer.Option(
        None, "--reference", help="A float bundle of the same checkpoint; else the conversion's cache is searched."
    ),
    label: str | None = typer.Option(None, "--label", help="What the record calls this device."),
    output: Path | None = typer.Option(
        None, "--output", "-o", help="Write the record to this file; with devices, records to this folder."
    ),
    max_drift: float | None = typer.Option(
        None, "--max-drift", help="Exit 3 where more points of PCKh@50, or of PCKh@10, are lost."
    ),
    max_p95_ms: float | None = typer.Option(None, "--max-p95-ms", help="Exit 3 where the p95 of the latency is more."),
    max_rss_mb: float | None = typer.Option(None, "--max-rss-mb", help="Exit 3 where the peak memory is more."),
    threads: int | None = typer.Option(None, "--threads", help="Threads of the engine."),
    tpu: str | None = typer.Option(None, "--tpu", help=TPU_HELP),
    allow_cpu: bool = typer.Option(False, "--allow-cpu", help=ALLOW_CPU_HELP),
    device: list[str] = typer.Option([], "--device", help="Bench there instead: what ssh is given. Several at once."),
    fleet: Path | None = typer.Option(None, "--fleet", help="A TOML file of devices, their bundles and options."),
    python: str = typer.Option(PYTHON, "--python", help="The Python of each --device."),
    folder: str = typer.Option("", "--folder", help="Where on each --device the bundle is put; its home folder."),
    ssh_command: str = typer.Option(SSH, "--ssh-command", help="The SSH client, and options of it."),
    again: bool = typer.Option(False, "--again", help="Run what has been measured already, too."),
    as_json: bool = typer.Option(
        False, "--json", help="Print the record, every sample included, as JSON; with devices, what became of each."
    ),
) -> None:
    """Measure latency, memory, heat, power and drift of a bundle, with the conditions they were taken under."""
    from edgepose.bench.gates import Limits, require_possible
    from edgepose.runtime.bench_command import bench_settings

    settings = bench_settings(seconds, soak)
    limits = Limits(max_drift, max_p95_ms, max_rss_mb)
    if dataset is None and (images, reference, subset) != (None, None, Subset.ALL):
        raise UsageError("--images, --subset and --reference belong to --dataset", "name the data set")
    if not device and (python, folder) != (PYTHON, ""):
        raise UsageError("--python and --folder belong to --device", "a fleet file names them for each of its devices")
    if not device and fleet is not None and (file, tpu, allow_cpu) != (None, None, False):
        raise UsageError("a bundle, --tpu and --allow-cpu are for --device", "the fleet file names its own")
    if not device and fleet is None and (ssh_command, again) != (SSH, False):
        raise UsageError("--ssh-command and --again belong to --device and --fleet", "name a device")
    if device or fleet is not None:
        if source or label is not None:
            raise UsageError(
                "--source and --label are of this machine, not of devices", "names stand in the fleet file"
            )
        from edgepose.cli.bench_devices import bench_devices
        from edgepose.fleet.device import Device, Job
        from edgepose.fleet.fleet_file import read_fleet
        from edgepose.fleet.run_jobs import require_places
        from edgepose.runtime.engine_options import option_words

        jobs = [] if fleet is None else read_fleet(fleet)
        ssh = _ssh_words(ssh_command)
        if device:
            bundle, options = _named(file), tuple(option_words(tpu, allow_cpu))
            targets = [Device(host, python=python, folder=folder) for host in dict.fromkeys(device)]
            jobs += [Job(target, bundle, engine_options=options) for target in targets]
        jobs = [
            replace(
                job,
                seconds=seconds,
                soak_minutes=soak,
                threads=job.threads if threads is None else threads,
                limits=limits,
            )
            for job in jobs
        ]
        records = output or RECORDS
        with ExitStack() as stack:
            if dataset is not None:
                require_places(jobs, records)
                sets = {
                    path: stack.enter_context(_probe_set(path, dataset, images, subset, reference))
                    for path in dict.fromkeys(job.bundle for job in jobs)
                }
                jobs = [replace(job, probe=sets[job.bundle]) for job in jobs]
            code = bench_devices(jobs, records, ssh, again=again, as_json=as_json)
        raise typer.Exit(code)

    from edgepose.runtime.announce import announced
    from edgepose.runtime.atomic import require_place
    from edgepose.runtime.bench_command import require_gate, show_and_keep
    from edgepose.runtime.bench_record import bench_bundle, require_label
    from edgepose.runtime.estimator import require_threads
    from edgepose.runtime.quiet import engine_chatter_hidden

    bundle = _named(file)
    place = None if output is None else str(output)
    read = (bundle, *source, dataset, images, reference)
    if place not in (None, "-"):
        require_place(place, [str(one) for one in read if one is not None])
    require_label(label)
    require_possible(limits)
    if threads is not None:
        require_threads(threads)
    with ExitStack() as stack:
        probe = None
        if dataset is not None:
            probe = stack.enter_context(_probe_set(bundle, dataset, images, subset, reference))
        bar = stack.enter_context(CountedProgress(f"measuring {bundle.name}"))
        stack.enter_context(announced())
        stack.enter_context(engine_chatter_hidden())
        record = bench_bundle(
            bundle,
            threads=threads,
            settings=settings,
            limits=limits,
            sources=source,
            probe=probe,
            label=label,
            accelerator=(tpu, allow_cpu),
            progress=lambda _, done, total: bar(int(done), None if total is None else int(total)),
        )
    show_and_keep(record, place, as_json or place == "-")
    require_gate(record)


@contextmanager
def _probe_set(
    file: Path, dataset: Path, images: Path | None, subset: Subset, reference: Path | None
) -> Iterator[Path]:
    """The data set as a file that the bundle's own code measures drift on, here or on a device; removed after it."""
    from edgepose.runtime.bundle import Bundle

    bundle = Bundle.open(file)
    peer = open_float_engine(bundle, reference, needed=True)
    assert peer is not None
    persons = open_subset(dataset, images, subset)
    for remark in persons.remarks:
        print_warning(remark)
    with tempfile.TemporaryDirectory(prefix="edgepose-bench-") as folder:
        path = Path(folder) / "probe.zip"
        # In a process of its own: the float engine's memory must not be told to be the bundle's.
        context = multiprocessing.get_context("spawn")
        with CountedProgress("the float model's joints"), ProcessPoolExecutor(1, context) as pool:
            pool.submit(_write_probe_set, path, bundle, peer, persons).result()
        yield path


def _write_probe_set(path: Path, bundle: Bundle, peer: Bundle, persons: PoseDataset) -> None:
    from edgepose.evaluation.probe_set_writer import write_probe_set
    from edgepose.runtime.quiet import engine_chatter_hidden

    with engine_chatter_hidden():
        write_probe_set(path, bundle, peer, persons)


def _ssh_words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--ssh-command {command!r} cannot be: {error}", "as in 'ssh -F CONFIG'") from error
    if not words:
        raise UsageError("--ssh-command is empty", "as in 'ssh -F CONFIG'")
    return words


def _named(file: Path | None) -> Path:
    if file is None:
        raise UsageError("there is no bundle to bench", "edgepose bench FILE.edgepose")
    return file
