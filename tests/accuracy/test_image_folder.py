import os
import shutil
import unicodedata
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from edgenas.accuracy.dataset import Dataset, Split
from edgenas.accuracy.image_folder import dataset_from_folder
from edgenas.errors import DataError
from edgenas.progress import silent
from edgenas.vocabulary import Fit


def save(path: Path, colour: tuple[int, ...] | int = (10, 20, 30), mode: str = "RGB", size: int = 16) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (size, size), colour).save(path)
    return path


def fill(part: Path, per_class: int, names: tuple[str, ...] = ("cat", "dog"), size: int = 16) -> None:
    """Class `i` is all grey value 50 + 100 * i."""
    for i, name in enumerate(names):
        for number in range(per_class):
            save(part / name / f"{number}.png", (50 + 100 * i,) * 3, size=size)


def load(folder: Path, resolution: int | None = 16) -> Dataset:
    return dataset_from_folder(folder, resolution, flip=True, progress=silent, channels=3)


def remarks(data: Dataset) -> str:
    return "\n".join(data.remarks)


def refused(data: Dataset) -> Mapping[str, str]:
    assert data.files is not None
    return data.files.refused


def total(data: Dataset) -> int:
    return sum(map(len, (data.train, data.validation, data.test)))


def grey_value_fits_label(split: Split) -> bool:
    return bool((split.images[:, 0, 0, 0] == 50 + 100 * split.labels).all())


@pytest.mark.parametrize("held_out", ["test", "val"])
def test_train_beside_test_or_val(tmp_path: Path, held_out: str) -> None:
    fill(tmp_path / "train", 10)
    fill(tmp_path / held_out, 3)
    data = load(tmp_path)
    assert data.classes == ("cat", "dog")
    assert (len(data.train) + len(data.validation), len(data.test)) == (20, 6)
    assert all(map(grey_value_fits_label, (data.train, data.validation, data.test)))


def test_test_is_taken_before_val(tmp_path: Path) -> None:
    fill(tmp_path / "train", 10)
    fill(tmp_path / "val", 5)
    fill(tmp_path / "test", 3)
    assert len(load(tmp_path).test) == 6


def test_without_a_held_out_folder_a_fifth_is_held_out_and_a_warning_says_so(tmp_path: Path) -> None:
    fill(tmp_path / "train", 10)
    data = load(tmp_path)
    assert len(data.test) == 4
    assert "there is no test/ or val/ folder: a fifth of train/ is held out" in remarks(data)


def test_files_in_subfolders_of_a_class_belong_to_it_and_other_files_do_not_count(tmp_path: Path) -> None:
    fill(tmp_path / "train", 4)
    save(tmp_path / "train" / "cat" / "deep" / "er" / "a.JPG")
    (tmp_path / "train" / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "train" / "empty").mkdir()
    data = load(tmp_path)
    assert "passed over: 1 not an image (train/cat/notes.txt)" in remarks(data)
    assert (total(data), data.classes) == (9, ("cat", "dog"))


def test_a_test_folder_may_lack_a_class_and_that_is_said(tmp_path: Path) -> None:
    fill(tmp_path / "train", 5)
    fill(tmp_path / "test", 2, names=("dog",))
    data = load(tmp_path)
    assert data.test.labels.tolist() == [1, 1]
    assert "test/ has no images of class 'cat': it is missing from all test figures" in remarks(data)


MODES: dict[str, tuple[str, tuple[int, ...] | int, str, int]] = {
    "greyscale": ("L", 90, "png", 90),
    "16 bit greyscale": ("I;16", 90 * 257, "png", 90),
    "greyscale with alpha": ("LA", (90, 255), "png", 90),
    "palette": ("P", 0, "gif", 0),
    "RGBA": ("RGBA", (90, 90, 90, 255), "png", 90),
    "CMYK": ("CMYK", (165, 165, 165, 0), "tiff", 90),
    "CMYK as in print": ("CMYK", (165, 165, 165, 0), "jpg", 90),
    "32 bit greyscale": ("I", 90 * 257, "tiff", 90),
    "one bit": ("1", 1, "png", 255),
}


@pytest.mark.parametrize("name", MODES)
def test_every_mode_is_decoded_to_rgb(tmp_path: Path, name: str) -> None:
    mode, colour, suffix, expected = MODES[name]
    fill(tmp_path / "train", 4)
    save(tmp_path / "test" / "cat" / f"a.{suffix}", colour, mode)
    test = load(tmp_path).test
    assert test.images.shape == (1, 3, 16, 16)
    assert np.abs(test.images.numpy().astype(int) - expected).max() <= 1


@given(width=st.integers(1, 70), height=st.integers(1, 70), resolution=st.integers(8, 40))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_size_is_brought_to_the_resolution(
    tmp_path: Path, width: int, height: int, resolution: int
) -> None:
    if not (tmp_path / "train").exists():
        fill(tmp_path / "train", 4)
    (tmp_path / "test" / "cat").mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), (7, 8, 9)).save(tmp_path / "test" / "cat" / "a.png")
    images = load(tmp_path, resolution).test.images
    assert images.shape == (1, 3, resolution, resolution)
    assert images[0, :, resolution // 2, resolution // 2].tolist() == [7, 8, 9]


def test_a_long_image_is_cut_at_its_centre(tmp_path: Path) -> None:
    fill(tmp_path / "train", 4)
    picture = np.zeros((16, 48, 3), np.uint8)
    picture[:, 16:32] = 200
    (tmp_path / "test" / "cat").mkdir(parents=True)
    Image.fromarray(picture).save(tmp_path / "test" / "cat" / "a.png")
    assert (load(tmp_path).test.images == 200).all()


@pytest.mark.parametrize(
    ("size", "expected"),
    [(8, 16), (16, 16), (28, 24), (32, 32), (64, 64), (95, 64), (96, 96), (100, 96), (224, 224), (300, 224)],
)
def test_the_native_resolution_is_one_that_a_layout_covers(tmp_path: Path, size: int, expected: int) -> None:
    fill(tmp_path / "train", 4, size=size)
    assert load(tmp_path, resolution=None).resolution == expected


def test_progress_reaches_the_number_of_images(tmp_path: Path) -> None:
    fill(tmp_path / "train", 4)
    seen: list[tuple[str, float, float]] = []
    dataset_from_folder(
        tmp_path, 16, True, lambda phase, done, total, detail="": seen.append((phase, done, total))
    )
    assert (seen[0], seen[-1]) == (("decoding images", 0, 8), ("decoding images", 8, 8))


def test_a_corrupt_image_is_skipped_counted_and_named(tmp_path: Path) -> None:
    fill(tmp_path / "train", 20)
    broken = tmp_path / "train" / "dog" / "5.png"
    broken.write_bytes(broken.read_bytes()[:40])
    data = load(tmp_path)
    assert total(data) == 39
    assert all(map(grey_value_fits_label, (data.train, data.validation, data.test)))
    assert "1 of 40 images cannot be read and are skipped: train/dog/5.png" in remarks(data)


def test_too_many_corrupt_images_are_refused_and_the_first_named(tmp_path: Path) -> None:
    fill(tmp_path / "train", 20)
    for number in range(5):
        (tmp_path / "train" / "cat" / f"{number}.png").write_bytes(b"not an image")
    named = r"cat/0\.png \(not an image\), \S*cat/1\.png \(not an image\), \S*cat/2\.png .* and 2 more"
    with pytest.raises(
        DataError, match=rf"5 of 40 images cannot be read: \S*{named}; remove or replace the broken files"
    ):
        load(tmp_path)


def test_a_test_folder_of_nothing_but_a_corrupt_image_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "train", 4)
    (tmp_path / "test" / "cat").mkdir(parents=True)
    (tmp_path / "test" / "cat" / "a.png").write_bytes(b"")
    with pytest.raises(
        DataError, match=r"1 of 1 image cannot be read: .*a\.png \(empty\); remove or replace"
    ):
        load(tmp_path)


def test_a_corrupt_image_is_passed_over_in_choosing_the_native_resolution(tmp_path: Path) -> None:
    fill(tmp_path / "train", 4, size=32)
    (tmp_path / "train" / "cat" / "0.ppm").write_bytes(b"P6\n2$ 20\n255\n")
    data = load(tmp_path, resolution=None)
    assert (data.resolution, total(data)) == (32, 8)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
@given(
    suffix=st.sampled_from(["png", "jpeg", "bmp", "webp", "gif", "ppm", "tiff"]),
    length=st.floats(0, 1),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4),
)
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_file_is_skipped_or_read(
    tmp_path: Path, suffix: str, length: float, changes: list[tuple[float, int]]
) -> None:
    if not (tmp_path / "train").exists():
        fill(tmp_path / "train", 4)
        fill(tmp_path / "test", 1)
    buffer = BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, suffix)
    content = bytearray(buffer.getvalue())
    for place, value in changes:  # most formats decide in their first bytes
        content[int(place * min(len(content), 100))] = value
    damaged = tmp_path / "train" / "cat" / f"x.{suffix}"
    damaged.write_bytes(content[: round(length * len(content))])
    try:
        assert total(load(tmp_path, resolution=None)) in (10, 11)
    finally:
        damaged.unlink()


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: None,
        lambda folder: (folder / "train").mkdir(),
        lambda folder: (folder / "train" / "cat").mkdir(parents=True),
    ],
    ids=["empty", "empty train", "empty class"],
)
def test_a_folder_without_training_images_is_refused(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path)
    with pytest.raises(
        DataError,
        match=r"--data \S+: has no images under train/<class>/; lay it out as train/<class>/\*\.jpg",
    ):
        load(tmp_path)


def test_one_class_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "train", 5, names=("cat",))
    with pytest.raises(DataError, match=f"{tmp_path}: only one class, 'cat'; give images of at least two"):
        load(tmp_path)


def test_a_class_that_only_the_test_folder_has_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "train", 5)
    fill(tmp_path / "test", 1, names=("cat", "horse"))
    with pytest.raises(
        DataError, match="test: class 'horse' does not occur under train/; use the same class folders in both"
    ):
        load(tmp_path)


def test_photographs_are_turned_the_way_their_exif_says(tmp_path: Path) -> None:
    """A camera held upright stores a lying image and a note."""
    for part in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / part / name).mkdir(parents=True)
            for number in range(6):
                pixels = np.zeros((16, 16, 3), np.uint8)
                pixels[:8] = 255  # white above, black below, as stored
                exif = Image.Exif()
                exif[0x0112] = 3  # turned by 180 degrees
                Image.fromarray(pixels).save(tmp_path / part / name / f"{number}.png", exif=exif)
            (tmp_path / part / name / "._hidden.png").write_bytes(b"no image")
    dataset = dataset_from_folder(tmp_path, 16, False, silent)
    assert int(dataset.train.images[:, :, :7].max()) == 0
    assert int(dataset.train.images[:, :, 9:].min()) == 255
    assert len(dataset.test) == 12


def test_a_hair_thin_image_is_cut_before_it_is_scaled(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "train" / name).mkdir(parents=True)
        for number in range(8):
            Image.new("RGB", (1, 60_000), ("red", "blue")[number % 2]).save(
                tmp_path / "train" / name / f"{number}.png"
            )
    assert dataset_from_folder(tmp_path, 224, False, silent).train.images.shape[1:] == (3, 224, 224)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("this is no image, whatever its name")


def broken_link(path: Path) -> None:
    path.symlink_to(path.with_name("gone.png"))


def link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def bomb(path: Path) -> None:
    """A header that promises 40,000 x 40,000 pixels, as in a file made to fill the memory."""
    buffer = BytesIO()
    Image.new("L", (8, 8)).save(buffer, "bmp")
    content = bytearray(buffer.getvalue())
    content[18:26] = (40_000).to_bytes(4, "little") * 2
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (empty, "empty"),
        (text, "not an image"),
        (broken_link, "broken link"),
        (link_to_itself, "broken link"),
        (pipe, "not a file"),
        (bomb, "more than 104 million pixels"),
    ],
)
def test_one_bad_file_is_skipped_with_the_reason_and_many_are_an_error(
    tmp_path: Path, make: Callable[[Path], None], reason: str
) -> None:
    fill(tmp_path / "train", 20)
    make(tmp_path / "train" / "cat" / "bad.jpg")
    data = load(tmp_path, resolution=None)
    assert total(data) == 40
    assert f"1 of 41 images cannot be read and are skipped: train/cat/bad.jpg ({reason})" in remarks(data)
    make(tmp_path / "train" / "dog" / "bad.jpg")
    with pytest.raises(
        DataError, match=rf"2 of 42 images cannot be read: .*dog/bad\.jpg \({reason}\); remove or"
    ):
        load(tmp_path)


def test_a_photograph_of_100_megapixels_is_read_without_a_word(tmp_path: Path) -> None:
    fill(tmp_path / "train", 4)
    (tmp_path / "test" / "cat").mkdir(parents=True)
    Image.new("L", (10_000, 10_000), 90).save(tmp_path / "test" / "cat" / "a.png")
    (tmp_path / "train" / "cat" / "0.png").unlink()  # the first is looked at for the native resolution
    (tmp_path / "train" / "cat" / "0.png").symlink_to(tmp_path / "test" / "cat" / "a.png")
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        assert (load(tmp_path, resolution=None).test.images == 90).all()
    assert not heard


def test_a_folder_named_as_an_image_is_a_folder(tmp_path: Path) -> None:
    fill(tmp_path / "train", 4)
    (tmp_path / "train" / "cat" / "empty.jpg").mkdir()
    save(tmp_path / "train" / "cat" / "holds one.jpg" / "a.png")
    assert total(load(tmp_path)) == 9


def test_sizes_and_shapes_may_be_mixed(tmp_path: Path) -> None:
    fill(tmp_path / "train", 6)
    for i, size in enumerate([(1, 1), (300, 5), (5, 300), (64, 48), (1000, 700)]):
        Image.new("RGB", size, (50, 50, 50)).save(tmp_path / "train" / "cat" / f"other {i}.png")
    data = load(tmp_path)
    assert total(data) == 17
    assert all(map(grey_value_fits_label, (data.train, data.validation, data.test)))


def test_modes_may_be_mixed_within_a_class(tmp_path: Path) -> None:
    fill(tmp_path / "train", 4)
    for i, (mode, colour, suffix, _) in enumerate(MODES.values()):
        save(tmp_path / "train" / "cat" / f"other {i}.{suffix}", colour, mode)
    assert total(load(tmp_path)) == 8 + len(MODES)


def test_too_few_images_in_a_class_are_refused_before_any_is_decoded(tmp_path: Path) -> None:
    fill(tmp_path / "train", 5)
    fill(tmp_path / "train", 3, names=("horse",))
    with pytest.raises(
        DataError, match=f"{tmp_path}: class 'horse' has 3 training images; give every class at least 4"
    ):
        dataset_from_folder(tmp_path, 16, True, lambda *_: pytest.fail("decoding"))


def test_a_class_folder_without_images_is_named(tmp_path: Path) -> None:
    fill(tmp_path / "train", 5)
    (tmp_path / "train" / "horse").mkdir()
    data = load(tmp_path)
    assert data.classes == ("cat", "dog")
    assert "class folders without images are ignored: train/horse" in remarks(data)


def test_images_beside_the_class_folders_are_named(tmp_path: Path) -> None:
    fill(tmp_path / "train", 5)
    save(tmp_path / "train" / "loose.png")
    data = load(tmp_path)
    assert total(data) == 10
    assert "1 outside class folders (train/loose.png: move them into one)" in remarks(data)
    assert refused(data) == {"train/loose.png": "outside class folders"}


def test_hidden_folders_are_no_classes_and_hold_no_images(tmp_path: Path) -> None:
    fill(tmp_path / "train", 5)
    save(tmp_path / "train" / ".thumbnails" / "a.png")
    save(tmp_path / "train" / "cat" / ".ipynb_checkpoints" / "a.png")
    data = load(tmp_path)
    assert (total(data), data.classes) == (10, ("cat", "dog"))


def test_a_class_folder_may_be_a_link_and_so_may_images(tmp_path: Path) -> None:
    fill(tmp_path / "elsewhere", 5)
    (tmp_path / "set" / "train" / "dog").mkdir(parents=True)
    (tmp_path / "set" / "train" / "cat").symlink_to(tmp_path / "elsewhere" / "cat")
    for number in range(5):
        target = tmp_path / "elsewhere" / "dog" / f"{number}.png"
        (tmp_path / "set" / "train" / "dog" / f"{number}.png").symlink_to(target)
    assert total(load(tmp_path / "set")) == 10


def test_links_to_folders_inside_a_class_are_named_and_not_followed(tmp_path: Path) -> None:
    fill(tmp_path / "train", 5)
    loop = tmp_path / "train" / "cat" / "loop"
    loop.symlink_to(tmp_path / "train")
    data = load(tmp_path)
    assert total(data) == 10
    assert all(map(grey_value_fits_label, (data.train, data.validation, data.test)))
    assert "1 link to a folder (train/cat/loop: put the folder itself there)" in remarks(data)


@pytest.mark.parametrize("target", [".", ".."])
def test_a_class_that_links_upwards_is_refused(tmp_path: Path, target: str) -> None:
    fill(tmp_path / "train", 5)
    (tmp_path / "train" / "all").symlink_to(target)
    with pytest.raises(DataError, match="train/all: is a link to one of its parent folders; remove the link"):
        load(tmp_path)


def test_a_link_to_itself_is_no_class(tmp_path: Path) -> None:
    fill(tmp_path / "train", 5)
    (tmp_path / "train" / "self").symlink_to("self")
    assert load(tmp_path).classes == ("cat", "dog")


def test_names_may_be_of_any_language(tmp_path: Path) -> None:
    names = ("köttbullar", "寿司", "🍕 pizza")
    for name in names:
        for number in range(5):
            save(tmp_path / "train" / name / f"ß 写真 {number}.png", (40 * number,) * 3)
    assert load(tmp_path).classes == tuple(unicodedata.normalize("NFC", name) for name in names)


def test_a_class_name_that_no_json_can_hold_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "train", 5)
    (tmp_path / "train" / os.fsdecode(b"caf\xe9")).mkdir()
    with pytest.raises(
        DataError, match=r"train: the name of class folder 'caf\\udce9' is not UTF-8; rename the folder"
    ):
        load(tmp_path)


def test_an_image_name_that_is_not_utf_8_is_read(tmp_path: Path) -> None:
    fill(tmp_path / "train", 5)
    image = tmp_path / "train" / "cat" / "0.png"
    image.rename(image.with_name(os.fsdecode(b"caf\xe9.png")))
    assert total(load(tmp_path)) == 10


def test_a_folder_that_cannot_be_listed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Permissions do not bind whoever runs the tests as root."""
    fill(tmp_path / "train", 5)

    def forbidden(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", forbidden)
    with pytest.raises(
        DataError,
        match=r"--data \S*: \S* cannot be listed \(Permission denied\); make the folder readable",
    ):
        load(tmp_path)


def test_imbalance_is_named_and_splits_stay_stratified(tmp_path: Path) -> None:
    fill(tmp_path / "train", 60, names=("cat",))
    fill(tmp_path / "train", 5, names=("cat", "dog"))
    data = load(tmp_path)
    assert "class 'cat' has 60 training images, class 'dog' only 5" in remarks(data)
    assert all(1 in split.labels for split in (data.train, data.validation, data.test))


def shaded(top: float, kind: type[np.generic], seed: int) -> Image.Image:
    """A picture of more than 8 bits, with values from 0 to `top`."""
    values = np.random.default_rng(seed).random((16, 16)) * top
    values[0, :2] = 0, top
    return Image.fromarray(values.astype(kind))


def icon(seed: int) -> Image.Image:
    """Black, with a shape that only its transparency shows."""
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[..., 3] = np.random.default_rng(seed).integers(0, 2, (16, 16)) * 255
    return Image.fromarray(pixels)


@pytest.mark.parametrize(
    ("picture", "suffix"),
    [
        (partial(shaded, 4095, np.uint16), "tif"),
        (partial(shaded, 1.0, np.float32), "tif"),
        (partial(shaded, 255, np.int32), "tif"),
        (icon, "png"),
    ],
    ids=["12 bits in 16", "0 to 1", "8 bits in 32", "only transparency"],
)
def test_no_picture_comes_out_black(
    picture: Callable[[int], Image.Image], suffix: str, tmp_path: Path
) -> None:
    for i, name in enumerate(("a", "b")):
        (tmp_path / "train" / name).mkdir(parents=True)
        for number in range(6):
            picture(100 * i + number).save(tmp_path / "train" / name / f"{number}.{suffix}")
    data = load(tmp_path)
    assert (int(data.train.images.min()), int(data.train.images.max())) == (0, 255)
    assert "show nothing" not in remarks(data)
    assert 0.3 < data.mean[0] < 0.7


def test_images_that_all_show_the_same_colour_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for number in range(6):
            save(tmp_path / "train" / name / f"{number}.png", (3, 3, 3))
    with pytest.raises(
        DataError,
        match=r"--data \S+: all training images show the same colour \(first: train/a/0\.png\); look at one",
    ):
        load(tmp_path)


def test_the_same_picture_in_training_and_test_and_in_two_classes_is_told(tmp_path: Path) -> None:
    for i, name in enumerate(("a", "b")):
        (tmp_path / "train" / name).mkdir(parents=True)
        for number in range(6):
            icon(10 * i + number).save(tmp_path / "train" / name / f"{number}.png")
    shutil.copytree(tmp_path / "train", tmp_path / "test")
    shutil.copy(tmp_path / "train" / "a" / "0.png", tmp_path / "train" / "b" / "again.png")
    told = remarks(load(tmp_path))
    assert "12 of 12 test images are also training images: test figures are too high (test/" in told
    assert "images are in more than one class, so some of their labels are wrong (train/" in told


def test_grey_images_have_one_channel_unless_asked_otherwise(tmp_path: Path) -> None:
    fill(tmp_path / "train", 5)
    shape = {
        asked: dataset_from_folder(tmp_path, 16, True, silent, channels=asked).train.images.shape[1]
        for asked in (None, 1, 3)
    }
    assert shape == {None: 1, 1: 1, 3: 3}
    fingerprints = {
        dataset_from_folder(tmp_path, 16, True, silent, channels=each).fingerprint for each in (None, 1, 3)
    }
    assert len(fingerprints) == 1
    save(tmp_path / "train" / "cat" / "red.png", (200, 0, 0))
    assert dataset_from_folder(tmp_path, 16, True, silent, channels=None).channels == 3
    assert dataset_from_folder(tmp_path, 16, True, silent, channels=1).channels == 1


@pytest.mark.parametrize(("fit", "expected"), [("crop", 0), ("stretch", 0), ("pad", 128)])
def test_the_fit_is_that_asked_for(tmp_path: Path, fit: Fit, expected: int) -> None:
    for i, name in enumerate(("a", "b")):
        (tmp_path / "train" / name).mkdir(parents=True)
        for number in range(5):
            Image.new("RGB", (32, 16), (0, 0, 250 * i)).save(tmp_path / "train" / name / f"{number}.png")
    data = dataset_from_folder(tmp_path, 16, True, silent, fit)
    assert (data.train.images[:, 0, 0] == expected).all()
    assert data.preparation.fit == fit


def test_own_validation_images_guide_the_search(tmp_path: Path) -> None:
    for part, count in (("train", 10), ("valid", 4), ("test", 3)):
        fill(tmp_path / part, count)
    data = load(tmp_path)
    assert [len(split) for split in (data.train, data.validation, data.test)] == [20, 8, 6]
    assert all(map(grey_value_fits_label, (data.train, data.validation, data.test)))
