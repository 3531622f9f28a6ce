"""``edgepose figure``: a rendered person, where no photograph is at hand; a clip of one; a whole set of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from edgepose.cli.console import out, print_json
from edgepose.cli.progress import CountedProgress

PICTURES = (".png", ".jpg", ".jpeg")
CLIPS = (".avi", ".mp4")


def figure(
    output: Path = typer.Option(
        Path("figure.png"),
        "--output",
        "-o",
        help="What to write: a picture (.png, .jpg), a clip of a moving figure (.avi, .mp4), or the folder of --set.",
    ),
    seed: int = typer.Option(4, "--seed", min=0, help="Which person: the same seed is the same picture."),
    size: int = typer.Option(512, "--size", min=64, max=2048, help="Side of the square picture, pixels."),
    family: str | None = typer.Option(
        None,
        "--family",
        help="Poses: upright, away, reaching, sitting, crouching, action, lying, infant, or any; an upright adult "
        "before a plain background where left out.",
    ),
    frames: int = typer.Option(96, "--frames", min=1, max=10000, help="Frames of a clip, 25 a second."),
    name: str | None = typer.Option(
        None, "--set", help="Write a whole set with its joints, for 'edgepose evaluate': demo or demo-evaluation."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print the known joints as JSON."),
) -> None:
    """Draw a person whose joints are known exactly."""
    if name is not None:
        facts = _write_set(name, output)
    elif output.suffix.lower() in CLIPS:
        facts = _write_clip(output, seed, size, frames, family)
    else:
        facts = _write_picture(output, seed, size, family)
    if as_json:
        print_json(facts)
    else:
        out.print(str(output), soft_wrap=True)


def _write_picture(output: Path, seed: int, size: int, family: str | None) -> dict[str, Any]:
    import cv2

    from edgepose.figures import render_figure
    from edgepose.runtime.atomic import write_bytes
    from edgepose.runtime.errors import UsageError

    if output.suffix.lower() not in PICTURES:
        raise UsageError(
            f"--output {output}: figures are written as {', '.join(PICTURES + CLIPS)}", "name one of these"
        )
    drawn = render_figure(seed, size, family)
    write_bytes(output, cv2.imencode(output.suffix, drawn.image)[1].tobytes())
    return {"picture": str(output), "seed": seed, **_known(drawn)}


def _write_clip(output: Path, seed: int, size: int, frames: int, family: str | None) -> dict[str, Any]:
    from edgepose.figures.clip import CLIP_FPS, render_clip
    from edgepose.runtime.errors import UsageError
    from edgepose.runtime.overlay_files import open_video_overlay

    if family is not None:
        raise UsageError("--family goes with pictures: a clip shows an upright adult", "leave it out")
    known = []
    with CountedProgress(str(output)) as progress, open_video_overlay(str(output), CLIP_FPS) as clip:
        for index, drawn in enumerate(render_clip(seed, (size, size), frames)):
            clip.write(drawn.image)
            known.append(_known(drawn))
            progress(index + 1, frames)
    return {"clip": str(output), "seed": seed, "frames": known}


def _write_set(name: str, folder: Path) -> dict[str, Any]:
    from edgepose.figures.demo import named_recipe, write_set

    recipe = named_recipe(name)
    with CountedProgress(f"figures of {recipe.name}") as progress:
        write_set(recipe, folder, progress)
    return {"folder": str(folder), "name": recipe.name, "figures": recipe.count, "first_seed": recipe.first_seed}


def _known(drawn: Any) -> dict[str, Any]:
    from edgepose.runtime.joints import JOINTS

    points = zip(JOINTS, drawn.keypoints, strict=True)
    joints = {name: [round(float(value), 2) for value in point] for name, point in points}
    return {"keypoints": joints, "head_length": drawn.head_length}
