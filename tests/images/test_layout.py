from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from edgenas.errors import DataError
from edgenas.images.layout import listing_of, part_named


def fill(folder: Path, count: int, *classes: str) -> None:
    for name in classes or ("cat", "dog"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            Image.new("RGB", (4, 4), (number, 0, 0)).save(folder / name / f"{number}.png")


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train", "test"), ("Training", "Testing"), ("TRAIN", "VAL"), ("training_set", "test_set"), ("train", "valid"),
        ("train", "validation"), ("train-images", "val images"),
    ],
)  # fmt: skip
def test_the_names_that_people_give_their_parts(tmp_path: Path, train: str, test: str) -> None:
    fill(tmp_path / train, 5)
    fill(tmp_path / test, 2)
    listing = listing_of(tmp_path)
    assert (listing.classes, listing.counts) == (("cat", "dog"), (10, 0, 4))
    assert listing.remarks == ()


def test_a_split_has_the_part_of_a_folder_of_its_name() -> None:
    assert [part_named(name) for name in ("train", "Valid", "test-set")] == ["train", "validation", "test"]
    assert part_named("unsupervised") is part_named("validation_matched") is None


def test_three_parts_are_all_used(tmp_path: Path) -> None:
    for part, count in (("train", 5), ("valid", 3), ("test", 2)):
        fill(tmp_path / part, count)
    listing = listing_of(tmp_path)
    assert listing.counts == (10, 6, 4)
    assert [path.parent.parent.name for path in listing.paths] == ["train"] * 10 + ["valid"] * 6 + [
        "test"
    ] * 4
    assert listing.labels.tolist() == [0] * 5 + [1] * 5 + [0] * 3 + [1] * 3 + [0] * 2 + [1] * 2


def test_a_flat_folder_of_classes(tmp_path: Path) -> None:
    fill(tmp_path, 5, "cat", "dog", "train")  # a train is a vehicle here
    listing = listing_of(tmp_path)
    assert (listing.classes, listing.counts) == (("cat", "dog", "train"), (15, 0, 0))
    assert listing.remarks == ("there are class folders only: a fifth of the images is held out as test",)


def test_what_lies_beside_is_told(tmp_path: Path) -> None:
    for part in ("train", "test"):
        fill(tmp_path / part, 4)
    fill(tmp_path / "unlabelled", 1)
    (tmp_path / ".git").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "cover.jpg")
    (tmp_path / "README.md").write_text("my photographs")
    (tmp_path / "train" / "@eaDir").mkdir()
    (tmp_path / "train" / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(20))
    (tmp_path / "train" / ".hidden").mkdir()
    listing = listing_of(tmp_path)
    assert listing.remarks == ("ignored beside test, train: cover.jpg, unlabelled/",)
    assert listing.passed_over == {
        "train/@eaDir": "of thumbnails", "train/IMG_1.HEIC": "HEIC", "train/.hidden": "hidden"
    }  # fmt: skip


def test_a_test_folder_without_class_folders_is_named(tmp_path: Path) -> None:
    fill(tmp_path / "train", 5)
    (tmp_path / "test").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "test" / "a.png")
    listing = listing_of(tmp_path)
    assert listing.remarks == (
        "test/ has no class folders with images: a fifth of train/ is held out as test",
    )
    assert listing.passed_over == {"test/a.png": "outside class folders"}


def test_accents_are_compared_as_people_read_them(tmp_path: Path) -> None:
    fill(tmp_path / "train", 4, "caf\u00e9", "the\u0301")
    fill(tmp_path / "train", 2, "cafe\u0301")
    fill(tmp_path / "test", 1, "cafe\u0301", "th\u00e9")
    listing = listing_of(tmp_path)
    assert (listing.classes, listing.counts) == (("caf\u00e9", "th\u00e9"), (10, 0, 2))


def nested(root: Path) -> None:
    fill(root / "photos" / "train", 4)


def misspelt(root: Path) -> None:
    fill(root / "trian", 4)
    fill(root / "test", 4)


def unknown_parts(root: Path) -> None:
    fill(root / "fold1", 4)
    fill(root / "fold2", 4)


def loose(root: Path) -> None:
    Image.new("RGB", (4, 4)).save(root / "a.png")
    Image.new("RGB", (4, 4)).save(root / "b.png")


def single(root: Path) -> None:
    fill(root, 4, "cat")


def only_test(root: Path) -> None:
    fill(root / "test", 4)


def parts_without_classes(root: Path) -> None:
    for part in ("train", "test"):
        (root / part).mkdir()
        for number in range(5):
            Image.new("RGB", (4, 4), (number, 0, 0)).save(root / part / f"{number}.png")


def one_deeper(root: Path) -> None:
    fill(root / "flowers", 4)


def two_deeper(root: Path) -> None:
    fill(root / "outer" / "inner" / "train", 4)
    fill(root / "outer" / "inner" / "test", 4)


def all_heic(root: Path) -> None:
    for name in ("cat", "dog"):
        (root / "train" / name).mkdir(parents=True)
        (root / "train" / name / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(20))


def only_heic(root: Path) -> None:
    for number in range(3):
        (root / f"IMG_{number}.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(20))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            nested,
            r"/, but photos/ has a folder for training: give --data \S+/photos; lay it out as train/<class>",
        ),
        (misspelt, r"/, but a folder trian/: rename it to train; lay it out"),
        (unknown_parts, r"/, but fold1, fold2 hold the same folders: name them train and test; lay it out"),
        (loose, r"/, but 2 images directly in it \(a\.png, b\.png\); lay it out"),
        (parts_without_classes, r"/, but test/, train/ hold images without class folders; lay it out"),
        (one_deeper, r"/, but flowers/ has class folders: give --data \S+/flowers; lay it out"),
        (two_deeper, r"/, but outer/inner/ has class folders: give --data \S+/outer/inner; lay it out"),
        (only_heic, r"/; passed over: 3 HEIC \(IMG_0\.HEIC, .*: convert them to JPEG\); lay it out"),
        (single, r"/, but only one folder with images, cat/; lay it out"),
        (
            only_test,
            r"/, but under test/; lay it out as train/<class>/\*\.jpg and test/<class>/\*\.jpg, or as <class>/\*\.jpg",
        ),
        (
            all_heic,
            r"/; passed over: 2 HEIC \(train/cat/IMG_1\.HEIC, train/dog/IMG_1\.HEIC: convert them to JPEG\)",
        ),
    ],
)
def test_a_near_miss_is_named(tmp_path: Path, make: Callable[[Path], None], message: str) -> None:
    make(tmp_path)
    with pytest.raises(DataError, match=r"--data \S+: has no images under train/<class>" + message):
        listing_of(tmp_path)


def test_two_folders_for_one_part_are_refused(tmp_path: Path) -> None:
    fill(tmp_path / "train", 4)
    fill(tmp_path / "Training", 4)
    with pytest.raises(
        DataError, match=r"both Training/ and train/ are folders for train; keep one of them there"
    ):
        listing_of(tmp_path)


def test_a_class_in_other_case_is_a_near_miss(tmp_path: Path) -> None:
    fill(tmp_path / "train", 4)
    fill(tmp_path / "test", 1, "Cat")
    with pytest.raises(
        DataError, match=r"test: class 'Cat' does not occur under train/, which has 'cat'; use the"
    ):
        listing_of(tmp_path)


def test_an_archive_that_was_unpacked_into_itself_is_named(tmp_path: Path) -> None:
    fill(tmp_path / "train" / "train", 4)
    fill(tmp_path / "test", 4)
    with pytest.raises(DataError, match=r"train/ holds nothing but another train/; move that one level up"):
        listing_of(tmp_path)


def test_a_test_folder_of_another_name_is_not_lost(tmp_path: Path) -> None:
    fill(tmp_path / "train", 4)
    fill(tmp_path / "tets", 4)
    with pytest.raises(
        DataError, match=r"tets/ has the class folders of train/ too; rename it to test if it is that"
    ):
        listing_of(tmp_path)
    fill(tmp_path / "test", 4)
    assert listing_of(tmp_path).remarks == ("ignored beside test, train: tets/",)
