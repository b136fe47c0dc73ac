"""Augmentation of whole batches on the device they are trained on, each image on its own."""

import torch
from torch import Generator, Tensor
from torch.nn import functional


def random_crop_flip(images: Tensor, flip: bool, generator: Generator) -> Tensor:
    """Shift each image by up to an eighth of its side, zeros moving in; mirror half of them if `flip`.

    One gather does both. uint8 (N, C, H, W) to the same; `generator` lives on the CPU.
    """
    n, _, height, width = images.shape
    pad = max(1, height // 8)
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
