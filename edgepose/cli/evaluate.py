"""``edgepose evaluate``: PCKh of a bundle, and what its engine lost against the float model."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from edgepose.cli.accelerator import ALLOW_CPU_HELP, TPU_HELP, warn_of_fallback
from edgepose.cli.console import err, new_table, out, print_json, print_warning
from edgepose.cli.pictures import check_picture, check_replaces_none
from edgepose.cli.progress import CountedProgress

if TYPE_CHECKING:
    from rich.table import Table

    from edgepose.evaluation.datasets import PoseDataset
    from edgepose.evaluation.evaluate import Evaluation, Part
    from edgepose.evaluation.pckh import JointShares
    from edgepose.runtime.bundle import Bundle

# Figures that are differences, and are printed with their sign.
CHANGES = ("change @50", "change @10")


class Subset(str, Enum):
    """Which persons of a data set to evaluate."""

    ALL = "all"
    UPRIGHT = "upright"
    OTHER = "other"


def evaluate(
    file: Path = typer.Argument(..., help="The bundle."),
    dataset: Path = typer.Option(..., "--dataset", help="The data set, or a folder of pictures without labels."),
    images: Path | None = typer.Option(None, "--images", help="The folder of pictures, where it is elsewhere."),
    subset: Subset = typer.Option(Subset.ALL, "--subset", help="All persons, the upright, or the others."),
    reference: Path | None = typer.Option(
        None, "--reference", help="A float bundle of the same checkpoint; else the conversion's cache is searched."
    ),
    decoder: str | None = typer.Option(None, "--decoder", help="official or realtime."),
    crop_scale: float | None = typer.Option(
        None,
        "--crop-scale",
        help="Side of the crop over that of the person's square (default: what the format needs, 1.25 for MPII).",
        show_default=False,
    ),
    flip: bool = typer.Option(False, "--flip", help="Average with the heatmaps of the mirrored crop."),
    scales: str = typer.Option("1", "--scales", help="Average over these scales of the person, as in 0.8,1,1.2."),
    max_drift: float | None = typer.Option(
        None, "--max-drift", help="Exit 3 where more points of PCKh@50, or of PCKh@10, are lost."
    ),
    min_agreement: float | None = typer.Option(
        None, "--min-agreement", help="Exit 3 where fewer percent of the joints are within 0.1 head of the float ones."
    ),
    worst: Path | None = typer.Option(None, "--worst", help="Draw the persons that moved most (.png or .jpg)."),
    worst_count: int = typer.Option(12, "--worst-count", min=1, max=400, help="How many of them."),
    threads: int | None = typer.Option(None, "--threads", help="Threads of the engine."),
    tpu: str | None = typer.Option(None, "--tpu", help=TPU_HELP),
    allow_cpu: bool = typer.Option(False, "--allow-cpu", help=ALLOW_CPU_HELP),
    as_json: bool = typer.Option(False, "--json", help="Print everything, each person's joints included, as JSON."),
) -> None:
    """Measure PCKh@50 and @10, and what the engine lost against the float model, with 95 % intervals."""
    from edgepose.evaluation.augmented import AugmentedEstimator, parse_scales
    from edgepose.evaluation.datasets.regions import check_crop_scale
    from edgepose.evaluation.evaluate import evaluate
    from edgepose.evaluation.gate import Limits, check_gate
    from edgepose.runtime.bundle import Bundle
    from edgepose.runtime.errors import GateError
    from edgepose.runtime.overlay_files import write_image
    from edgepose.runtime.quiet import engine_chatter_hidden

    limits = Limits(max_drift, min_agreement)
    views = parse_scales(scales)
    check_crop_scale(crop_scale)
    check_picture("--worst", worst)
    bundle = Bundle.open(file)
    peer = open_float_engine(bundle, reference, needed=limits.any)
    persons = open_subset(dataset, images, subset)
    limits.require_possible(persons)
    check_replaces_none("--worst", worst, {record.image for record in persons.records})
    for remark in persons.remarks:
        print_warning(remark)

    def load(one: Bundle, decoder: str | None) -> AugmentedEstimator:
        with engine_chatter_hidden():
            device = tpu if one is bundle else None
            return AugmentedEstimator(one, threads, decoder, flip, views, device, allow_cpu)

    with load(bundle, decoder) as estimator, CountedProgress(f"evaluating {file.name}") as progress:
        warn_of_fallback(estimator)
        if peer is None:
            evaluation = evaluate(estimator, persons, None, progress, crop_scale)
        else:
            with load(peer, estimator.decoder) as float_estimator:
                evaluation = evaluate(estimator, persons, float_estimator, progress, crop_scale)
    drift = evaluation.parts["all"].drift
    gate = check_gate(drift, limits) if drift is not None and limits.any else None
    if as_json:
        print_json({**evaluation.to_dict(), "gate": None if gate is None else gate.to_dict()})
    else:
        _print_evaluation(evaluation)
    if worst is not None:
        from edgepose.evaluation.worst_cases import draw_worst_cases

        write_image(str(worst), draw_worst_cases(evaluation, worst_count))
        err.print(f"the worst cases: {worst}", markup=False, soft_wrap=True)
    if gate is not None and not gate.held:
        raise GateError(f"the gate does not hold: {gate}")


def open_float_engine(bundle: Bundle, path: Path | None, *, needed: bool) -> Bundle | None:
    """The float engine to compare with. A float bundle without a gate has nothing to lose against."""
    from edgepose.evaluation.float_reference import (
        FLOAT_PRECISION,
        find_reference,
        how_to_measure_drift,
        open_reference,
    )
    from edgepose.runtime.errors import UsageError

    if path is not None:
        return open_reference(bundle, path)
    if bundle.manifest.precision == FLOAT_PRECISION and not needed:
        return None
    found = find_reference(bundle)
    if found is None:
        problem = "the float model of this bundle is not in the conversion's cache"
        if needed:
            raise UsageError(f"{problem}, and a gate needs it", how_to_measure_drift(bundle.manifest))
        print_warning(f"drift was not measured: {problem}; {how_to_measure_drift(bundle.manifest)}")
    return found


def open_subset(path: Path, images: Path | None, subset: Subset) -> PoseDataset:
    """The data set at ``path``, or a part of it. Raises :class:`UsageError` for a part that it does not tell."""
    from edgepose.evaluation.datasets import open_dataset, refuse_unused_images
    from edgepose.evaluation.evaluate import PARTS
    from edgepose.runtime.errors import UsageError

    with CountedProgress("reading annotations"):
        dataset = open_dataset(path, images)
    refuse_unused_images(images, [dataset.format])
    if subset is Subset.ALL:
        return dataset
    if not dataset.tells_upright:
        raise UsageError(
            f"data set {dataset.name!r} does not say who is upright, so --subset {subset.value} cannot choose",
            "only an annotations.json with 'upright' in every record says so",
        )
    return dataset.select(PARTS[subset.value], f"{dataset.name}, {subset.value}")


def _print_evaluation(evaluation: Evaluation) -> None:
    out.print(_summary_table(evaluation.parts))
    out.print()
    out.print(_joint_table(evaluation.parts["all"]))
    conditions = evaluation.predictions.conditions()
    compared = "" if evaluation.reference is None else f", {evaluation.reference.library} the reference"
    lines = [
        f"{conditions['dataset']}; decoder '{conditions['decoder']}'; {conditions['library']}{compared}",
        f"crop: {conditions['crop_rule']}; views averaged: {conditions['views']}",
        f"{evaluation.kind} on {evaluation.machine['machine']}; intervals: 95 %, paired, over persons",
    ]
    out.print("\n[dim]" + "\n".join(lines) + "[/]", soft_wrap=True)


def _summary_table(parts: dict[str, Part]) -> Table:
    """A column a part; a line a figure, and below it its interval."""
    table = new_table("", *parts, right=tuple(parts))
    counts = (f"{part.persons}, {part.score.pckh50.joints if part.score else 0}" for part in parts.values())
    table.add_row("persons, scored joints", *counts)
    columns = [_figures(part) for part in parts.values()]
    for name in columns[0]:
        form = _form(name)
        shares = [column[name] for column in columns]
        table.add_row(name, *(form.format(one.total) for one in shares))
        table.add_row("", *(f"[dim]{' to '.join(map(form.format, one.interval))}[/]" for one in shares))
    return table


def _joint_table(part: Part) -> Table:
    """A line a joint, a column a figure."""
    from edgepose.runtime.joints import JOINTS

    figures = _figures(part)
    columns = [name.replace("within ", "") for name in figures]
    table = new_table("joint", *columns, right=tuple(columns))
    for joint in JOINTS:
        values = ((_form(name), shares.per_joint[joint]) for name, shares in figures.items())
        table.add_row(joint, *("-" if value is None else form.format(value) for form, value in values))
    return table


def _figures(part: Part) -> dict[str, JointShares]:
    figures: dict[str, JointShares] = {}
    if part.score is not None:
        figures |= {"PCKh@50": part.score.pckh50, "PCKh@10": part.score.pckh10}
    if part.drift is not None:
        if part.drift.pckh50 is not None and part.drift.pckh10 is not None:
            figures |= dict(zip(CHANGES, (part.drift.pckh50, part.drift.pckh10), strict=True))
        figures |= {"within 0.1 head": part.drift.within01, "within 0.5 head": part.drift.within05}
    return figures


def _form(figure: str) -> str:
    if figure in CHANGES:
        return "{:+.2f}"
    return "{:.2f}" if figure.startswith("within") else "{:.1f}"
