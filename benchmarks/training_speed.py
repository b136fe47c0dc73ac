"""Images a second: edgenas's training loop against a plain DataLoader loop, and against a bare loop without data.

    python benchmarks/training_speed.py [--images 4000] [--rounds 5] [--macro]

The same network (a middling one of `mbconv` at 32 px, or with --macro of NAS-Bench-Macro), optimiser and batch size in
all loops, an epoch of each in turn, medians of the rounds:
  - edgenas: `train`, with crops and flips;
  - plain: torchvision transforms (RandomCrop, RandomHorizontalFlip, ToTensor, Normalize) on PIL images in a DataLoader
    with a worker a core, PyTorch's default memory layout;
  - bare: the network on one random batch that is on the device already, in the same arithmetic as edgenas;
  - supernet: `train` of the supernet that holds the network, always on this one path.

The bars: edgenas >= 2 times plain on 2 cores; supernet >= 90 % of bare (on a GPU, NAS-Bench-Macro).
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional
from torch.utils.data import DataLoader
from torchvision import transforms

from edgenas.accuracy.checkpoint import Checkpoint
from edgenas.accuracy.dataset import Dataset, dataset_from_arrays
from edgenas.accuracy.standalone import fresh_network, network_losses
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.training import autocast, train, training_device
from edgenas.accuracy.training_recipe import Recipe
from edgenas.space import Architecture, SearchSpace, mbconv
from edgenas.space.nasbench_macro import nasbench_macro

Epoch = Callable[[], None]


class Pictures(torch.utils.data.Dataset):
    """The training images as a tutorial has them: decoded PIL images and a transform."""

    def __init__(self, dataset: Dataset) -> None:
        pixels = dataset.train.images.permute(0, 2, 3, 1).numpy()
        self.pictures = [Image.fromarray(image) for image in pixels]
        self.labels = dataset.train.labels.tolist()
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(dataset.resolution, padding=dataset.resolution // 8),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(dataset.mean, dataset.std),
            ]
        )

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(self.pictures[index]), self.labels[index]


def main() -> None:
    """Time the loops in turn and print images a second and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--macro", action="store_true")
    options = parser.parse_args()
    dataset = random_images(options.images)
    recipe = Recipe(epochs=1, batch_size=options.batch_size)
    space: SearchSpace = nasbench_macro() if options.macro else mbconv(32, 10)
    architecture = space.sample(np.random.default_rng(3))
    device = training_device()
    loops = {
        "edgenas": edgenas_loop(space, architecture, dataset.on(device), recipe, device),
        "plain": plain_loop(space, architecture, dataset, recipe, device),
        "bare": bare_loop(space, architecture, dataset, recipe, device),
        "supernet": supernet_loop(space, architecture, dataset.on(device), recipe, device),
    }
    times_s: dict[str, list[float]] = {name: [] for name in loops}
    for number in range(options.rounds + 1):
        for name, epoch in loops.items():
            start = time.perf_counter()
            epoch()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if number:  # the first round warms up
                times_s[name].append(time.perf_counter() - start)
    images = len(dataset.train)
    speeds = {name: images / float(np.median(times)) for name, times in times_s.items()}
    print(f"{space.macs(architecture) / 1e6:.1f} MMACs, {images} images, batches of {recipe.batch_size}, {device},"
          f" {torch.get_num_threads()} threads")  # fmt: skip
    for name, speed in speeds.items():
        print(f"{name:>9}: {speed:8.0f} images/s")
    print(f"edgenas / plain: {speeds['edgenas'] / speeds['plain']:.2f}")
    print(f"edgenas / bare: {speeds['edgenas'] / speeds['bare']:.3f}")
    print(f"supernet / bare: {speeds['supernet'] / speeds['bare']:.3f}")


def random_images(count: int) -> Dataset:
    """Noise in ten classes: speed does not depend on what is in the images."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count * 5 // 4, 32, 32, 3), dtype=np.uint8)
    return dataset_from_arrays(
        "noise", [str(i) for i in range(10)], (images, np.arange(len(images)) % 10),
        (images[:100], np.arange(100) % 10), flip=True,
    )  # fmt: skip


def edgenas_loop(
    space: SearchSpace, architecture: Architecture, dataset: Dataset, recipe: Recipe, device: torch.device
) -> Epoch:
    """`train` of the network alone."""
    network = fresh_network(space, architecture, 0, device)
    return lambda: trained(network, network_losses(network, recipe), dataset, recipe)


def supernet_loop(
    space: SearchSpace, architecture: Architecture, dataset: Dataset, recipe: Recipe, device: torch.device
) -> Epoch:
    """`train` of the same path in the supernet's weights."""
    supernet = Supernet(space, 0).to(device)

    def losses(images: torch.Tensor, labels: torch.Tensor, *_: object) -> list[torch.Tensor]:
        return [functional.cross_entropy(supernet(images, architecture), labels, label_smoothing=0.1)]

    return lambda: trained(supernet, losses, dataset, recipe)


def trained(model: torch.nn.Module, losses: Callable, dataset: Dataset, recipe: Recipe) -> None:
    """One epoch, with the one checkpoint at its end."""
    with tempfile.TemporaryDirectory() as folder:
        train(model, losses, dataset, recipe, 0, Checkpoint(Path(folder) / "c"))


def plain_loop(
    space: SearchSpace, architecture: Architecture, dataset: Dataset, recipe: Recipe, device: torch.device
) -> Epoch:
    """The loop of a tutorial."""
    network = space.build(architecture).to(device)
    loader = DataLoader(
        Pictures(dataset), recipe.batch_size, shuffle=True, num_workers=os.cpu_count() or 1,
        persistent_workers=True, drop_last=True,
    )  # fmt: skip
    optimizer = torch.optim.AdamW(network.parameters(), recipe.learning_rate)
    network.train()

    def epoch() -> None:
        for images, labels in loader:
            step(network, optimizer, images.to(device), labels.to(device))

    return epoch


def bare_loop(
    space: SearchSpace, architecture: Architecture, dataset: Dataset, recipe: Recipe, device: torch.device
) -> Epoch:
    """Forward, backward and optimiser on one random batch that is where it is needed."""
    network = fresh_network(space, architecture, 0, device)
    optimizer = torch.optim.AdamW(network.parameters(), recipe.learning_rate, fused=device.type == "cuda")
    images = torch.randn(recipe.batch_size, 3, 32, 32, device=device).contiguous(
        memory_format=torch.channels_last
    )
    labels = torch.randint(0, 10, (recipe.batch_size,), device=device)
    network.train()

    def epoch() -> None:
        for _ in range(len(dataset.train) // recipe.batch_size):
            step(network, optimizer, images, labels)

    return epoch


def step(
    network: torch.nn.Module, optimizer: torch.optim.Optimizer, images: torch.Tensor, labels: torch.Tensor
) -> None:
    """One training step without anything around it."""
    with autocast(images.device):
        loss = functional.cross_entropy(network(images), labels, label_smoothing=0.1)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


if __name__ == "__main__":
    main()
