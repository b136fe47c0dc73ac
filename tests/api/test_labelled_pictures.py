"""The pictures of `--check` are those that training on the same folder keeps for its test."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from edgenas.accuracy.dataset_sources import load_dataset
from edgenas.api.labelled_pictures import labelled_pictures
from edgenas.errors import InputError
from edgenas.images.preparation import Preparation
from edgenas.images.reading import read_pixels


@pytest.mark.parametrize(
    "parts",
    [
        {"train": "train"},
        {"Training": "train", "valid": "test"},
        {"train_set": "train", "testing": "test"},
        {"train": "train", "val": "train", "test": "test"},
    ],
    ids=", ".join,
)
def test_they_are_those_of_training(image_folder: Path, tmp_path: Path, parts: dict[str, str]) -> None:
    for name, source in parts.items():
        shutil.copytree(image_folder / source, tmp_path / name)
    dataset = load_dataset(str(tmp_path), 16)
    found = labelled_pictures(tmp_path)
    assert sorted(found.images) == sorted(dataset.classes)
    for label, name in enumerate(dataset.classes):
        theirs = dataset.test.images[dataset.test.labels == label].permute(0, 2, 3, 1).numpy()
        mine = [read_pixels(path, 16, Preparation()) for path in found.images[name]]
        assert {each.tobytes() for each in mine} == {np.ascontiguousarray(each).tobytes() for each in theirs}
        assert len(mine) == len(theirs)
    assert bool(found.remark) == ("train" in parts and len(parts) == 1)


def test_a_class_may_be_called_as_a_part(image_folder: Path, tmp_path: Path) -> None:
    for part in ("train", "test", "val"):
        shutil.copytree(image_folder / "test" / "red", tmp_path / part)
    found = labelled_pictures(tmp_path)
    assert sorted(found.images) == ["test", "train", "val"] and "all pictures" in found.remark


def test_a_class_of_one_picture_has_none_aside(image_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(image_folder / "train" / "red", tmp_path / "train" / "red")
    (tmp_path / "train" / "blue").mkdir()
    shutil.copy(image_folder / "train" / "blue" / "00.png", tmp_path / "train" / "blue")
    assert {name: len(paths) for name, paths in labelled_pictures(tmp_path).images.items()} == {"red": 4}


def test_a_training_folder_of_single_pictures_is_refused(image_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "train" / "blue").mkdir(parents=True)
    shutil.copy(image_folder / "train" / "blue" / "00.png", tmp_path / "train" / "blue")
    with pytest.raises(InputError, match=r"^--check .*: train/ has too few pictures to keep any aside; give"):
        labelled_pictures(tmp_path)
