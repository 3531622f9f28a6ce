"""The demonstration set of ``calibration/demo.toml``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from edgepose.data_files import data_folder
from edgepose.figures.render import MAX_SIZE, MIN_SIZE, RenderedFigure, render_figure
from edgepose.runtime.errors import DatasetError, UsageError

MAX_COUNT = 4096


@dataclass(frozen=True)
class DemoRecipe:
    """``calibration/demo.toml``: figures of ``count`` seeds from ``first_seed``, ``size`` pixels square."""

    name: str
    generator: str
    first_seed: int
    count: int
    size: int
    licence: str

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


def demo_recipe(path: Path | None = None) -> DemoRecipe:
    """Read the recipe at ``path`` (default: the shipped one). Raises :class:`DatasetError`."""
    path = path or data_folder("calibration") / "demo.toml"
    try:
        return DemoRecipe(**tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}", "check the path") from error
    except (TypeError, ValueError) as error:
        raise DatasetError(f"{path} is not a recipe of a demonstration set: {error}") from error


def demo_set(count: int | None = None) -> list[RenderedFigure]:
    """The first ``count`` figures of the demonstration set (default: all of them), always the same ones.

    Raises :class:`UsageError` where more are asked for than the recipe holds.
    """
    recipe = demo_recipe()
    count = recipe.count if count is None else count
    if not 1 <= count <= recipe.count:
        raise UsageError(f"the demonstration set has 1 to {recipe.count} figures, not {count}")
    return [render_figure(recipe.first_seed + index, recipe.size) for index in range(count)]
