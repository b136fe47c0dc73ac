import errno
import os
import shutil
import tarfile
from collections.abc import Callable
from email.message import Message
from http.client import IncompleteRead
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

import numpy as np
import platformdirs
import pytest
import torchvision

from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.dataset_sources import load_dataset, resized
from edgenas.errors import DataError, UnknownNameError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep what tests write out of the user's cache."""
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_: tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits")


def test_digits_are_1797_images_of_10_classes_at_16_pixels(digits: Dataset) -> None:
    assert sum(map(len, (digits.train, digits.validation, digits.test))) == 1797
    assert digits.classes == tuple("0123456789")
    assert digits.train.images.shape[1:] == (3, 16, 16)
    assert not digits.flip
    assert set(digits.test.labels.tolist()) == set(range(10))


def test_digits_use_the_whole_range_of_brightness_and_are_grey(digits: Dataset) -> None:
    images = digits.train.images
    assert (images.min(), images.max()) == (0, 255)
    assert (images[:, 0] == images[:, 2]).all()


def test_the_resolution_can_be_chosen() -> None:
    assert load_dataset("digits", resolution=24).resolution == 24


def test_a_folder_is_loaded_as_one_and_flipped_unless_told_otherwise(image_folder: Path) -> None:
    assert load_dataset(str(image_folder)).flip
    data = load_dataset(str(image_folder), flip=False)
    assert (data.classes, len(data.test), data.flip) == (("blue", "green", "red"), 24, False)


def test_the_same_folder_is_the_same_data_whatever_the_way_to_it(
    image_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(image_folder.parent)
    near, far = load_dataset(image_folder.name), load_dataset(str(image_folder))
    assert (near.name, near.fingerprint) == (far.name, far.fingerprint)


def test_a_folder_whose_path_is_not_utf_8_is_refused_in_one_line(image_folder: Path, tmp_path: Path) -> None:
    place = tmp_path / os.fsdecode(b"vid\xe9os")
    shutil.copytree(image_folder, place)
    with pytest.raises(
        DataError, match=r"--data '\S+vid\\udce9os': the path is not UTF-8; rename the folder"
    ):
        load_dataset(str(place))


class FakeSet:
    """Stands in for a data set of torchvision: 20 training or 10 test images."""

    classes = ("even", "odd")
    shape: tuple[int, ...] = (32, 32, 3)

    def __init__(self, root: str, train: bool, download: bool) -> None:
        count = 20 if train else 10
        self.data = np.random.default_rng(train).integers(0, 256, (count, *self.shape), dtype=np.uint8)
        self.targets = [i % 2 for i in range(count)]


class GreySet(FakeSet):
    shape = (28, 28)


@pytest.mark.parametrize(("name", "kind", "fake"), [
    ("cifar10", "CIFAR10", FakeSet),
    ("cifar100", "CIFAR100", FakeSet),
    ("fashion-mnist", "FashionMNIST", GreySet),
])  # fmt: skip
def test_sets_of_torchvision_keep_their_own_test_split(
    monkeypatch: pytest.MonkeyPatch, name: str, kind: str, fake: type[FakeSet]
) -> None:
    monkeypatch.setattr(torchvision.datasets, kind, fake)
    data = load_dataset(name)
    assert (data.name, data.classes, data.resolution, data.flip) == (name, ("even", "odd"), 32, True)
    assert (len(data.train) + len(data.validation), len(data.test)) == (20, 10)
    assert data.test.labels.tolist() == [0, 1] * 5


def failing(error: Exception) -> Callable[..., Any]:
    def fail(**_: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (URLError("no route to host"), r"cannot be downloaded to .* \(<urlopen error no route to host>\)"),
        (
            HTTPError("https://x.org", 503, "Unavailable", Message(), None),
            r"cannot be .* \(HTTP Error 503: Una",
        ),
        (TimeoutError(), r"cannot be downloaded to .* \(TimeoutError\)"),
        (ConnectionResetError(104, "reset by peer"), r"cannot be downloaded to .*reset by peer\)"),
        (IncompleteRead(b"half"), r"cannot be downloaded to .*IncompleteRead\(4 bytes read\)\)"),
        (
            RuntimeError("Error downloading train.gz:\nTried https://x.org"),
            r"cannot be .* \(Error downloading train",
        ),
    ],
)
def test_a_set_that_cannot_be_downloaded_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, error: Exception, problem: str
) -> None:
    monkeypatch.setattr(torchvision.datasets, "CIFAR10", failing(error))
    with pytest.raises(
        DataError,
        match=rf"^--data cifar10: {problem}.*; connect to the internet once, or give a folder of images$",
    ):
        load_dataset("cifar10")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("File not found or corrupted.\nsecond line"), r"File not found or corrupted\."),
        (tarfile.ReadError("unexpected end of data"), "unexpected end of data"),
        (EOFError("Compressed file ended"), "Compressed file ended"),
        (AssertionError(), "AssertionError"),
    ],
)
def test_files_of_a_download_that_broke_off_are_to_be_deleted(
    monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    monkeypatch.setattr(torchvision.datasets, "FashionMNIST", failing(error))
    with pytest.raises(
        DataError,
        match=rf"^--data fashion-mnist: the files in \S*fashion-mnist are incomplete or damaged \({reason}\); "
        "delete that folder, connect to the internet and try again$",
    ):
        load_dataset("fashion-mnist")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "Permission denied"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (OSError(errno.EROFS, "Read-only file system"), "Read-only file system"),
    ],
)
def test_a_cache_that_cannot_be_written_is_named(
    monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    monkeypatch.setattr(torchvision.datasets, "CIFAR100", failing(error))
    with pytest.raises(
        DataError,
        match=rf"^--data cifar100: \S*cifar100 cannot be used \({reason}\); make it writable and check for "
        "free disk space, or set XDG_CACHE_HOME to another folder$",
    ):
        load_dataset("cifar100")


def test_a_cache_folder_that_is_a_file_is_named(cache: Path) -> None:
    (cache / "cifar10").write_text("")
    with pytest.raises(DataError, match=r"--data cifar10: \S*/cifar10 cannot be used \(File exists\); make"):
        load_dataset("cifar10")


def test_a_name_too_long_for_a_file_is_an_unknown_one() -> None:
    with pytest.raises(UnknownNameError, match="unknown data set 'xxx"):
        load_dataset("x" * 5000)


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(
        UnknownNameError,
        match=r"unknown data set 'cifar-10'; did you mean 'cifar10'\? known: .*, or the path of a folder",
    ):
        load_dataset("cifar-10")


def test_a_path_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "missing"):
        with pytest.raises(
            DataError, match=rf"--data {path}: is not a folder; give a folder with train/<class>/\*"
        ):
            load_dataset(str(path))


@pytest.mark.parametrize("shape", [(2, 8, 8), (2, 8, 8, 3)])
def test_images_are_resized_to_rgb(shape: tuple[int, ...]) -> None:
    images = resized(np.full(shape, 9, np.uint8), 20)
    assert images.shape == (2, 20, 20, 3)
    assert (images == 9).all()
