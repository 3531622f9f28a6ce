"""Networks with weights of chance."""

import torch
from torch import nn

from edgepose.network.efficientpose import EfficientPose
from edgepose.network.variants import get_variant


def random_network(variant: str, seed: int = 0) -> EfficientPose:
    """A network with random weights and batch norm statistics, so that no folding is trivially right."""
    torch.manual_seed(seed)
    network = EfficientPose(get_variant(variant))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.eval()
