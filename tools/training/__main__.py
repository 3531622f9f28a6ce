"""``python -m tools.training examples`` draws what to learn from, ``train`` learns it, ``score`` measures it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch
import torch.distributed as dist
import typer

from edgepose.checkpoints import resolve_checkpoint
from edgepose.network.variants import get_variant
from tools.training import shards
from tools.training.teacher import Teacher
from tools.training.train import Examples, Recipe, Trainer

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


@app.command()
def examples(
    output: Path = typer.Argument(..., help="Folder for the shards."),
    kind: str = typer.Option(..., help="figures or photographs."),
    size: int = typer.Option(128, help="Side of the pictures."),
    first: int = typer.Option(0, help="First shard."),
    count: int = typer.Option(1, help="How many shards."),
    variant: str = typer.Option("RT"),
    photographs: Path = typer.Option(None, help="Data set of photographs that the teacher labels."),
    hints: bool = typer.Option(True, help="Keep the teacher's features of figures, too."),
) -> None:
    """Draw shards of examples; those that are there already stay."""
    torch.set_num_threads(1)
    network = get_variant(variant)
    teacher = Teacher(str(resolve_checkpoint("official", network).path), network)
    squares = shards.read_photographs(photographs) if kind == "photographs" else []
    for number in range(first, first + count):
        path = output / f"{number:05d}.safetensors"
        if path.exists():
            continue
        start = time.monotonic()
        if kind == "photographs":
            arrays = shards.photograph_shard(number, size, teacher, squares)
        else:
            arrays = shards.figure_shard(number, size, teacher if hints else None)
        shards.write_shard(path, arrays)
        print(f"{path}  {time.monotonic() - start:.1f} s", flush=True)


@app.command()
def train(
    state: Path = typer.Argument(..., help="Folder of the state; an interrupted run continues from it."),
    figures: Path = typer.Option(..., help="Shards of figures."),
    photographs: Path = typer.Option(None, help="Shards of photographs."),
    share: float = typer.Option(0.35, help="Of photographs in a batch."),
    variant: str = typer.Option("RT"),
    steps: int = typer.Option(4000),
    batch: int = typer.Option(16, help="Examples of a step and process."),
    rate: float = typer.Option(5e-3),
    threads: int = typer.Option(1),
) -> None:
    """Train, or go on training. Under torchrun each process takes its own batch of every step."""
    torch.set_num_threads(threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if "WORLD_SIZE" in os.environ:
        dist.init_process_group("nccl" if device == "cuda" else "gloo")
    trainer = Trainer(get_variant(variant), Recipe(steps, batch, rate), state, device)
    resumed = trainer.resume()
    folders = {figures: 1.0 - (share if photographs else 0.0)}
    if photographs:
        folders[photographs] = share
    silent = dist.is_initialized() and dist.get_rank() > 0
    if not silent:
        print(f"{'resumed at' if resumed else 'begun at'} step {trainer.step} of {steps}", flush=True)
    smooth: dict[str, float] = {}
    began = time.monotonic(), trainer.step

    def report(step: int, losses: dict[str, float]) -> None:
        for name, value in losses.items():
            smooth[name] = 0.98 * smooth.get(name, value) + 0.02 * value
        if not silent and (step % 20 == 0 or step == steps):
            pace = (time.monotonic() - began[0]) / (step - began[1])
            text = "  ".join(f"{name} {value:.4f}" for name, value in smooth.items())
            print(
                f"step {step}/{steps}  {text}  {pace:.2f} s a step, {pace * (steps - step) / 60:.0f} min left",
                flush=True,
            )

    trainer.run(Examples(folders), report)
    if dist.is_initialized():
        dist.destroy_process_group()


if __name__ == "__main__":
    app()
