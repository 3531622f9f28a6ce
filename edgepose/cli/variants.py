"""``edgepose variants``: the family, and our figures beside the paper's."""

from __future__ import annotations

import typer

from edgepose.cli.console import new_table, out, print_json


def variants(as_json: bool = typer.Option(False, "--json", help="Print as JSON.")) -> None:
    """List the variants with our parameters and FLOPs beside the published ones."""
    from edgepose.network.complexity import complexity
    from edgepose.network.variants import VARIANTS

    family = [(variant, complexity(variant)) for variant in VARIANTS.values()]
    if as_json:
        print_json(
            [
                {
                    "variant": variant.name,
                    "resolution": variant.resolution,
                    "parameters": ours.parameters,
                    "flops": ours.flops,
                    "published": {
                        "parameters_millions": variant.published.parameters,
                        "gflops": variant.published.flops,
                        "pckh50": variant.published.pckh50,
                        "pckh10": variant.published.pckh10,
                        "source": variant.published.source,
                    },
                }
                for variant, ours in family
            ]
        )
        return
    numbers = ("input", "parameters", "published", "GFLOPs", "published ", "PCKh@50", "@10")
    table = new_table("variant", *numbers, right=numbers)
    for variant, ours in family:
        table.add_row(
            variant.name,
            f"{variant.resolution} px",
            f"{ours.parameters:,}",
            f"{variant.published.parameters:.2f} M",
            f"{ours.flops / 1e9:.2f}",
            f"{variant.published.flops:.2f}",
            f"{variant.published.pckh50:.1f}",
            f"{variant.published.pckh10:.1f}",
        )
    out.print(table)
    out.print(
        "\n[dim]Parameters and FLOPs counted as the paper counts them; PCKh as published, on MPII validation.\n"
        "Groos et al. 2021, Table 3; Lite variants: README of the official project.[/]"
    )
