"""How the conversion runs the PyTorch network: in evaluation mode, and on one thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Keep ``network`` in evaluation mode and torch on one thread; afterwards both are as they were."""
    training = network.training
    network.eval()
    try:
        with one_torch_thread():
            yield
    finally:
        network.train(training)


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Keep torch on one thread; afterwards it has as many as before.

    One thread repeats bit by bit; for single images it is hardly slower, and on a busy machine several times
    faster.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
