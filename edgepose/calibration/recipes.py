"""The recipes in ``calibration/``: what a set of a known data set is called, how large it is, and whose it is."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from edgepose.calibration.description import MAX_CROPS
from edgepose.data_files import data_folder
from edgepose.runtime.errors import DatasetError

UNKNOWN_LICENCE = "unknown: check before you publish"


@dataclass(frozen=True)
class Recipe:
    """Settings of a calibration set, where nothing else is asked for; the defaults serve sources of no known origin.

    ``formats``: the formats of data sets that it is for.
    """

    name: str
    formats: tuple[str, ...] = ()
    count: int = 128
    seed: int = 0
    licence: str = UNKNOWN_LICENCE


def recipe_for(formats: Iterable[str], name: str) -> Recipe:
    """The shipped recipe for sources of ``formats``, where one serves them all; else the defaults under ``name``."""
    wanted = set(formats)
    for recipe in map(read_recipe, sorted(data_folder("calibration").glob("*.toml"))):
        if recipe is not None and wanted <= set(recipe.formats):
            return recipe
    return Recipe(name)


def read_recipe(path: Path) -> Recipe | None:
    """The recipe at ``path``; ``None`` for a set that is generated. Raises :class:`DatasetError`."""
    try:
        fields: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        if "generator" in fields:
            return None
        recipe = Recipe(**{**fields, "formats": tuple(fields.get("formats", ()))})
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}", "check the path") from error
    except (TypeError, ValueError) as error:
        raise DatasetError(f"{path} is not a recipe of a calibration set: {error}") from error
    numbers = all(isinstance(value, int) and not isinstance(value, bool) for value in (recipe.count, recipe.seed))
    texts = all(isinstance(value, str) and value for value in (recipe.name, recipe.licence, *recipe.formats))
    if not numbers or not texts or not 1 <= recipe.count <= MAX_CROPS or recipe.seed < 0:
        raise DatasetError(f"{path}: a value is of another type or out of range", f"count is 1 to {MAX_CROPS}")
    return recipe
