"""The data set of a run at each image size."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from edgenas.accuracy.dataset import Dataset, Split
from edgenas.accuracy.dataset_sources import load_dataset, resized_dataset
from edgenas.errors import DataError, InputError
from edgenas.images.preparation import Preparation
from edgenas.inputs import run_data
from edgenas.inputs.run_data import RunData, data_of, fit_of, loaded_data, resized_data
from edgenas.settings.search import SearchSettings

ASKED = SearchSettings("pi5", "20ms")


def test_each_size_is_decoded_from_the_files(image_folder: Path) -> None:
    data = loaded_data(image_folder, 32, ASKED, 3)
    small, alone = data.at(16), load_dataset(str(image_folder), 16)
    assert data.at(32) is data.largest and data.largest.resolution == 32
    assert torch.equal(small.train.images, alone.train.images)
    assert torch.equal(small.test.labels, data.largest.test.labels)
    assert (small.mean, small.std) == (data.largest.mean, data.largest.std)
    assert small.mean != alone.mean or small.std != alone.std
    assert data.at(16) is small


def test_without_a_size_the_data_decide(image_folder: Path) -> None:
    assert loaded_data(str(image_folder), None, ASKED, 3).largest.resolution == 16


def test_arrays_are_resized_like_loaded_data() -> None:
    large, small = load_dataset("digits", 16), load_dataset("digits", 12)
    found = resized_data(large).at(12)
    assert found.resolution == 12
    # Twice resized, from 8 to 16 to 12 px, is near but not the same.
    assert (found.test.images.int() - small.test.images.int()).abs().float().mean() < 12
    assert resized_dataset(large, 16).train.images.equal(large.train.images)


def test_images_of_python_are_inspected_at_the_largest_size_only(caplog: pytest.LogCaptureFixture) -> None:
    images = np.random.default_rng(0).integers(0, 255, (66, 24, 24, 3), np.uint8)
    images[7] = 9
    labels = np.repeat([0, 1, 2], (55, 6, 5))
    data = loaded_data((images, labels), 24, ASKED, 3)
    warned = [record.message for record in caplog.records]
    assert len(warned) == 2 and "image 7" in warned[1] and "macro-f1" in warned[0]
    assert data.at(16).remarks == ()
    assert len(caplog.records) == 2


def test_another_fit_than_that_of_the_given_data_set_is_refused(tiny_dataset: Dataset) -> None:
    padded = replace(tiny_dataset, preparation=Preparation(fit="pad"))
    asked = replace(ASKED, data=padded, resolution=None)
    assert data_of(asked).largest.preparation.fit == fit_of(asked) == "pad"
    assert fit_of(ASKED) == "crop" and fit_of(replace(ASKED, fit="stretch")) == "stretch"
    assert data_of(replace(asked, fit="pad")).largest.resolution == padded.resolution
    with pytest.raises(InputError, match=r"^--fit crop: the pictures of data set .* by --fit pad; leave out"):
        data_of(replace(asked, fit="crop"))


def test_only_so_many_bytes_are_kept(tiny_dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[int] = []

    def load(resolution: int) -> Dataset:
        loaded.append(resolution)
        return resized_dataset(tiny_dataset, resolution)

    data = RunData(tiny_dataset, load)
    for size in (4, 5, 4, 5):
        data.at(size)
    assert loaded == [4, 5]
    monkeypatch.setattr(run_data, "KEPT_BYTES", 1)
    for size in (4, 6, 6, 5):
        data.at(size)
    assert loaded == [4, 5, 6, 5]


def test_images_that_have_changed_are_refused(tiny_dataset: Dataset) -> None:
    def load(resolution: int) -> Dataset:
        found = resized_dataset(tiny_dataset, resolution)
        return replace(found, test=Split(found.test.images[1:], found.test.labels[1:]))

    with pytest.raises(DataError, match="have changed while they were used"):
        RunData(tiny_dataset, load).at(4)
