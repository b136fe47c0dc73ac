"""What is known of data before they are loaded agrees with what is loaded."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgenas.accuracy.dataset_sources import load_dataset
from edgenas.errors import DataError
from edgenas.inputs.data_outline import DataOutline, outline_of
from edgenas.settings.search import SearchSettings


def outline(largest: int | None = None, **given: Any) -> DataOutline:
    return outline_of(SearchSettings("pi5", "20ms", **given), largest)


def test_a_folder_is_counted_and_its_decoding_timed(image_folder: Path) -> None:
    found, loaded = outline(data=str(image_folder)), load_dataset(str(image_folder))
    counts = [len(split) for split in (loaded.train, loaded.validation, loaded.test)]
    assert [found.train, found.validation, found.test] == counts
    assert (found.name, found.classes) == (loaded.name, len(loaded.classes))
    assert (found.resolution, found.channels) == (loaded.resolution, loaded.channels)
    assert found.decoding_s > 0
    assert found.cache_bytes == found.nbytes == sum(counts) * 16 * 16 * 3


def test_nothing_is_decoded_into_the_cache(image_folder: Path) -> None:
    outline(data=str(image_folder))
    assert not list(Path(os.environ["XDG_CACHE_HOME"]).rglob("*"))


def test_what_is_decoded_costs_nothing_more(image_folder: Path) -> None:
    load_dataset(str(image_folder))
    found = outline(data=str(image_folder))
    assert (found.decoding_s, found.cache_bytes) == (0, 0)


def test_the_size_that_is_asked_for_counts(image_folder: Path) -> None:
    assert outline(32, data=str(image_folder)).resolution == 32


def test_the_bundled_digits_are_loaded() -> None:
    found = outline()
    assert (found.name, found.train, found.validation, found.test) == ("digits", 1151, 287, 359)
    assert (found.resolution, found.channels, found.classes) == (16, 1, 10)


@pytest.mark.parametrize(
    ("name", "classes", "channels"), [("cifar10", 10, 3), ("cifar100", 100, 3), ("fashion-mnist", 10, 1)]
)
def test_published_data_are_known_without_a_download(name: str, classes: int, channels: int) -> None:
    found = outline(data=name)
    assert (found.classes, found.channels, found.resolution) == (classes, channels, 32)
    assert found.train + found.validation + found.test == (70_000 if name == "fashion-mnist" else 60_000)


def test_images_in_memory_are_counted() -> None:
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (60, 16, 16, 3), np.uint8), np.arange(60) % 3
    found = outline(data=(images, labels))
    assert (found.train + found.validation + found.test, found.classes, found.resolution) == (60, 3, 16)


def test_a_folder_that_cannot_be_used_is_refused(image_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(image_folder / "train" / "red", tmp_path / "one" / "train" / "red")
    with pytest.raises(DataError, match="one"):
        outline(data=str(tmp_path / "one"))
