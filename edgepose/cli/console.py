"""Where the command line prints: results on stdout, everything about the course of work on stderr."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def print_json(document: Any) -> None:
    """Print ``document`` as JSON on stdout, for scripts."""
    sys.stdout.write(json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n")


def print_error(message: str, hint: str | None) -> None:
    """Print an error and its hint on stderr, without markup being read into them."""
    err.print("[bold red]error:[/] ", end="")
    err.print(message, markup=False, soft_wrap=True)
    if hint:
        err.print("[bold cyan]hint:[/]  ", end="")
        err.print(hint, markup=False, soft_wrap=True)


def print_warning(message: str, console: Console = err) -> None:
    """Print a warning, on stderr where no other console is named."""
    console.print("[bold yellow]warning:[/] ", end="")
    console.print(message, markup=False, soft_wrap=True)


def new_table(*columns: str, title: str | None = None, right: tuple[str, ...] = ()) -> Table:
    """An empty table in the house style; ``right`` names the columns of numbers."""
    table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table
