"""The one training loop: supernets, finalists and baselines differ only in the losses they hand in."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from edgenas.accuracy.batch_augmentation import augmented
from edgenas.accuracy.checkpoint import Checkpoint
from edgenas.accuracy.dataset import Dataset, Split
from edgenas.accuracy.out_of_memory import out_of_memory_named
from edgenas.accuracy.training_recipe import Recipe
from edgenas.errors import DivergenceError
from edgenas.progress import Progress, silent

Losses = Callable[[Tensor, Tensor, np.random.Generator, float], Iterable[Tensor]]
"""Normalised images, (N, C, H, W), and targets, (N,) or (N, classes), to the losses of one step.

Each loss is backpropagated before the next is asked for, so that one path at a time is in memory. Whatever is
random is drawn from the generator. The last argument is how much of the training is done, 0..1.
"""


def training_device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """The arithmetic to train in: bf16 on GPUs that have it, else fp32.

    Not on CPUs, where bf16 was measured 2 to 3 times slower than fp32 (its depthwise backward pass alone takes
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
    """Train a model in place, going on from its checkpoint.

    What a step draws (order, augmentation, sampled paths) depends on seed and step alone, so that an interrupted
    training ends with the very weights of an uninterrupted one (same machine and versions, no `seconds`).

    Args:
        model: whose parameters are trained; on the device to train on.
        losses: the losses of a step; may use only part of the model.
        dataset: whose training split is used.
        recipe: how to train.
        seed: of everything random.
        checkpoint: written as the training goes on.
        progress: told about each epoch, and each checkpoint.
        phase: what `progress` calls it.
        seconds: train for this long, of all sessions together, instead of the recipe's epochs; the learning
            rate then follows the clock.

    Returns:
        Epochs trained, those of earlier sessions included.

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
            progress(phase, step / batches, recipe.epochs, detail)
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
        with out_of_memory_named(phase):
            running += one_step(optimizer, losses, dataset, order(step), recipe, rng, device, done)
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


def one_step(
    optimizer: Optimizer,
    losses: Losses,
    dataset: Dataset,
    chosen: Tensor,
    recipe: Recipe,
    rng: np.random.Generator,
    device: torch.device,
    done: float = 0.0,
) -> Tensor:
    """Train one step on the chosen training images; the sum of its losses, shape (), on the device."""
    images, labels = drawn_batch(dataset, dataset.train, chosen, recipe, rng, device)
    optimizer.zero_grad(set_to_none=True)
    total = torch.zeros((), device=device)
    with autocast(device):  # not the backward passes, between the losses
        pending = iter(losses(images, labels, rng, done))
    while (loss := _next(pending, device)) is not None:
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.detach()
    optimizer.step()
    return total


def _epoch_orders(images: int, batches: int, seed: int) -> Callable[[int], Tensor]:
    """From a step to the training images of its batch: another order each epoch, each image once an epoch."""

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


def drawn_batch(
    dataset: Dataset,
    split: Split,
    chosen: Tensor,
    recipe: Recipe,
    rng: np.random.Generator,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """The chosen images of a split and their labels, augmented and normalised, on a device; see `augmented`."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    images, labels = (source[chosen.to(source.device)].to(device) for source in (split.images, split.labels))
    return augmented(images, labels, dataset, recipe.augmentation, generator)


def _finite(loss: float, phase: str, epochs: float) -> float:
    if not math.isfinite(loss):
        raise DivergenceError(
            f"{phase}: the loss is {loss} in epoch {math.ceil(epochs)}",
            "look for blank or mislabelled images, or try another --seed",
        )
    return loss


def _learning_rate(share: float, recipe: Recipe) -> float:
    """Rate at a share 0..1 of the training."""
    warm_up = recipe.warm_up_share
    if share < warm_up:
        return recipe.learning_rate * max(share / warm_up, 0.01)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (share - warm_up) / (1 - warm_up)))
