"""``edgepose evaluate``: PCKh of a bundle on a labelled data set."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from edgepose.cli.console import new_table, out, print_json
from edgepose.cli.progress import CountedProgress

if TYPE_CHECKING:
    from edgepose.evaluation.evaluate import Evaluation


class Subset(str, Enum):
    """Which persons of a data set to evaluate."""

    ALL = "all"
    UPRIGHT = "upright"


def evaluate(
    file: Path = typer.Argument(..., help="The bundle."),
    dataset: Path = typer.Option(..., "--dataset", help="A folder with annotations.json, or the file itself."),
    subset: Subset = typer.Option(Subset.ALL, "--subset", help="All persons, or those marked upright."),
    decoder: str | None = typer.Option(None, "--decoder", help="official or realtime."),
    threads: int | None = typer.Option(None, "--threads", help="Threads of the engine."),
    as_json: bool = typer.Option(False, "--json", help="Print everything, each person's joints included, as JSON."),
) -> None:
    """Measure PCKh@50 and @10 with 95 % intervals, in all and for each joint."""
    import edgepose
    from edgepose.evaluation.datasets import open_dataset
    from edgepose.evaluation.evaluate import evaluate
    from edgepose.runtime.quiet import engine_chatter_hidden

    with engine_chatter_hidden():
        loaded = edgepose.load(file, threads=threads, decoder=decoder)
    with loaded as estimator:
        records = open_dataset(dataset)
        if subset is Subset.UPRIGHT:
            records = records.select(lambda record: record.upright, f"{records.name}, upright")
        with CountedProgress(f"evaluating {file.name}") as progress:
            evaluation = evaluate(estimator, records, progress)
    if as_json:
        print_json(evaluation.to_dict())
    else:
        _print_evaluation(evaluation)


def _print_evaluation(evaluation: Evaluation) -> None:
    import numpy as np

    numbers = ("joints", "PCKh@50", "PCKh@10")
    table = new_table("joint", *numbers, right=numbers)
    counts = (~np.isnan(evaluation.distances)).sum(axis=0)
    for (joint, at_50), count in zip(evaluation.pckh50.per_joint.items(), counts, strict=True):
        at_10 = evaluation.pckh10.per_joint[joint]
        table.add_row(joint, str(count), *("-" if value is None else f"{value:.1f}" for value in (at_50, at_10)))
    table.add_section()
    joints = f"[bold]{evaluation.pckh50.joints}[/]"
    table.add_row("[bold]all[/]", joints, *(f"[bold]{s.total:.1f}[/]" for s in (evaluation.pckh50, evaluation.pckh10)))
    intervals = (shares.interval for shares in (evaluation.pckh50, evaluation.pckh10))
    table.add_row("95 % interval", "", *(f"{interval.low:.1f} to {interval.high:.1f}" for interval in intervals))
    out.print(table)
    predictions = evaluation.predictions
    out.print(
        f"\n[dim]{evaluation.pckh50.persons} persons, {evaluation.pckh50.joints} joints of {predictions.dataset.name}; "
        f"decoder '{predictions.decoder}'; measured on this machine[/]",
        soft_wrap=True,
    )
