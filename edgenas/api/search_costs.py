"""How long the phases of a search take here, from the speed of a few training steps on images of noise."""

import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from edgenas.accuracy.dataset import Dataset, Split
from edgenas.accuracy.decoded_cache import MAX_IN_MEMORY
from edgenas.accuracy.evaluator import SMALL_SPLIT_IMAGES
from edgenas.accuracy.path_sampling import largest_path_losses, path_losses, paths_per_step
from edgenas.accuracy.standalone import fresh_network, network_losses
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.training import Losses, training_device
from edgenas.accuracy.training_recipe import FinalistRecipe, Recipe, SupernetRecipe
from edgenas.accuracy.training_speed import step_seconds
from edgenas.board import host
from edgenas.device import Device
from edgenas.inputs.data_outline import DataOutline
from edgenas.searchers.problem import Problem
from edgenas.space import Architecture, NetworkSpace, PrecisionSpace

TIMED_MACS = 1.5e9
"""Multiply-accumulates of the images of a timed step: a fraction of a second on two cores."""

POSITIONS = 5
"""Of each image, in which small validation splits are evaluated."""

DRAWN = 64
"""Architectures, of which a typical one is timed."""


@dataclass(frozen=True)
class Workload:
    """What is to be trained, of which networks, on which images."""

    device: Device
    problem: Problem
    outline: DataOutline
    supernet_recipe: SupernetRecipe
    finalist_recipe: FinalistRecipe

    @property
    def networks(self) -> NetworkSpace:
        """The networks of the problem's architectures."""
        space = self.problem.space
        found = space.networks if isinstance(space, PrecisionSpace) else space
        assert isinstance(found, NetworkSpace)
        return found

    def epoch_seconds(self, model: nn.Module, losses: Losses, recipe: Recipe) -> float:
        """Of one epoch of a training; changes the model's weights."""
        batch = min(recipe.batch_size, max(2, int(TIMED_MACS / self.networks.macs(self.networks.largest))))
        timed = recipe.model_copy(update={"batch_size": batch})
        step_s = step_seconds(model, losses, self.noise(batch), timed)
        return step_s * self.outline.train / batch

    def noise(self, images: int) -> Dataset:
        """So many training images that show nothing."""
        outline, rng = self.outline, np.random.default_rng(0)
        shape = (images, outline.channels, outline.resolution, outline.resolution)
        pixels = torch.from_numpy(rng.integers(0, 256, shape, np.uint8))
        split = Split(pixels, torch.from_numpy(rng.integers(0, outline.classes, images)))
        names, half = tuple(map(str, range(outline.classes))), (0.5,) * outline.channels
        return Dataset("noise", names, split, split, split, half, half, False, "")

    def supernet(self) -> Supernet:
        """With random weights, on the training device."""
        return Supernet(self.networks, 0).to(training_device())

    @cached_property
    def typical(self) -> Architecture:
        """Of some networks within the limit, the one with more operations than a third: fronts have more small ones."""
        rng, problem = np.random.default_rng(0), self.problem
        drawn = [problem.predictor.fastest(), *(problem.space.sample(rng) for _ in range(DRAWN))]
        networks = [
            self._network(each) for each in drawn if problem.latency_ms(each) <= problem.max_latency_ms
        ]
        return sorted(networks, key=self.networks.macs)[len(networks) // 3]

    def _network(self, architecture: Architecture) -> Architecture:
        space = self.problem.space
        return space.split(architecture).network if isinstance(space, PrecisionSpace) else architecture

    def finalist_seconds(self) -> float:
        """Of the training of a typical network."""
        network = fresh_network(self.networks, self.typical, 0, training_device())
        recipe = self.finalist_recipe
        return recipe.epochs * self.epoch_seconds(network, network_losses(network, recipe), recipe)

    def supernet_seconds(self) -> tuple[float, float]:
        """Of the training of the largest network, 0 if it has none of its own, and of the supernet."""
        recipe = self.supernet_recipe
        supernet, first = self.supernet(), recipe.largest_first
        epoch_s = self.epoch_seconds(supernet, path_losses(supernet, recipe), recipe)
        if first is None:
            return 0.0, recipe.epochs * epoch_s
        largest_s = self.epoch_seconds(supernet, largest_path_losses(supernet, first), first)
        return first.epochs * largest_s, recipe.epochs * epoch_s

    def inherited_epochs(self, finalists: int) -> float:
        """Epochs of the supernet's training that a baseline is trained for beyond a finalist's."""
        recipe = self.supernet_recipe
        first = recipe.largest_first.epochs if recipe.largest_first else 0
        return (first + paths_per_step(self.networks, recipe) * recipe.epochs) / finalists

    def image_seconds(self) -> float:
        """Of one image through a typical path of the supernet, without training."""
        supernet, batch = (
            self.supernet(),
            self.noise(max(2, int(TIMED_MACS / self.networks.macs(self.typical)))),
        )
        images = batch.normalise(batch.train.images[:256]).to(training_device())
        with torch.inference_mode():
            supernet(images[:2], self.typical)
            start = time.monotonic()
            supernet(images, self.typical)
        return (time.monotonic() - start) / len(images)

    def evaluation_seconds(self) -> float:
        """Of an evaluation by the supernet."""
        count = self.outline.validation
        is_small = count < SMALL_SPLIT_IMAGES and self.supernet_recipe.augmentation.crop
        return self.image_seconds() * count * (POSITIONS if is_small else 1)

    def memory_bytes(self) -> int:
        """Of a training of the largest network: weights, optimiser, what gradients are computed from, images."""
        supernet, kept = self.supernet(), dict[int, int]()
        batch = self.noise(2)
        images = batch.normalise(batch.train.images).to(training_device())

        def keep(tensor: Tensor) -> Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with saved_tensors_hooks(keep, lambda tensor: tensor):
            logits = supernet(images, self.networks.largest)
        weights = sum(each.nbytes for each in supernet.parameters())
        activations = (sum(kept.values()) - weights) / 2 * self.supernet_recipe.batch_size
        del logits
        images_bytes = min(self.outline.nbytes, MAX_IN_MEMORY)  # of more, parts of a file are read
        return int((host.peak_memory() or 0) + 3 * weights + max(activations, 0) + images_bytes)


def checkpoint_bytes(networks: NetworkSpace) -> int:
    """Of the supernet on disk: its weights and two moments of each."""
    return 3 * 4 * networks.parameters(networks.largest)
