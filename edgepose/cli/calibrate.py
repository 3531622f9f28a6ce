"""``edgepose calibrate``: a calibration set for int8 from photographs, a data set or videos."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from edgepose.cli.console import new_table, out, print_json, print_warning
from edgepose.cli.pictures import check_picture, check_replaces_none
from edgepose.cli.progress import CountedProgress

if TYPE_CHECKING:
    from edgepose.calibration import CalibrationSet
    from edgepose.calibration.collect import Collection


def calibrate(
    sources: list[Path] = typer.Argument(
        ..., help="MPII's .mat or .json, COCO keypoints, annotations.json, boxes.csv, pictures, folders, videos."
    ),
    output: Path = typer.Option(..., "--output", "-o", help="The set to write: a folder, or a .zip."),
    images: Path | None = typer.Option(None, "--images", help="Folder of the pictures, where it is not found."),
    count: int | None = typer.Option(None, "--count", help="How many crops (default: 128).", show_default=False),
    seed: int | None = typer.Option(
        None, "--seed", min=0, help="Which ones: the same seed chooses the same (default: 0).", show_default=False
    ),
    crop_scale: float | None = typer.Option(
        None,
        "--crop-scale",
        help="Side of a crop over that of the person's square (default: what the format needs, 1.25 for MPII).",
        show_default=False,
    ),
    name: str | None = typer.Option(None, "--name", help="What the set is called."),
    licence: str | None = typer.Option(None, "--licence", help="Whose the pictures are, kept with the set."),
    sheet: Path | None = typer.Option(None, "--sheet", help="Also write all crops in one picture (.png or .jpg)."),
    as_json: bool = typer.Option(False, "--json", help="Print the result as JSON."),
) -> None:
    """Choose representative persons, cut them out, and write them as a set that int8 conversion can use."""
    from edgepose.calibration import write_calibration_set
    from edgepose.calibration.collect import check_count, collect
    from edgepose.calibration.recipes import UNKNOWN_LICENCE, recipe_for
    from edgepose.calibration.sheet import contact_sheet
    from edgepose.calibration.sources import open_sources
    from edgepose.calibration.writer import check_output
    from edgepose.runtime.errors import UsageError
    from edgepose.runtime.overlay_files import write_image

    check_output(output)
    check_picture("--sheet", sheet)
    if sheet is not None and output.resolve() in sheet.resolve().parents:
        raise UsageError(f"--sheet {sheet} lies in the set {output}", "a set holds nothing else: name another place")
    check_count(count)
    with CountedProgress("reading annotations"):
        opened = open_sources(sources, images, crop_scale)
    check_replaces_none("--sheet", sheet, {picture for source in opened for picture in source.pictures})
    recipe = recipe_for((source.kind for source in opened), output.resolve().stem)
    with CountedProgress("looking at pictures") as progress:
        collection = collect(
            opened,
            recipe.count if count is None else count,
            recipe.seed if seed is None else seed,
            progress,
        )
    note = licence or recipe.licence
    with CountedProgress("cutting crops") as progress:

        def counted():
            for done, crop in enumerate(collection.crops(), start=1):
                yield crop
                progress(done, collection.amount)

        made = write_calibration_set(output, name or recipe.name, note, collection.recipe, counted())
    if sheet is not None:
        write_image(str(sheet), contact_sheet(made))
    for warning in collection.warnings:
        print_warning(warning)
    if note == UNKNOWN_LICENCE:
        print_warning("the licence of the pictures is not known: say it with --licence before you pass the set on")
    following = (
        "edgepose convert --variant RT --target raspberry-pi-4 --precision int8 "
        f"--calibration {shlex.quote(str(output))}"
    )
    if as_json:
        print_json(_document(made, collection, output, following))
    else:
        _print_result(made, collection, output, following)


def _document(made: CalibrationSet, collection: Collection, output: Path, following: str) -> dict[str, object]:
    coverage = [
        {"trait": trait, "class": name, "source": there, "set": taken}
        for (trait, name), (there, taken) in collection.coverage.items()
    ]
    return {
        "path": str(output),
        "name": made.name,
        "digest": made.digest,
        "licence": made.licence,
        "crops": len(made),
        "sides": list(made.sides),
        "labelled": made.labelled,
        "coverage": coverage,
        "recipe": made.recipe,
        "warnings": list(collection.warnings),
        "remarks": list(collection.remarks),
        "next": following,
    }


def _print_result(made: CalibrationSet, collection: Collection, output: Path, following: str) -> None:
    if collection.coverage:
        table = new_table("trait", "class", "in the source", "in the set", right=("in the source", "in the set"))
        for (trait, name), (there, taken) in collection.coverage.items():
            table.add_row(trait, name, str(there), str(taken))
        out.print(table)
        out.print()
    sides = sorted(made.sides)
    table = new_table("", "")
    table.show_header = False
    for label, value in (
        ("set", f"{output} ({made.name})"),
        ("crops", str(len(made))),
        ("sides", f"{sides[0]} smallest, {sides[len(sides) // 2]} median, {sides[-1]} largest, pixels"),
        ("joints", "known in every crop" if made.labelled else "not known in every crop"),
        ("digest", made.digest),
        ("licence", made.licence),
        *(("remark", remark) for remark in collection.remarks),
    ):
        table.add_row(f"[bold]{label}[/]", value)
    out.print(table)
    out.print(f"\nnext: {following}", soft_wrap=True, markup=False)
