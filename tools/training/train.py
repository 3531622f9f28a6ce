"""The training loop: distillation from shards, resumable, averaged weights out."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import safetensors.numpy
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from edgepose.checkpoints import save_safetensors
from edgepose.network import EfficientPose
from edgepose.network.layers import Swish
from edgepose.network.variants import Variant
from edgepose.runtime.atomic import atomic_path
from tools.training.muon import Muon
from tools.training.teacher import normalised

MAP_WEIGHT = 1.0
FEATURE_WEIGHT = 3.0  # hints for the backbone; the maps decide
LOOK_EVERY = 50  # batches, for new shards
WARM_UP = 0.03  # share of all steps
AVERAGE_OVER = 100  # steps that the averaged weights look back on, fewer early on


@dataclass(frozen=True)
class Recipe:
    """One run: ``steps`` of ``batch`` examples of each process, the learning rate a cosine down from ``rate``."""

    steps: int
    batch: int = 16
    rate: float = 5e-3
    decay: float = 0.02
    save_every: int = 100


class Examples:
    """Batches of the shards of some folders, each folder with its share, endlessly.

    Shards that are drawn meanwhile join in; to repeat a run to the last bit, draw them all beforehand.
    """

    def __init__(self, folders: dict[Path, float]):
        self._shares = folders
        self._shards: dict[Path, dict[Path, dict[str, np.ndarray]]] = {folder: {} for folder in folders}
        self._batches = 0
        self._unknown: tuple[int, ...] = (1, 1, 1)  # the shape of features that a shard lacks

    def batch(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(images uint8 [n, S, S, 3], maps float32 [n, 16, h, w], features float32 [n, C, h, w])."""
        if self._batches % LOOK_EVERY == 0:
            self._look()
        self._batches += 1
        folders = list(self._shares)
        shares = np.array([self._shares[folder] for folder in folders])
        images, maps, features = [], [], []
        for choice in rng.choice(len(folders), count, p=shares / shares.sum()):
            shards = list(self._shards[folders[choice]].values())
            shard = shards[int(rng.integers(len(shards)))]
            index = int(rng.integers(len(shard["images"])))
            images.append(altered(rng, shard["images"][index]))
            maps.append(shard["maps"][index])
            features.append(shard["features"][index] if "features" in shard else np.full(self._unknown, np.nan))
        return np.stack(images), _sharpened(np.stack(maps)), np.stack(features).astype(np.float32)

    def _look(self) -> None:
        for folder, shards in self._shards.items():
            for path in sorted(folder.glob("*.safetensors")):
                if path not in shards:
                    shards[path] = safetensors.numpy.load_file(path)
                    self._unknown = shards[path].get("features", np.empty((1, *self._unknown))).shape[1:]


def altered(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """``image`` under another light, through another camera, perhaps with a part hidden."""
    gain = np.exp(rng.normal(0, 0.2)) * np.exp(rng.normal(0, 0.07, 3))
    changed = image.astype(np.float32)
    if rng.random() < 0.4:
        grey = changed.mean(2, keepdims=True)
        changed = grey + (changed - grey) * np.float32(rng.uniform(0, 1.6))
    middle = changed.mean()
    changed = (changed - middle) * (np.float32(rng.uniform(0.6, 1.4)) * gain.astype(np.float32)) + middle
    changed += np.float32(rng.normal(0, 15))
    if rng.random() < 0.2:
        changed = cv2.GaussianBlur(changed, (0, 0), float(rng.uniform(0.4, 1.2)))
    if rng.random() < 0.3:
        changed += rng.standard_normal(changed.shape, dtype=np.float32) * np.float32(rng.uniform(2, 12))
    if rng.random() < 0.3:
        side = len(image)
        height, width = (rng.uniform(0.08, 0.3, 2) * side).astype(int)
        top, left = int(rng.integers(side - height)), int(rng.integers(side - width))
        changed[top : top + height, left : left + width] = rng.uniform(0, 255, 3)
    return np.clip(changed, 0, 255).astype(np.uint8)


def _sharpened(maps: np.ndarray) -> np.ndarray:
    """Maps [n, 16, h, w] whose peaks are the roots of what they were: a teacher in doubt is still to be heard."""
    maps = np.maximum(maps.astype(np.float32), 0)
    return maps / np.sqrt(np.maximum(maps.max((2, 3), keepdims=True), 1e-3))


class Trainer:
    """Trains a network of ``variant`` by ``recipe``; its state lives in ``folder``."""

    def __init__(self, variant: Variant, recipe: Recipe, folder: Path, device: str = "cpu"):
        self.recipe, self.folder, self.device = recipe, folder, device
        torch.manual_seed(0)
        self.network = EfficientPose(dataclasses.replace(variant, upscaling=False, intermediate_outputs=True))
        for module in self.network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 0.03
        _initialise(self.network)
        _use_fast_swish(self.network)
        self.network.to(device, memory_format=torch.channels_last)
        self._wrapped: nn.Module = _Losses(self.network)
        if dist.is_initialized():
            self._wrapped = nn.parallel.DistributedDataParallel(self._wrapped)
        kernels, others = _parted(self.network)
        self.optimisers: dict[str, torch.optim.Optimizer] = {
            "kernels": Muon(kernels, recipe.rate, weight_decay=recipe.decay),
            "others": torch.optim.AdamW(others, recipe.rate, betas=(0.9, 0.99), weight_decay=0.0),
        }
        self.average = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.step, self.seconds = 0, 0.0

    @property
    def state_file(self) -> Path:
        """Where the last state is."""
        return self.folder / "state.pt"

    def resume(self) -> bool:
        """Continue from the last state in the folder, if there is one."""
        if not self.state_file.exists():
            return False
        state = torch.load(self.state_file, map_location=self.device, weights_only=True)
        self.network.load_state_dict(state["network"])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state[name])
        self.average, self.step, self.seconds = state["average"], state["step"], state["seconds"]
        return True

    def save(self) -> None:
        """Write the last state, whole or not at all, and the averaged weights beside it."""
        state: dict[str, Any] = {
            "network": self.network.state_dict(),
            **{name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            "average": self.average,
            "step": self.step,
            "seconds": self.seconds,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(self.state_file) as temporary:
            torch.save(state, temporary)
        save_safetensors(self.averaged(), self.folder / "weights.safetensors")

    def averaged(self) -> EfficientPose:
        """The network to ship: averaged weights, no heads that only training reads, the constant upscaling."""
        shipped = EfficientPose(dataclasses.replace(self.network.variant, upscaling=True, intermediate_outputs=False))
        wanted = shipped.state_dict()
        shipped.load_state_dict({n: self.average[n] for n in wanted if n in self.average}, strict=False)
        return shipped.eval()

    def run(self, examples: Examples, report: Callable[[int, dict[str, float]], None]) -> None:
        """Train until the recipe's last step; ``report(step, losses)`` after each."""
        rank = dist.get_rank() if dist.is_initialized() else 0
        self.network.train()
        while self.step < self.recipe.steps:
            start = time.monotonic()
            batch = examples.batch(np.random.default_rng([7, self.step, rank]), self.recipe.batch)
            losses = self._learn(*(torch.from_numpy(array).to(self.device) for array in batch))
            self.step += 1
            self.seconds += time.monotonic() - start
            report(self.step, losses)
            if rank == 0 and (self.step % self.recipe.save_every == 0 or self.step == self.recipe.steps):
                self.save()

    def _learn(self, images: Tensor, maps: Tensor, features: Tensor) -> dict[str, float]:
        for optimiser in self.optimisers.values():
            optimiser.zero_grad(set_to_none=True)
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(self.recipe, self.step)
        with torch.autocast("cuda", torch.bfloat16, enabled=self.device == "cuda"):
            map_loss, feature_loss = self._wrapped(normalised(images, self.network.variant), maps, features)
        (MAP_WEIGHT * map_loss + FEATURE_WEIGHT * feature_loss).backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        for optimiser in self.optimisers.values():
            optimiser.step()
        keep = 1 - 1 / min(self.step + 10, AVERAGE_OVER)
        for name, value in self.network.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1 - keep)
        return {"maps": float(map_loss.detach()), "features": float(feature_loss.detach())}


def learning_rate(recipe: Recipe, step: int) -> float:
    """Up in a line over the first steps, then down along half a cosine."""
    share = step / recipe.steps
    if share < WARM_UP:
        return recipe.rate * (share + 0.5 / recipe.steps) / WARM_UP
    return recipe.rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (share - WARM_UP) / (1 - WARM_UP))))


class _Losses(nn.Module):
    """A network and what it lost: (of the maps of all passes, of the backbone's features)."""

    def __init__(self, network: EfficientPose):
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, maps: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        kept: list[Tensor] = []
        hook = self.network.high_resolution.register_forward_hook(lambda *call: kept.append(call[2]))
        found = self.network(images)
        hook.remove()
        # A map is nearly all zero: where a joint is counts for more.
        weight = 1 + 9 * maps.clamp(0, 1)
        map_loss = sum((weight * (one.float() - maps).square()).mean() for one in found.confidence_maps)
        # Not of every example are the teacher's features known.
        seen = ~features[:, 0, 0, 0].isnan()
        wanted = features[seen]
        hint = F.smooth_l1_loss(kept[0].float()[seen], wanted, reduction="sum") / wanted.abs().sum().clamp(min=1.0)
        return 100 * map_loss + 0 * found.pafs.float().mean(), hint


class _FastSwish(nn.Module):
    """The network's swish with PyTorch's fused kernel: half the memory traffic of training."""

    def __init__(self, beta: float):
        super().__init__()
        self.beta = beta

    def forward(self, x: Tensor) -> Tensor:
        swish = F.silu(x)
        return swish if self.beta == 1.0 else swish * self.beta


def _use_fast_swish(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, Swish):
            setattr(module, name, _FastSwish(child.beta))
        else:
            _use_fast_swish(child)


def _initialise(network: nn.Module) -> None:
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="linear")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
            if name.endswith("head"):
                nn.init.normal_(module.weight, std=0.01)


def _parted(network: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """(kernels that are matrices, all other parameters: depthwise kernels, scales, shifts, biases)."""
    kernels, others = [], []
    for parameter in network.parameters():
        (kernels if parameter.dim() > 1 and parameter.shape[1] > 1 else others).append(parameter)
    return kernels, others
