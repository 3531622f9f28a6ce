"""``edgepose targets``: the devices, what they compute in, and which of them edgepose converts for."""

from __future__ import annotations

import typer

from edgepose.cli.console import new_table, out, print_json


def targets(
    name: str | None = typer.Argument(None, help="One target, in full."),
    as_json: bool = typer.Option(False, "--json", help="Print as JSON."),
) -> None:
    """List the devices, or show one in full."""
    import dataclasses

    from edgepose.targets import Target, all_targets, get_target

    chosen = [get_target(name)] if name else list(all_targets().values())
    if as_json:
        documents = [dataclasses.asdict(target) for target in chosen]
        print_json(documents[0] if name else documents)
        return

    def words(target: Target) -> str:
        return " ".join(name for name, support in target.precisions.items() if support.supported)

    if not name:
        table = new_table("target", "device", "computes in", "engine", "converts")
        for target in chosen:
            ready = "[green]yes[/]" if target.ready else "[dim]not yet[/]"
            table.add_row(target.name, target.title, words(target), target.engines[0], ready)
        out.print(table)
        return
    target = chosen[0]
    table = new_table("", "")
    table.show_header = False
    memory = ", ".join(f"{size} MB" for size in target.memory_mb) or "that of the machine"
    for label, value in (
        ("target", target.name),
        ("device", target.title),
        ("compute", target.compute),
        ("memory", memory),
        ("system", target.os),
        ("python", target.python),
        ("runtime", target.runtime),
        ("engines", ", ".join(target.engines)),
        ("converts", "yes" if target.ready else "not yet"),
        ("--precision auto", target.auto_precision),
    ):
        table.add_row(f"[bold]{label}[/]", value)
    for precision, support in target.precisions.items():
        table.add_row(f"[bold]{precision}[/]", f"{'yes' if support.supported else 'no'}: {support.reason}")
    table.add_row("[bold]notes[/]", target.notes)
    for source in target.sources:
        table.add_row("[bold]source[/]", source)
    out.print(table)
