"""Augmentation of whole batches on the training device, independently for each image."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Generator, Tensor
from torch.nn import functional

from edgenas.accuracy.augmentation import Augmentation
from edgenas.accuracy.dataset import Dataset

RANDAUGMENT_GROUP_SIZE = 8
"""Images that share RandAugment's operations, which torchvision draws once per call."""

RESIZED_CROP_AREA = (0.35, 1.0)
"""Smallest and largest share of an image that a resized crop takes; milder than the 0.08 of training on ImageNet."""

MIXUP_ALPHA = 0.2
CUTMIX_ALPHA = 1.0
"""Parameters of the Beta distributions of mixing ratios, as in torchvision's reference recipes."""


def augment(
    images: Tensor,
    labels: Tensor,
    dataset: Dataset,
    augmentation: Augmentation,
    generator: Generator,
) -> tuple[Tensor, Tensor]:
    """Augment a batch at random and normalise it, reproducibly given `generator`.

    Args:
        images: uint8 (N, C, R, R), on the training device; not modified.
        labels: int64 (N,), on the same device.
        dataset: gives classes, mean and standard deviation, and whether to mirror.
        augmentation: the transformations.
        generator: CPU generator; torch's global generators are neither read nor changed.

    Returns:
        images, float32 (N, C, R, R) in channels_last layout, and labels: int64 (N,), or float32 (N, classes) class
        probabilities for mixed images.
    """
    if augmentation.resized_crop:
        images = _resized_crops(images, generator)
    if augmentation.crop or dataset.flip:
        images = random_crop_flip(images, dataset.flip, generator, augmentation.crop)
    if augmentation.trivialaugment:
        images = _trivialaugment(images, generator)
    if augmentation.randaugment:
        images = _randaugment(images, generator)
    images = dataset.normalise(images)
    if augmentation.mixup or augmentation.cutmix:
        images, labels = _mixed(images, labels, len(dataset.classes), augmentation, generator)
    return images, labels


def random_crop_flip(images: Tensor, flip: bool, generator: Generator, crop: bool = True) -> Tensor:
    """Shift each image by up to an eighth of its side, padding with zeros, if `crop`; mirror half of them if `flip`.

    A single gather does both. uint8 (N, C, H, W) to the same; `generator` is on the CPU.
    """
    n, _, height, width = images.shape
    pad = max(1, height // 8) if crop else 0
    padded = functional.pad(images, (pad, pad, pad, pad))
    offsets = torch.randint(0, 2 * pad + 1, (2, n, 1), generator=generator)
    rows = offsets[0] + torch.arange(height)
    columns = offsets[1] + torch.arange(width)
    if flip:
        mirrored = torch.rand((n, 1), generator=generator) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    rows, columns = rows.to(images.device), columns.to(images.device)
    index = torch.arange(n, device=images.device)[:, None, None]
    return padded[index, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _resized_crops(images: Tensor, generator: Generator) -> Tensor:
    from torchvision.transforms import v2

    size = images.shape[-1]
    return _each(v2.RandomResizedCrop(size, scale=RESIZED_CROP_AREA, antialias=True), images, generator)


def _trivialaugment(images: Tensor, generator: Generator) -> Tensor:
    from torchvision.transforms import v2

    return _each(v2.TrivialAugmentWide(), images, generator)


def _each(transform: Callable[[Tensor], Tensor], images: Tensor, generator: Generator) -> Tensor:
    """Transform images one by one, as torchvision draws once per call."""
    with _global_generator(generator):
        return torch.stack([transform(image) for image in images])


def _randaugment(images: Tensor, generator: Generator) -> Tensor:
    from torchvision.transforms import v2

    transform = v2.RandAugment()
    with _global_generator(generator):
        groups = torch.tensor_split(images, math.ceil(len(images) / RANDAUGMENT_GROUP_SIZE))
        return torch.cat([transform(group) for group in groups])


def _mixed(
    images: Tensor, labels: Tensor, classes: int, augmentation: Augmentation, generator: Generator
) -> tuple[Tensor, Tensor]:
    from torchvision.transforms import v2

    mixup = augmentation.mixup
    if mixup and augmentation.cutmix:
        mixup = bool(torch.rand((), generator=generator) < 0.5)
    transform = (
        v2.MixUp(alpha=MIXUP_ALPHA, num_classes=classes)
        if mixup
        else v2.CutMix(alpha=CUTMIX_ALPHA, num_classes=classes)
    )
    with _global_generator(generator):
        images, labels = transform(images, labels)
    return images.contiguous(memory_format=torch.channels_last), labels


@contextmanager
def _global_generator(generator: Generator) -> Iterator[None]:
    """Seed torch's global CPU generator, which torchvision draws from, from `generator` for the duration.

    `torch.manual_seed` would also seed every GPU's generator.
    """
    seed = int(torch.randint(2**62, (), generator=generator))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
