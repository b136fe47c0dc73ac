from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor
from torch.nn import functional

from edgenas.accuracy.augmentation import Augmentation, augmentation_from_text
from edgenas.accuracy.batch_augmentation import augment, random_crop_flip
from edgenas.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from edgenas.accuracy.dataset import Dataset

OPTIONS = tuple(name.replace("_", "-") for name in Augmentation.model_fields)
DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")),
]


def moved(images: Tensor, flip: bool = False, seed: int = 0) -> Tensor:
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
    result = moved(images, flip)
    assert (result.shape, result.dtype) == (images.shape, torch.uint8)


def test_the_generator_alone_decides() -> None:
    images = torch.randint(0, 256, (8, 3, 16, 16), dtype=torch.uint8)
    torch.manual_seed(1)
    first = moved(images, flip=True)
    torch.manual_seed(2)
    assert torch.equal(first, moved(images, flip=True))
    assert not torch.equal(first, moved(images, flip=True, seed=1))


def test_without_flip_every_image_is_shifted_by_at_most_an_eighth_of_its_side() -> None:
    image = ramp(1, 15)[0]
    found = [moves(image, 1).get(one.contiguous().numpy().tobytes()) for one in moved(ramp(300, 15))]
    assert None not in found
    assert set(found) == {(d, r) for d in (-1, 0, 1) for r in (-1, 0, 1)}


def test_a_flipped_image_is_the_mirror_image_of_a_shifted_one() -> None:
    image = ramp(1, 15)[0]
    straight, mirrored = moves(image, 1), moves(image.flip(-1), 1)
    keys = [one.contiguous().numpy().tobytes() for one in moved(ramp(300, 15), flip=True)]
    assert all((key in straight) != (key in mirrored) for key in keys)
    assert 100 < sum(key in mirrored for key in keys) < 200


def test_each_image_is_moved_on_its_own() -> None:
    assert len({one.contiguous().numpy().tobytes() for one in moved(ramp(50, 15))}) > 3


def test_all_channels_move_together() -> None:
    result = moved(ramp(20, 15), flip=True)
    assert torch.equal(result[:, 0], result[:, 1])
    assert torch.equal(result[:, 0], result[:, 2])


def test_images_keep_their_place_in_the_batch() -> None:
    colours = torch.arange(1, 41, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 8, 8).contiguous()
    centres = moved(colours, flip=True)[:, :, 4, 4]
    assert torch.equal(centres, colours[:, :, 4, 4])


def test_the_images_given_are_left_alone() -> None:
    images = ramp(5, 8)
    moved(images, flip=True)
    assert torch.equal(images, ramp(5, 8))


def only(*names: str) -> Augmentation:
    return augmentation_from_text(",".join(names) or "none")


def batch(n: int, classes: int, device: str = "cpu") -> tuple[Tensor, Tensor]:
    """Images without black, which only what moves in has, and labels."""
    generator = Generator().manual_seed(5)
    images = torch.randint(1, 256, (n, 3, 16, 16), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, classes, (n,), generator=generator)
    return images.contiguous(memory_format=torch.channels_last).to(device), labels.to(device)


def draw(
    data: "Dataset", augmentation: Augmentation, seed: int = 0, n: int = 20, device: str = "cpu"
) -> tuple[Tensor, Tensor]:
    return augment(*batch(n, 3, device), data, augmentation, Generator().manual_seed(seed))


EVERY_SET = [only(), *(only(name) for name in OPTIONS), only("mixup", "cutmix"), only(*OPTIONS)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("augmentation", EVERY_SET)
def test_batches_are_normalised_float32_images_with_fitting_labels(
    tiny_dataset: "Dataset", augmentation: Augmentation, device: str
) -> None:
    for n in (1, 2, 20):
        images, labels = draw(tiny_dataset, augmentation, n=n, device=device)
        assert (images.shape, images.dtype, images.device.type) == ((n, 3, 16, 16), torch.float32, device)
        assert images.is_contiguous(memory_format=torch.channels_last)
        assert images.isfinite().all()
        if augmentation.mixup or augmentation.cutmix:
            assert (labels.shape, labels.dtype) == ((n, 3), torch.float32)
            torch.testing.assert_close(labels.sum(1).cpu(), torch.ones(n))
            assert (labels >= 0).all()
        else:
            assert torch.equal(labels, batch(n, 3, device)[1])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("augmentation", EVERY_SET)
def test_one_seed_is_one_batch_whatever_torchs_own_state_which_is_left_alone(
    tiny_dataset: "Dataset", augmentation: Augmentation, device: str
) -> None:
    found = []
    for state in (1, 2):
        torch.manual_seed(state)
        before = torch.get_rng_state(), *map(torch.cuda.get_rng_state, range(torch.cuda.device_count()))
        found.append(draw(tiny_dataset, augmentation, device=device))
        after = torch.get_rng_state(), *map(torch.cuda.get_rng_state, range(torch.cuda.device_count()))
        assert all(map(torch.equal, before, after))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


@pytest.mark.parametrize("name", OPTIONS)
def test_each_option_changes_images_and_another_seed_changes_them_otherwise(
    tiny_dataset: "Dataset", name: str
) -> None:
    plain, _ = draw(replace(tiny_dataset, flip=False), only())
    first, other = (draw(replace(tiny_dataset, flip=False), only(name), seed)[0] for seed in (0, 1))
    assert not torch.equal(first, plain)
    assert not torch.equal(first, other)


def test_the_default_is_shifting_and_mirroring(tiny_dataset: "Dataset") -> None:
    images, labels = batch(20, 3)
    expected = tiny_dataset.normalise(random_crop_flip(images, True, Generator().manual_seed(0)))
    found, same_labels = augment(images, labels, tiny_dataset, Augmentation(), Generator().manual_seed(0))
    assert torch.equal(found, expected)
    assert torch.equal(same_labels, labels)


def test_with_nothing_on_and_no_mirroring_a_batch_is_only_normalised(tiny_dataset: "Dataset") -> None:
    still = replace(tiny_dataset, flip=False)
    assert torch.equal(draw(still, only())[0], still.normalise(batch(20, 3)[0]))


def test_without_crop_images_are_mirrored_in_place(tiny_dataset: "Dataset") -> None:
    before = tiny_dataset.normalise(batch(20, 3)[0])
    images, _ = draw(tiny_dataset, only())
    mirrored = (images == before.flip(3)).flatten(1).all(1)
    kept = (images == before).flatten(1).all(1)
    assert (mirrored ^ kept).all()
    assert mirrored.any()
    assert kept.any()


def test_images_of_a_batch_go_through_different_operations(tiny_dataset: "Dataset") -> None:
    same = batch(1, 3)[0].expand(64, -1, -1, -1)
    still = replace(tiny_dataset, flip=False)
    labels = torch.zeros(64, dtype=torch.int64)
    images, _ = augment(same, labels, still, only("randaugment"), Generator().manual_seed(0))
    assert len({image.numpy().tobytes() for image in images}) >= 4


def test_resized_crops_are_parts_of_the_image_of_any_place_and_extent(tiny_dataset: "Dataset") -> None:
    """Each channel of a ramp tells where a pixel of the result came from."""
    ramp = torch.arange(0, 256, 8, dtype=torch.uint8).expand(32, 32)
    image = torch.stack([ramp, ramp.T, ramp])[None].expand(40, -1, -1, -1)
    still = replace(tiny_dataset, flip=False, mean=(0.0,) * 3, std=(1.0,) * 3)
    images, _ = augment(
        image, torch.zeros(40, dtype=torch.int64), still, only("resized-crop"), Generator().manual_seed(0)
    )
    assert images.shape == image.shape
    spans = (images.amax((2, 3)) - images.amin((2, 3)))[:, :2] * 255 / 248
    assert (spans.prod(1) > 0.3).all()
    assert (spans.prod(1) < 0.6).any()
    assert len({tuple(part.tolist()) for part in images.amin((2, 3))}) > 20


def test_mixup_blends_whole_images_as_it_blends_their_labels(tiny_dataset: "Dataset") -> None:
    still = replace(tiny_dataset, flip=False)
    plain = still.normalise(batch(20, 20)[0])
    images, labels = augment(
        batch(20, 3)[0], torch.arange(20) % 3, still, only("mixup"), Generator().manual_seed(3)
    )
    share = float(labels.max())
    torch.testing.assert_close(images, share * plain + (1 - share) * plain.roll(1, 0))


def test_cutmix_takes_every_pixel_from_one_of_two_images(tiny_dataset: "Dataset") -> None:
    still = replace(tiny_dataset, flip=False)
    plain = still.normalise(batch(20, 3)[0])
    images, labels = augment(
        batch(20, 3)[0], torch.arange(20) % 3, still, only("cutmix"), Generator().manual_seed(1)
    )
    own = (images == plain).all(1)
    assert (own | (images == plain.roll(1, 0)).all(1)).all()
    share = labels[torch.arange(20), torch.arange(20) % 3]
    torch.testing.assert_close(own.float().mean((1, 2)), share)


def test_with_mixup_and_cutmix_each_batch_draws_one(tiny_dataset: "Dataset") -> None:
    still = replace(tiny_dataset, flip=False)
    plain = still.normalise(batch(20, 3)[0])
    cut = []
    for seed in range(40):
        images, _ = draw(still, only("mixup", "cutmix"), seed)
        cut.append(bool(((images == plain) | (images == plain.roll(1, 0))).all()))
    assert 10 <= sum(cut) <= 30


def test_a_batch_is_left_as_it_is(tiny_dataset: "Dataset") -> None:
    images, labels = batch(20, 3)
    augment(images, labels, tiny_dataset, only(*OPTIONS), Generator().manual_seed(0))
    assert torch.equal(images, batch(20, 3)[0])
    assert torch.equal(labels, batch(20, 3)[1])


@given(st.lists(st.sampled_from(OPTIONS), min_size=1, unique=True))
def test_names_between_commas_are_what_is_on(names: list[str]) -> None:
    found = augmentation_from_text(", ".join(names))
    assert {name for name in OPTIONS if getattr(found, name.replace("-", "_"))} == set(names)
    assert augmentation_from_text(found.text) == found


def test_none_is_nothing_and_the_default_is_crop() -> None:
    assert augmentation_from_text("none") == only()
    assert augmentation_from_text("crop") == Augmentation()


@pytest.mark.parametrize("text", ["", "crop,", "Crop", "crop;mixup"])
def test_an_unknown_name_is_refused(text: str) -> None:
    with pytest.raises(
        UnknownNameError,
        match=r"unknown name in --augment '.*known: crop, resized-crop, trivialaugment, randaugment, mixup, ",
    ):
        augmentation_from_text(text)


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(
        UnknownNameError,
        match=r"unknown name in --augment 'mixupp'; did you mean 'mixup'\? known: crop, resized-crop, "
        "trivialaugment, randaugment, mixup, cutmix, or none alone",
    ):
        augmentation_from_text("crop,mixupp")


def test_a_name_that_occurs_twice_is_refused() -> None:
    with pytest.raises(InputError, match="--augment crop,mixup,crop: crop is repeated; list each name once"):
        augmentation_from_text("crop,mixup,crop")


def test_none_beside_others_is_refused() -> None:
    with pytest.raises(InputError, match="--augment none,crop: none excludes all others; remove it, or"):
        augmentation_from_text("none,crop")


@pytest.mark.parametrize("option", OPTIONS)
def test_grey_images_stay_grey(option: str, tiny_dataset: "Dataset") -> None:
    """Operations on colours leave them as they are."""
    grey = replace(tiny_dataset, mean=tiny_dataset.mean[:1], std=tiny_dataset.std[:1])
    images, labels = tiny_dataset.train.images[:16, :1], tiny_dataset.train.labels[:16]
    found, _ = augment(images, labels, grey, augmentation_from_text(option), Generator().manual_seed(0))
    assert found.shape == images.shape and found.isfinite().all()
