"""Sets of figures that are names, not files: ``calibration/demo.toml``, ``calibration/demo-evaluation.toml``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from edgepose.data_files import data_folder
from edgepose.figures.families import FAMILIES
from edgepose.figures.render import ANY_FAMILY, MAX_SIZE, MIN_SIZE, RenderedFigure, render_figure
from edgepose.new_folder import NewFolder
from edgepose.runtime.atomic import write_error
from edgepose.runtime.errors import DatasetError, UsageError, did_you_mean
from edgepose.runtime.joints import JOINTS

MAX_COUNT = 4096


@dataclass(frozen=True)
class DemoRecipe:
    """A set of figures: ``count`` seeds from ``first_seed``, ``size`` pixels square, of a ``family`` of poses.

    ``family`` is that of :func:`~edgepose.figures.render.render_figure`; empty for upright adults.
    """

    name: str
    generator: str
    first_seed: int
    count: int
    size: int
    licence: str
    family: str = ""

    def __post_init__(self) -> None:
        if self.generator != "figures":
            raise DatasetError(f"calibration set {self.name!r}: unknown generator {self.generator!r}", "use 'figures'")
        for field, low, high in (
            ("first_seed", 0, 2**31),
            ("count", 1, MAX_COUNT),
            ("size", MIN_SIZE, MAX_SIZE),
        ):
            value = getattr(self, field)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise DatasetError(
                    f"calibration set {self.name!r}: {field} is {value!r}",
                    f"use a whole number, {low} to {high}",
                )
        if self.family not in ("", ANY_FAMILY, *FAMILIES):
            raise DatasetError(
                f"calibration set {self.name!r}: unknown family of poses {self.family!r}",
                f"use {ANY_FAMILY}, {', '.join(FAMILIES)}",
            )

    def figure(self, index: int) -> RenderedFigure:
        """The figure number ``index`` of the set, counted from 0."""
        return render_figure(self.first_seed + index, self.size, self.family or None)


def demo_recipe(path: Path | None = None) -> DemoRecipe:
    """Read the recipe at ``path`` (default: that of the demonstration set). Raises :class:`DatasetError`."""
    path = path or data_folder("calibration") / "demo.toml"
    try:
        return DemoRecipe(**tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}", "check the path") from error
    except (TypeError, ValueError) as error:
        raise DatasetError(f"{path} is not a recipe of a demonstration set: {error}") from error


def named_recipe(name: str) -> DemoRecipe:
    """The shipped recipe of that name. Raises :class:`UsageError` where there is none, with the names there are."""
    recipes = {}
    for path in sorted(data_folder("calibration").glob("*.toml")):
        if "generator" in tomllib.loads(path.read_text(encoding="utf-8")):
            recipe = demo_recipe(path)
            recipes[recipe.name] = recipe
    if name not in recipes:
        raise UsageError(f"there is no set of figures {name!r}{did_you_mean(name, recipes)}", ", ".join(recipes))
    return recipes[name]


def demo_set(count: int | None = None) -> list[RenderedFigure]:
    """The first ``count`` figures of the demonstration set (default: all of them), always the same ones.

    Raises :class:`UsageError` where more are asked for than the recipe holds.
    """
    recipe = demo_recipe()
    count = recipe.count if count is None else count
    if not 1 <= count <= recipe.count:
        raise UsageError(f"the demonstration set has 1 to {recipe.count} figures, not {count}")
    return [recipe.figure(index) for index in range(count)]


def write_set(recipe: DemoRecipe, folder: Path, progress: Callable[[int, int], None] | None = None) -> None:
    """Write the figures of ``recipe`` to ``folder``, which is made, in edgepose's own annotations format.

    ``progress`` gets figures done and their total. The folder appears whole or not at all. Raises :class:`UsageError`
    where it holds anything, :class:`EdgeposeError` where it cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty", "name a new folder")
    except OSError as error:
        raise write_error(str(folder), error) from error
    with NewFolder(folder) as new:
        _write_files(recipe, new, progress)


def _write_files(recipe: DemoRecipe, folder: Path, progress: Callable[[int, int], None] | None) -> None:
    (folder / "images").mkdir()
    records = []
    for index in range(recipe.count):
        figure = recipe.figure(index)
        name = f"{recipe.first_seed + index}"
        (folder / "images" / f"{name}.png").write_bytes(cv2.imencode(".png", figure.image)[1].tobytes())
        x, y, side, _ = figure.region
        records.append(
            {
                "id": name,
                "source": f"figures {recipe.name}",
                "image": f"images/{name}.png",
                "crop": [x, y, side],
                # The format has the centre of the first pixel at (0, 0).
                "keypoints": [[round(float(v) - 0.5, 3) for v in point] for point in figure.keypoints],
                "evaluate": [True] * len(JOINTS),
                "head": round(figure.head_length, 3),
            }
        )
        if progress is not None:
            progress(index + 1, recipe.count)
    document = {"joints": list(JOINTS), "licence": recipe.licence, "records": records}
    (folder / "annotations.json").write_bytes(json.dumps(document).encode())
