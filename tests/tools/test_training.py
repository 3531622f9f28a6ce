"""The training of the demonstration weights, on shards of a few small figures."""

import contextlib

import numpy as np
import pytest
import torch

from edgepose.checkpoints import load_checkpoint, save_safetensors
from edgepose.conversion.upsampling_head import network_upsampling_head
from edgepose.figures import render_figure
from edgepose.figures.demo import named_recipe
from edgepose.network import EfficientPose
from edgepose.network.variants import get_variant
from edgepose.runtime.decoder import HeatmapDecoder
from tools.training import shards
from tools.training.muon import orthogonalised
from tools.training.teacher import Teacher
from tools.training.train import Examples, Recipe, Trainer, learning_rate

SIZE, CELLS = 64, 8


@pytest.fixture(scope="module", autouse=True)
def one_torch_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory) -> Teacher:
    """A teacher that knows nothing: what it says is repeatable all the same."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("teacher") / "chance.safetensors"
    save_safetensors(EfficientPose(get_variant("RT")).eval(), path)
    return Teacher(str(path), get_variant("RT"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory, teacher):
    """One shard of figures without hints, one of views of a photograph with them."""
    root = tmp_path_factory.mktemp("shards")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "EXAMPLES", 6)
        shards.write_shard(root / "figures" / "00000.safetensors", shards.figure_shard(0, SIZE, None))
        photographs = [render_figure(1, 128).image, render_figure(2, 128).image]
        shard = shards.photograph_shard(0, SIZE, teacher, photographs)
        shards.write_shard(root / "photographs" / "00000.safetensors", shard)
    return {root / "figures": 0.7, root / "photographs": 0.3}


def train(folder, folders, stop: int, steps: int = 8) -> tuple[Trainer, list[float]]:
    """Train to step ``stop`` of ``steps``, from the last state where there is one."""
    trainer = Trainer(get_variant("RT"), Recipe(steps, batch=4, save_every=4), folder)
    trainer.resume()
    losses = []

    def report(step, parts):
        losses.append(parts["maps"])
        if step == stop:
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        trainer.run(Examples(folders), report)
    return trainer, losses


def test_it_learns_and_what_it_writes_is_a_checkpoint(folders, tmp_path):
    trainer, losses = train(tmp_path, folders, stop=40, steps=40)
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    trainer.save()
    checkpoint = load_checkpoint(tmp_path / "weights.safetensors", "RT")
    assert checkpoint.variant == get_variant("RT")
    assert network_upsampling_head(trainer.averaged()).constant
    assert (tmp_path / "weights.safetensors").stat().st_size < 4_000_000


def test_an_interrupted_training_goes_on_from_its_last_state(folders, tmp_path):
    whole, _ = train(tmp_path / "whole", folders, stop=8)
    train(tmp_path / "parts", folders, stop=6)
    continued, losses = train(tmp_path / "parts", folders, stop=8)
    assert len(losses) == 4  # steps 5 to 8: the last state was of step 4
    assert continued.step == whole.step == 8
    for name, value in whole.average.items():
        assert torch.equal(value, continued.average[name]), name


def test_figures_to_train_on_are_in_no_shipped_set():
    for name in ("demo", "demo-evaluation"):
        recipe = named_recipe(name)
        assert recipe.first_seed + recipe.count <= shards.FIRST_SEED


def test_a_shard_holds_what_its_number_says(folders, monkeypatch):
    monkeypatch.setattr(shards, "EXAMPLES", 2)
    first, second = (shards.figure_shard(number, SIZE, None) for number in (0, 1))
    np.testing.assert_array_equal(
        first["images"][1], render_figure(shards.FIRST_SEED + 1, SIZE, "any").image[..., ::-1]
    )
    np.testing.assert_array_equal(
        second["images"][0], render_figure(shards.FIRST_SEED + 2, SIZE, "any").image[..., ::-1]
    )
    assert first["maps"].shape == (2, 16, CELLS, CELLS)


def test_the_decoder_finds_joints_in_the_maps_that_are_learnt():
    figure = render_figure(7, 224, "any")
    maps = shards.gaussian_maps(figure.keypoints, 28)
    peaks, _ = HeatmapDecoder(28, 28, 8, 1.0).decode(np.ascontiguousarray(maps.transpose(1, 2, 0)))
    assert np.linalg.norm(peaks - figure.keypoints, axis=1).max() < 0.1 * figure.head_length


def test_the_teachers_maps_move_with_the_view(teacher, monkeypatch):
    monkeypatch.setattr(shards, "EXAMPLES", 3)
    photographs = [render_figure(1, 128).image]
    one, again, other = (shards.photograph_shard(n, SIZE, teacher, photographs) for n in (0, 0, 1))
    for name in ("images", "maps", "features"):
        np.testing.assert_array_equal(one[name], again[name])
    assert one["features"].shape[2:] == one["maps"].shape[2:] == (CELLS, CELLS)
    assert (one["images"] != other["images"]).any()


def test_the_rate_rises_and_falls():
    recipe = Recipe(1000, rate=1.0)
    rates = [learning_rate(recipe, step) for step in range(1000)]
    top = int(np.argmax(rates))
    assert rates[top] == pytest.approx(1.0, abs=0.01)
    assert all(np.diff(rates[: top + 1]) > 0)
    assert all(np.diff(rates[top:]) <= 0)
    assert rates[-1] < 0.02


@pytest.mark.parametrize("shape", [(24, 8), (8, 24), (16, 16)])
def test_orthogonalised_matrices_keep_directions_and_lose_sizes(shape):
    torch.manual_seed(0)
    matrix = torch.randn(shape)
    found = torch.linalg.svdvals(orthogonalised(matrix))
    assert found.min() > 0.4
    assert found.max() < 1.4
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    turned = u.T @ orthogonalised(matrix) @ vh.T
    torch.testing.assert_close(turned, torch.diag(torch.diagonal(turned)), atol=1e-3, rtol=0)
