"""``edgepose figure``: a rendered person, where no photograph is at hand."""

from __future__ import annotations

from pathlib import Path

import typer

from edgepose.cli.console import out, print_json


def figure(
    output: Path = typer.Option(Path("figure.png"), "--output", "-o", help="The picture to write (.png or .jpg)."),
    seed: int = typer.Option(4, "--seed", min=0, help="Which person: the same seed is the same picture."),
    size: int = typer.Option(512, "--size", min=64, max=2048, help="Side of the square picture, pixels."),
    as_json: bool = typer.Option(False, "--json", help="Print the known joints as JSON."),
) -> None:
    """Draw a person whose joints are known exactly."""
    import cv2

    from edgepose.figures import render_figure
    from edgepose.runtime.atomic import write_bytes
    from edgepose.runtime.errors import UsageError
    from edgepose.runtime.joints import JOINTS

    if output.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise UsageError(f"--output {output}: pictures are written as .png or .jpg", "name one of these")
    drawn = render_figure(seed, size)
    write_bytes(output, cv2.imencode(output.suffix, drawn.image)[1].tobytes())
    if as_json:
        joints = {
            name: [round(float(v), 2) for v in point] for name, point in zip(JOINTS, drawn.keypoints, strict=True)
        }
        print_json({"picture": str(output), "seed": seed, "keypoints": joints, "head_length": drawn.head_length})
    else:
        out.print(str(output), soft_wrap=True)
