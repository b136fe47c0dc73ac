"""The training loop; supernets, finalists and baselines differ only in the losses they pass in."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from edgenas.accuracy.batch_augmentation import augment
from edgenas.accuracy.checkpoint import Checkpoint
from edgenas.accuracy.dataset import Dataset, Split
from edgenas.accuracy.out_of_memory import out_of_memory_named
from edgenas.accuracy.training_recipe import Recipe
from edgenas.errors import DivergenceError
from edgenas.progress import Phase, Progress, silent

Losses = Callable[[Tensor, Tensor, np.random.Generator, float], Iterable[Tensor]]
"""Normalised images, (N, C, H, W), and targets, (N,) or (N, classes), to the losses of one step.

Each loss is backpropagated before the next is requested, so that only one path is in memory at a time. All randomness
comes from the generator. The last argument is the completed share of the training, 0..1.
"""


def training_device() -> torch.device:
    """The GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """The training precision: bf16 on GPUs that support it, else fp32.

    Never bf16 on CPUs, where it was measured 2 to 3 times slower than fp32 (its depthwise backward pass alone takes
    four times as long), even on those with bf16 instructions.
    """
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.autocast("cuda", torch.bfloat16)
    return nullcontext()


def train(
    model: nn.Module,
    losses: Losses,
    dataset: Dataset,
    recipe: Recipe,
    seed: int,
    checkpoint: Checkpoint,
    progress: Progress = silent,
    phase: str = "training",
    seconds: float | None = None,
) -> float:
    """Train a model in place, resuming from its checkpoint.

    The randomness of a step (order, augmentation, sampled paths) depends only on seed and step, so an interrupted
    training ends with exactly the weights of an uninterrupted one (same machine and versions, no `seconds`).

    Args:
        model: the model to train, on the training device.
        losses: the losses of a step; may use only a part of the model.
        dataset: provides the training split.
        recipe: how to train.
        seed: of everything random.
        checkpoint: written periodically, and at the end.
        progress: called after each epoch and each checkpoint.
        phase: name of the phase for `progress` and errors.
        seconds: train for this long, over all sessions, instead of the recipe's epochs; the learning rate then
            follows the clock.

    Returns:
        Epochs trained, including those of earlier sessions.

    Raises:
        DivergenceError: the loss is NaN or infinite.
        OutOfMemoryError: a step does not fit into memory.
    """
    device = next(model.parameters()).device
    optimizer = torch.optim.AdamW(
        model.parameters(),
        recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        fused=device.type == "cuda",
    )
    step, before_s = checkpoint.restore(model, optimizer)
    batches = max(1, len(dataset.train) // recipe.batch_size)
    order = _epoch_orders(len(dataset.train), batches, seed)
    started = time.monotonic()
    running, counted = torch.zeros((), device=device), 0

    def elapsed_s() -> float:
        return before_s + time.monotonic() - started

    def share() -> float:
        return step / (recipe.epochs * batches) if seconds is None else elapsed_s() / seconds

    def report(detail: str = "") -> None:
        if seconds is None:
            progress(Phase(phase, "epochs"), step / batches, recipe.epochs, detail)
        else:
            total_s = max(round(seconds, 1), 0.1)
            progress(phase, min(round(elapsed_s(), 1), total_s), total_s, detail)

    model.train()
    report()
    done = share()
    while done < 1:
        for group in optimizer.param_groups:
            group["lr"] = _learning_rate(done, recipe)
        rng = np.random.default_rng([seed, 1, step])
        with out_of_memory_named(phase), _own_generators([seed, 2, step], device):
            running += training_step(optimizer, losses, dataset, order(step), recipe, rng, device, done)
        step, counted = step + 1, counted + 1
        done = share()
        last = done >= 1
        if last or checkpoint.due or step % batches == 0:
            detail = f"loss {_finite(float(running) / counted, phase, step / batches):.3f}"
            running.zero_()
            counted = 0
            if last or checkpoint.due:
                checkpoint.save(model, optimizer, step, elapsed_s())
            report(detail)
    return step / batches


@contextmanager
def _own_generators(seed: Sequence[int], device: torch.device) -> Iterator[None]:
    """Seed torch's shared generators for the duration: networks of other libraries draw their dropout from them."""
    number = int(np.random.default_rng(seed).integers(2**62))
    gpus = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        torch.default_generator.manual_seed(number)
        if gpus:
            torch.cuda.manual_seed(number)
        yield


def training_step(
    optimizer: Optimizer,
    losses: Losses,
    dataset: Dataset,
    indices: Tensor,
    recipe: Recipe,
    rng: np.random.Generator,
    device: torch.device,
    done: float = 0.0,
) -> Tensor:
    """Train one step on the training images at `indices`; return the sum of its losses, shape (), on the device."""
    images, labels = augmented_batch(dataset, dataset.train, indices, recipe, rng, device)
    optimizer.zero_grad(set_to_none=True)
    total = torch.zeros((), device=device)
    with autocast(device):  # covers only the forward passes
        pending = iter(losses(images, labels, rng, done))
    while (loss := _next(pending, device)) is not None:
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.detach()
    optimizer.step()
    return total


def _epoch_orders(images: int, batches: int, seed: int) -> Callable[[int], Tensor]:
    """From a step to the indices of its batch: a new order each epoch, each image once per epoch."""

    @lru_cache(maxsize=1)
    def order(epoch: int) -> tuple[Tensor, ...]:
        generator = torch.Generator().manual_seed(
            int(np.random.default_rng([seed, 0, epoch]).integers(2**62))
        )
        return torch.tensor_split(torch.randperm(images, generator=generator), batches)

    return lambda step: order(step // batches)[step % batches]


def _next(pending: Iterator[Tensor], device: torch.device) -> Tensor | None:
    with autocast(device):
        return next(pending, None)


def augmented_batch(
    dataset: Dataset,
    split: Split,
    indices: Tensor,
    recipe: Recipe,
    rng: np.random.Generator,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """The images of a split at `indices` and their labels, augmented and normalised, on a device; see `augment`."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    images, labels = (source[indices.to(source.device)].to(device) for source in (split.images, split.labels))
    return augment(images, labels, dataset, recipe.augmentation, generator)


def _finite(loss: float, phase: str, epochs: float) -> float:
    if not math.isfinite(loss):
        raise DivergenceError(
            f"{phase}: the loss is {loss} in epoch {math.ceil(epochs)}",
            "look for blank or mislabelled images, or try another --seed",
        )
    return loss


def _learning_rate(share: float, recipe: Recipe) -> float:
    """Learning rate when a share 0..1 of the training is done."""
    warm_up = recipe.warm_up_share
    if share < warm_up:
        return recipe.learning_rate * max(share / warm_up, 0.01)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (share - warm_up) / (1 - warm_up)))
