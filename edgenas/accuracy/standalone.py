"""Stand-alone training of networks: initial weights, and losses with or without a teacher."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgenas.accuracy.training import Losses
from edgenas.accuracy.training_recipe import Recipe
from edgenas.space import Architecture, NetworkSpace
from edgenas.space.modules import Network

Teacher = Callable[[Tensor], Tensor]
"""Normalised images, (N, C, H, W), to logits, (N, classes)."""


def fresh_network(
    space: NetworkSpace, architecture: Architecture, seed: int, device: torch.device
) -> Network:
    """A network on a device, with random weights determined by the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = space.build(architecture).to(memory_format=torch.channels_last)
    return network.to(device)


def network_losses(
    network: nn.Module, recipe: Recipe, teacher: Teacher | None = None, weight: float = 0.0
) -> Losses:
    """Cross entropy with the labels and, with the given `weight`, with a teacher's outputs for the same images.

    Hinton et al., "Distilling the Knowledge in a Neural Network" (2015), at temperature 1.
    """

    def losses(images: Tensor, labels: Tensor, *_: object) -> list[Tensor]:
        logits = network(images)
        loss = functional.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)
        if teacher is None or not weight:
            return [loss]
        with torch.no_grad():
            targets = teacher(images).softmax(1)
        return [(1 - weight) * loss + weight * functional.cross_entropy(logits, targets)]

    return losses
