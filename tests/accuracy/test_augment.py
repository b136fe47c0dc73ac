import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor
from torch.nn import functional

from edgenas.accuracy.augment import random_crop_flip


def augmented(images: Tensor, flip: bool = False, seed: int = 0) -> Tensor:
    return random_crop_flip(images, flip, Generator().manual_seed(seed))


def ramp(count: int, size: int) -> Tensor:
    """The same image `count` times; no two of its pixels are equal, none is 0 (what moves in)."""
    return (torch.arange(size * size, dtype=torch.uint8) + 1).view(1, 1, size, size).repeat(count, 3, 1, 1)


def shifted(image: Tensor, down: int, right: int, reach: int) -> Tensor:
    """Zeros move in from the other side."""
    rows, columns = (slice(reach - move, reach - move + image.shape[-1]) for move in (down, right))
    return functional.pad(image, (reach,) * 4)[:, rows, columns]


def moves(image: Tensor, reach: int) -> dict[bytes, tuple[int, int]]:
    """Every shift up to `reach` of an image, by its content."""
    span = range(-reach, reach + 1)
    return {shifted(image, d, r, reach).numpy().tobytes(): (d, r) for d in span for r in span}


@given(st.integers(1, 5), st.integers(1, 4), st.integers(2, 12), st.integers(2, 12), st.booleans())
def test_shape_and_type_are_kept(n: int, channels: int, height: int, width: int, flip: bool) -> None:
    images = torch.randint(0, 256, (n, channels, height, width), dtype=torch.uint8)
    result = augmented(images, flip)
    assert (result.shape, result.dtype) == (images.shape, torch.uint8)


def test_the_generator_alone_decides() -> None:
    images = torch.randint(0, 256, (8, 3, 16, 16), dtype=torch.uint8)
    torch.manual_seed(1)
    first = augmented(images, flip=True)
    torch.manual_seed(2)
    assert torch.equal(first, augmented(images, flip=True))
    assert not torch.equal(first, augmented(images, flip=True, seed=1))


def test_without_flip_every_image_is_shifted_by_at_most_an_eighth_of_its_side() -> None:
    image = ramp(1, 15)[0]
    found = [moves(image, 1).get(one.contiguous().numpy().tobytes()) for one in augmented(ramp(300, 15))]
    assert None not in found
    assert set(found) == {(d, r) for d in (-1, 0, 1) for r in (-1, 0, 1)}


def test_a_flipped_image_is_the_mirror_image_of_a_shifted_one() -> None:
    image = ramp(1, 15)[0]
    straight, mirrored = moves(image, 1), moves(image.flip(-1), 1)
    keys = [one.contiguous().numpy().tobytes() for one in augmented(ramp(300, 15), flip=True)]
    assert all((key in straight) != (key in mirrored) for key in keys)
    assert 100 < sum(key in mirrored for key in keys) < 200


def test_each_image_is_moved_on_its_own() -> None:
    assert len({one.contiguous().numpy().tobytes() for one in augmented(ramp(50, 15))}) > 3


def test_all_channels_move_together() -> None:
    result = augmented(ramp(20, 15), flip=True)
    assert torch.equal(result[:, 0], result[:, 1])
    assert torch.equal(result[:, 0], result[:, 2])


def test_images_keep_their_place_in_the_batch() -> None:
    colours = torch.arange(1, 41, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 8, 8).contiguous()
    centres = augmented(colours, flip=True)[:, :, 4, 4]
    assert torch.equal(centres, colours[:, :, 4, 4])


def test_the_images_given_are_left_alone() -> None:
    images = ramp(5, 8)
    augmented(images, flip=True)
    assert torch.equal(images, ramp(5, 8))
