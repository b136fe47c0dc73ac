from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgenas.accuracy import splits as splitting
from edgenas.accuracy.dataset import ChannelStatistics, Dataset, Split, dataset_from_arrays
from edgenas.errors import DataError

Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]


def numbered(counts: list[int], offset: int = 0) -> Arrays:
    """Images of one pixel that no two share, so that each can be recognised after splitting."""
    labels = np.repeat(np.arange(len(counts)), counts)
    numbers = np.arange(offset, offset + len(labels))
    pixels = np.stack([numbers // 65536, numbers // 256 % 256, numbers % 256], axis=-1)
    return pixels.astype(np.uint8)[:, None, None, :], labels


def numbers_of(split: Split) -> list[int]:
    pixels = split.images[:, :, 0, 0].long()
    return (pixels * torch.tensor([65536, 256, 1])).sum(1).tolist()


def make(counts: list[int], test: Arrays | None = None, flip: bool = False) -> Dataset:
    names = [f"class {i}" for i in range(len(counts))]
    return dataset_from_arrays("set", names, numbered(counts), test, flip)


def splits(data: Dataset) -> list[Split]:
    return [data.train, data.validation, data.test]


@given(st.lists(st.integers(4, 60), min_size=2, max_size=8))
def test_splits_are_disjoint_and_together_hold_every_image_with_its_label(counts: list[int]) -> None:
    data = make(counts)
    found = {
        n: int(y) for split in splits(data) for n, y in zip(numbers_of(split), split.labels, strict=True)
    }
    assert sum(map(len, splits(data))) == len(found) == sum(counts)
    assert found == dict(enumerate(numbered(counts)[1].tolist()))


@given(st.lists(st.integers(4, 60), min_size=2, max_size=8))
def test_every_class_has_its_share_of_every_split(counts: list[int]) -> None:
    data = make(counts)
    for split, share in zip(splits(data), (0.64, 0.16, 0.2), strict=True):
        found = np.bincount(split.labels, minlength=len(counts))
        assert (found >= 1).all()
        assert np.abs(found - share * np.array(counts)).max() <= 1.5


def test_rare_classes_are_on_both_sides_of_a_large_common_one() -> None:
    for split in splits(make([1000, 4, 4, 4, 4, 4, 4])):
        assert set(split.labels.tolist()) == set(range(7))


def test_rare_classes_are_validated_where_validation_is_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "MAX_VALIDATION_IMAGES", 50)
    data = make([1000, 5], test=numbered([3, 3]))
    assert np.bincount(data.validation.labels).tolist() == [50, 1]


def test_splits_do_not_depend_on_the_random_state_of_the_process() -> None:
    np.random.seed(1)
    torch.manual_seed(1)
    first = make([30, 20])
    np.random.seed(2)
    torch.manual_seed(2)
    for one, other in zip(splits(first), splits(make([30, 20])), strict=True):
        assert numbers_of(one) == numbers_of(other)


def test_the_order_of_training_images_mixes_the_classes() -> None:
    assert len(set(make([100, 100, 100]).train.labels[:20].tolist())) == 3


def test_a_given_test_set_is_kept_whole_and_in_order() -> None:
    data = make([10, 10], test=numbered([3, 2], offset=500))
    assert numbers_of(data.test) == [500, 501, 502, 503, 504]
    assert data.test.labels.tolist() == [0, 0, 0, 1, 1]
    assert len(data.train) + len(data.validation) == 20


def test_images_become_channels_first_tensors() -> None:
    data = dataset_from_arrays("set", ["a", "b"], images_of_size(6), None, flip=True)
    assert data.train.images.dtype == torch.uint8
    assert data.train.images.shape[1:] == (3, 6, 6)
    assert data.train.labels.dtype == torch.int64
    assert data.resolution == 6
    assert data.flip


def images_of_size(size: int, seed: int = 0) -> Arrays:
    images = np.random.default_rng(seed).integers(0, 256, (20, size, size, 3), dtype=np.uint8)
    return images, np.repeat(np.arange(2), 10)


def test_normalised_training_images_have_mean_0_and_deviation_1() -> None:
    data = dataset_from_arrays("set", ["a", "b"], images_of_size(8), None, flip=False)
    normal = data.normalise(data.train.images)
    assert normal.dtype == torch.float32
    assert normal.mean((0, 2, 3)).abs().max() < 1e-4
    assert (normal.std((0, 2, 3)) - 1).abs().max() < 1e-2


def test_a_channel_without_variation_is_normalised_to_finite_values() -> None:
    images, labels = images_of_size(4)
    images[..., 1] = 7
    data = dataset_from_arrays("set", ["a", "b"], (images, labels), None, flip=False)
    assert data.normalise(data.train.images).isfinite().all()


def change_pixel(images: NDArray[Any], labels: NDArray[Any]) -> None:
    images[3, 1, 2, 0] ^= 1


def change_label(images: NDArray[Any], labels: NDArray[Any]) -> None:
    labels[3] = 1


@pytest.mark.parametrize("change", [change_pixel, change_label])
@pytest.mark.parametrize("part", ["train", "test"])
def test_the_fingerprint_changes_with_any_pixel_or_label(
    change: Callable[[NDArray[Any], NDArray[Any]], None], part: str
) -> None:
    arrays = {"train": images_of_size(4), "test": images_of_size(4, seed=1)}
    before = dataset_from_arrays("set", ["a", "b"], arrays["train"], arrays["test"], flip=False).fingerprint
    change(*arrays[part])
    after = dataset_from_arrays("set", ["a", "b"], arrays["train"], arrays["test"], flip=False).fingerprint
    assert before != after


def test_the_fingerprint_is_that_of_the_content_alone() -> None:
    assert make([10, 10]).fingerprint == make([10, 10]).fingerprint


def test_one_class_is_refused() -> None:
    with pytest.raises(DataError, match=r"set: only one class, 'class 0'; give images of at least two"):
        make([10])


def test_no_class_is_refused() -> None:
    with pytest.raises(DataError, match=r"^set: no class; give images .*; in a folder, two class folders"):
        make([])


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_class_with_too_few_images_is_refused(count: int) -> None:
    with pytest.raises(
        DataError, match=f"set: class 'class 1' has {count} training images; give every class at least 4"
    ):
        make([10, count, 10])


def test_imbalance_above_ten_to_one_is_named_with_what_to_do() -> None:
    assert make([50, 5]).remarks == ()
    assert make([51, 20, 5]).remarks == (
        "set: class 'class 0' has 51 training images, class 'class 2' only 5: accuracy says little about rare "
        "classes; --metric macro-f1 gives all classes equal weight",
    )


def test_given_validation_images_are_kept_apart() -> None:
    data = dataset_from_arrays(
        "set", ["a", "b"], numbered([10, 10]), None, False, validation=numbered([3, 2], offset=500)
    )
    assert sorted(numbers_of(data.validation)) == [500, 501, 502, 503, 504]
    assert sorted([*numbers_of(data.train), *numbers_of(data.test)]) == list(range(20))
    assert len(data.test) == 4
    same = numbered([3, 2], offset=500), numbered([3, 2], offset=500)
    same[1][0][0, 0, 0, 0] ^= 1
    found = {
        dataset_from_arrays("set", ["a", "b"], numbered([10, 10]), None, False, each).fingerprint
        for each in (None, *same)
    }
    assert len(found) == 3
    with pytest.raises(DataError, match=r"^set: validation images are float64"):
        dataset_from_arrays("set", ["a", "b"], numbered([10, 10]), None, False, (IMAGES / 255, LABELS))


def test_mean_and_deviation_stay_exact_where_a_float32_sum_would_stand_still() -> None:
    statistics = ChannelStatistics(3)
    half = np.full((1000, 1000, 3), 255, np.uint8)
    half[:500] = 51
    for _ in range(40):  # sums up to 24 million, above 2**24
        statistics.add(half)
    assert statistics.mean() == pytest.approx([0.6] * 3)
    assert statistics.std() == pytest.approx([0.4] * 3)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(0, 2**32))
def test_colours_counted_in_parts_are_those_of_the_whole(counts: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [rng.integers(0, 256, (count, 3, 3, 3), dtype=np.uint8) for count in counts]
    statistics = ChannelStatistics(3)
    for part in parts:
        statistics.add(part)
    pixels = np.concatenate(parts).reshape(-1, 3) / 255
    assert statistics.mean() == pytest.approx(pixels.mean(0).tolist())
    assert statistics.std() == pytest.approx(np.maximum(pixels.std(0), 1e-3).tolist())


def test_on_a_cpu_a_set_is_itself() -> None:
    data = make([10, 10])
    assert data.on(torch.device("cpu")) is data


def test_on_a_gpu_without_room_a_set_is_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    data = make([10, 10])
    needed = 20 * (3 + 8)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (4 * needed - 1, 2**40))
    assert data.on(torch.device("cuda")) is data


def test_on_a_gpu_with_room_every_split_is_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    """`meta` stands in for the GPU that a test machine need not have."""
    data = make([10, 10])
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (4 * 20 * (3 + 8), 2**40))
    to = Split.to
    monkeypatch.setattr(Split, "to", lambda split, _: to(split, torch.device("meta")))
    moved = data.on(torch.device("cuda"))
    for split, before in zip(splits(moved), splits(data), strict=True):
        assert split.images.is_meta
        assert split.labels.is_meta
        assert split.images.shape == before.images.shape
        assert split.images.stride() == before.images.stride()
    assert (moved.fingerprint, moved.mean) == (data.fingerprint, data.mean)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_images_keep_their_content() -> None:
    data = make([10, 10])
    moved = data.on(torch.device("cuda"))
    for split, before in zip(splits(moved), splits(data), strict=True):
        assert split.images.is_cuda
        assert torch.equal(split.images.cpu(), before.images)
        assert torch.equal(split.labels.cpu(), before.labels)


IMAGES, LABELS = np.zeros((20, 8, 8, 3), np.uint8), np.arange(20) % 2


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (
            IMAGES / 255,
            LABELS,
            r"^mine: train images are float64 of shape \(20, 8, 8, 3\); give uint8 of shape",
        ),
        (IMAGES[..., 0], LABELS, r"^mine: train images are uint8 of shape \(20, 8, 8\); give uint8 of shape"),
        (IMAGES[:, :6], LABELS, r"^mine: train images are uint8 of shape \(20, 6, 8, 3\)"),
        (
            IMAGES,
            LABELS[:15],
            r"^mine: train labels are int64 of shape \(15,\) for 20 images; give whole numbers",
        ),
        (IMAGES, LABELS / 2, r"^mine: train labels are float64"),
        (IMAGES, LABELS + 1, r"^mine: train labels reach from 1 to 2 for 2 classes; give labels 0 to 1$"),
    ],
)
def test_arrays_that_are_no_images_and_labels_are_refused(images: Any, labels: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        dataset_from_arrays("mine", ["a", "b"], (images, labels), None, flip=False)
    with pytest.raises(DataError, match=message.replace("train", "test")):
        dataset_from_arrays("mine", ["a", "b"], (IMAGES, LABELS), (images, labels), flip=False)
