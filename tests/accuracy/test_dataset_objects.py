"""Arrays, and data sets of others, become the data set that a folder of the same pictures would be."""

import io
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.dataset_objects import dataset_from_object
from edgenas.errors import DataError, InputError
from edgenas.images.preparation import Preparation

LABELS = np.tile([0, 1], 8)


def pictures(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """So many, uint8; each is lighter than the one before, so that their order shows."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 200, shape, dtype=np.uint8)
    return values + np.arange(len(values), dtype=np.uint8).reshape(-1, *[1] * (len(shape) - 1))


def images_of(dataset: Dataset) -> list[np.ndarray]:
    """The pixels of all images, in an order that does not depend on the splits."""
    splits = (dataset.train, dataset.validation, dataset.test)
    arrays = [split.images.permute(0, 2, 3, 1).numpy() for split in splits]
    return sorted(np.concatenate(arrays), key=lambda image: image.tobytes())


def expected(images: list[Image.Image], size: int) -> list[np.ndarray]:
    return sorted((Preparation().pixels(image, size) for image in images), key=lambda image: image.tobytes())


def same(found: list[np.ndarray], wanted: list[np.ndarray]) -> bool:
    return len(found) == len(wanted) and all(map(np.array_equal, found, wanted))


@given(
    height=st.integers(2, 40), width=st.integers(2, 40), size=st.integers(8, 32),
    layout=st.sampled_from(["HW", "HWC", "CHW"]), channels=st.sampled_from([1, 3, 4]),
    kind=st.sampled_from(["numpy", "torch", "arrays", "tensors", "pictures"]),
    dtype=st.sampled_from([np.uint8, np.float32, np.float64, np.float16, np.int64]),
)  # fmt: skip
def test_any_layout_and_type_gives_what_files_would(
    height: int, width: int, size: int, layout: str, channels: int, kind: str, dtype: type
) -> None:
    if height in (1, 3, 4) or width in (1, 3, 4):
        height, width = height + 5, width + 5  # otherwise the layout is ambiguous
    channels = 1 if layout == "HW" else channels
    arrays = pictures((16, height, width, channels))
    given_images: Any = arrays[..., 0] if layout == "HW" else arrays
    given_images = given_images.transpose(0, 3, 1, 2) if layout == "CHW" else given_images
    given_images = (
        given_images / np.asarray(255, dtype) if dtype in (np.float32, np.float64) else given_images
    )
    given_images = given_images.astype(dtype)  # of 16 bits: 0 to 255, which these hold exactly
    sources = [Image.fromarray(each[..., 0] if channels == 1 else each) for each in arrays]
    match kind:
        case "torch":
            given_images = torch.from_numpy(np.ascontiguousarray(given_images))
        case "arrays":
            given_images = list(given_images)
        case "tensors":
            given_images = [torch.from_numpy(np.ascontiguousarray(each)) for each in given_images]
        case "pictures":
            given_images = sources
    found = dataset_from_object((given_images, LABELS), size)
    assert same(images_of(found), expected(sources, size))
    assert (found.name, found.classes, found.resolution, found.flip) == ("arrays", ("0", "1"), size, True)


@pytest.mark.parametrize(
    ("values", "top"),
    [
        (np.uint16([0, 4095]), 4095), (np.uint16([3, 900]), 1023), (np.int32([0, 65535]), 65535),
        (np.int16([0, 255]), 255), (np.float32([0, 1]), 1), (np.float64([0, 254.25]), 255),
    ],
)  # fmt: skip
def test_the_range_is_that_of_the_values(values: np.ndarray, top: int) -> None:
    images = np.resize(values, (16, 8, 8)).astype(values.dtype)
    dataset = dataset_from_object((images, LABELS))
    name = "F" if values.dtype.kind == "f" else "I;16"
    assert dataset.preparation.ranges[name] == (0, top)
    assert dataset.train.images.max() == round(float(values.max()) * 255 / top)
    # As of files: a picture of the same values, prepared in the same way.
    one = dataset.preparation.pixels(Image.fromarray(np.resize(values, (8, 8)).astype(values.dtype)), 16)
    assert any(np.array_equal(one, image) for image in images_of(dataset))


def test_deep_pictures_in_a_list_are_scaled_alike() -> None:
    values = [np.full((9, 9), number * 100, np.uint16) for number in range(16)]
    from_pictures = dataset_from_object(([Image.fromarray(each) for each in values], LABELS), 8)
    from_arrays = dataset_from_object((np.stack(values), LABELS), 8)
    assert from_pictures.fingerprint == from_arrays.fingerprint
    assert from_pictures.preparation.ranges["I;16"] == (0, 4095)


def test_masks_are_black_and_white() -> None:
    dataset = dataset_from_object((pictures((16, 8, 8)) > 100, LABELS), 8)
    assert set(dataset.train.images.unique().tolist()) == {0, 255}


def test_transparency_shows_white_and_pictures_are_turned_upright() -> None:
    clear = np.zeros((16, 8, 8, 4), np.uint8)
    clear[::2, :4, :, 3] = 255
    assert dataset_from_object((clear, LABELS), 8).train.images.max() == 255
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.fromarray(pictures((1, 8, 16, 3))[0]).save(buffer, "PNG", exif=exif)
    turned = [Image.open(io.BytesIO(buffer.getvalue())) for _ in range(16)]
    wanted = Preparation().pixels(Image.open(io.BytesIO(buffer.getvalue())), 8)
    assert np.array_equal(images_of(dataset_from_object((turned, LABELS), 8))[0], wanted)


def test_a_large_jpeg_of_the_caller_is_not_made_smaller() -> None:
    buffer = io.BytesIO()
    Image.fromarray(pictures((1, 300, 400, 3))[0]).save(buffer, "JPEG")
    images = [Image.open(io.BytesIO(buffer.getvalue())) for _ in range(16)]
    found = dataset_from_object((images, LABELS), 16)
    assert {image.size for image in images} == {(400, 300)}
    # What the data set says of itself is what was done.
    file = Image.open(io.BytesIO(buffer.getvalue()))
    assert found.preparation.jpeg_draft == 0
    assert np.array_equal(found.preparation.pixels(file, 16), images_of(found)[0])


@pytest.mark.parametrize("dtype", [np.uint8, bool])
def test_images_of_8_bits_say_nothing_about_deep_ones(dtype: Any) -> None:
    images = pictures((16, 8, 8)) // (101 if dtype is bool else 1)
    found = dataset_from_object((images.astype(dtype), LABELS), 8)
    assert found.preparation.ranges == Preparation().ranges


def test_images_of_the_right_form_are_not_copied_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgenas.accuracy.dataset_objects.pixels_of", lambda *_: 1 / 0)
    images = pictures((16, 16, 16, 3))
    assert dataset_from_object((images, LABELS)).resolution == 16


def test_the_order_in_memory_is_of_no_matter() -> None:
    images = pictures((16, 16, 16, 3))
    turned = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    wanted = dataset_from_object((images, LABELS)).fingerprint
    assert {
        dataset_from_object((each, LABELS)).fingerprint for each in (turned, np.asfortranarray(images))
    } == {wanted}


def test_images_that_may_not_be_written_are_read() -> None:
    images = pictures((16, 16, 16, 3))
    images.flags.writeable = False
    assert dataset_from_object(((images, LABELS), (images, LABELS))).resolution == 16


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([7, 3] * 8, ("3", "7")), (["dog", "cat"] * 8, ("cat", "dog")), ([[4], [-2]] * 8, ("-2", "4")),
        (torch.tensor([1, 0] * 8), ("0", "1")), (np.array([1.0, 0.0] * 8), ("0", "1")),
        (np.array([True, False] * 8), ("False", "True")),
        (np.array(["b", "a"] * 8, object), ("a", "b")), (np.array([10, 9] * 8, np.uint8), ("9", "10")),
    ],
)  # fmt: skip
def test_labels_name_the_classes(labels: Any, classes: tuple[str, str]) -> None:
    images = np.stack([np.full((8, 8), 200 - 10 * (i % 2), np.uint8) for i in range(16)])
    dataset = dataset_from_object((images, labels), 8)
    assert dataset.classes == classes
    first = dataset.train.images[:, 0, 0, 0] == 200
    assert (dataset.train.labels[first] == 1).all() and (dataset.train.labels[~first] == 0).all()


def test_a_pair_of_pairs_has_a_test_set_of_its_own() -> None:
    train, test = pictures((16, 8, 8, 3)), pictures((4, 12, 8, 3), seed=1)
    found = dataset_from_object(((train, LABELS), [test, [[1], [0], [1], [1]]]))
    assert len(found.train) + len(found.validation) == 16
    assert found.test.labels.tolist() == [1, 0, 1, 1]
    assert found.resolution == 16


class Pairs:
    """As torchvision's: an image, changed on the way, and its label."""

    classes: tuple[str, ...] = ("cat", "dog", "unicorn")

    def __init__(self, count: int = 16, form: str = "picture") -> None:
        self._images, self._form = pictures((count, 12, 10, 3)), form

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if index >= len(self._images):
            raise RuntimeError("beyond the end")
        image, label = self._images[index], index % 2
        match self._form:
            case "tensor":
                return torch.from_numpy(image).permute(2, 0, 1) / 255, torch.tensor(label)
            case "array":
                return image, np.int32(label)
            case "random":
                return np.roll(image, np.random.randint(1, 12), 0), label
        return Image.fromarray(image), label


@pytest.mark.parametrize("form", ["picture", "tensor", "array"])
def test_a_data_set_as_of_torchvision(form: str) -> None:
    data, test = Pairs(form=form), Pairs(6, form)
    found = dataset_from_object((data, test), 8, flip=False)
    assert (found.name, found.classes, found.flip) == ("Pairs", ("cat", "dog"), False)
    assert found.test.labels.tolist() == [0, 1] * 3
    assert same(images_of(found), expected([Image.fromarray(each._images[i]) for each in (data, test) for i in range(len(each))], 8))  # noqa: E501 # fmt: skip
    assert found.remarks[0] == "Pairs: classes without images are ignored: unicorn"


def test_parts_of_a_data_set_and_lists_of_pairs() -> None:
    whole = Pairs()
    train, test = torch.utils.data.random_split(whole, [12, 4])  # type: ignore[arg-type, var-annotated]
    found = dataset_from_object((train, test), 8)
    assert found.name == "Pairs" and len(found.test) == 4 and set(found.classes) == {"cat", "dog"}
    listed = [whole[i] for i in range(len(whole))]
    assert dataset_from_object(listed, 8).fingerprint == dataset_from_object(whole, 8).fingerprint
    assert len(dataset_from_object((listed, listed[:5]), 8).test) == 5
    tensors = torch.utils.data.TensorDataset(torch.from_numpy(whole._images), torch.from_numpy(LABELS))
    assert dataset_from_object(tensors, 8).classes == ("0", "1")


def test_random_transforms_are_refused() -> None:
    with pytest.raises(
        DataError, match=r"^Pairs: image \d is another each time; leave out random transforms"
    ):
        dataset_from_object(Pairs(form="random"))


class ClassLabel:
    names = ("cat", "dog")


Column = type("Image", (), {})


class Rows:
    """As Hugging Face's, as far as it is needed."""

    def __init__(
        self, data: Pairs, columns: tuple[str, str] = ("image", "label"), kind: Any = ClassLabel
    ) -> None:
        self._data, self._names = data, columns
        self.features = {columns[0]: Column(), "id": object(), columns[1]: kind()}
        self.info = SimpleNamespace(dataset_name="beans")

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return [self._data[i][self._names.index(key)] for i in range(len(self))]
        return dict(zip(self._names, self._data[key], strict=True))


@pytest.mark.parametrize("columns", [("image", "label"), ("img", "fine_label"), ("x", "y")])
def test_a_data_set_as_of_hugging_face(columns: tuple[str, str]) -> None:
    found = dataset_from_object(Rows(Pairs(), columns), 8)
    assert (found.name, found.classes) == ("beans", ("cat", "dog"))
    assert found.fingerprint == dataset_from_object(Pairs(), 8).fingerprint


def splits_of(**splits: int) -> Any:
    return {name: Rows(Pairs(count)) for name, count in splits.items()}


def test_splits_of_hugging_face() -> None:
    found = dataset_from_object(splits_of(train=16, validation=6, extra=2), 8)
    assert len(found.test) == 6 and len(found.train) + len(found.validation) == 16
    assert "beans: splits that are not used: extra" in found.remarks
    found = dataset_from_object(splits_of(train=16, validation=6, test=8), 8)
    assert [len(split) for split in (found.train, found.validation, found.test)] == [16, 6, 8]
    assert sorted(found.validation.labels.tolist()) == [0] * 3 + [1] * 3
    assert not any("splits" in remark for remark in found.remarks)


def test_splits_have_the_names_that_folders_may_have() -> None:
    found = dataset_from_object(splits_of(Training=16, Valid=6, test_set=8), 8)
    assert [len(split) for split in (found.train, found.validation, found.test)] == [16, 6, 8]
    with pytest.raises(InputError, match=r"^data: both val and valid are splits for validation; leave out"):
        dataset_from_object(splits_of(train=16, val=6, valid=6), 8)


def test_another_class_in_the_validation_split_is_refused() -> None:
    validation = (GOOD, LABELS + 1)
    with pytest.raises(DataError, match="validation label '2' does not occur in training"):
        dataset_from_object({"train": (GOOD, LABELS), "val": validation, "test": (GOOD, LABELS)}, 8)  # type: ignore[arg-type]


def test_of_many_validation_images_some_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgenas.accuracy.dataset.MAX_VALIDATION_IMAGES", 5)
    found = dataset_from_object(splits_of(train=16, validation=8, test=8), 8)
    assert len(found.validation) == 5 and "beans: 5 of 8 validation images are used" in found.remarks


def test_remarks_name_images_by_their_place_in_what_was_given() -> None:
    images, test = pictures((40, 8, 8, 3)), pictures((6, 8, 8, 3), seed=1)
    labels = np.tile([0, 1], 20)
    images[17], test[3] = 9, images[5]
    images[21] = images[12]
    remarks = " ".join(dataset_from_object(((images, labels), (test, labels[:6])), 8).remarks)
    assert "(first: image 17)" in remarks and "(test image 3 = image 5)" in remarks
    assert "image 12 = image 21" in remarks or "image 21 = image 12" in remarks
    validation = {"train": (images, labels), "validation": (test, labels[:6]), "test": (test, labels[:6])}
    remarks = " ".join(dataset_from_object(validation, 8).remarks)  # type: ignore[arg-type]
    assert re.search(r"test image (\d) = validation image \1", remarks)


def test_what_was_inspected_is_not_inspected_again(monkeypatch: pytest.MonkeyPatch) -> None:
    images = pictures((16, 8, 8, 3))
    images[7] = images[8]
    monkeypatch.setattr("edgenas.accuracy.dataset_objects.Inspection", lambda: 1 / 0)
    assert dataset_from_object((images, LABELS), 8, inspected=False).remarks == ()


def test_names_of_classes_are_the_same_however_their_accents_are_written() -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    labels, others = [composed, "tea"] * 8, [decomposed, "tea"] * 8
    found = dataset_from_object(((GOOD, others), (GOOD, labels)), 8)
    assert found.classes == (composed, "tea")
    data, test = Pairs(), Pairs()
    data.classes, test.classes = (composed, "tea"), (decomposed, "tea")
    assert dataset_from_object((test, data), 8).classes == (composed, "tea")


def test_columns_that_cannot_be_told_apart_are_named() -> None:
    rows = Rows(Pairs(), ("x", "y"), kind=object)
    with pytest.raises(DataError, match=r"^beans: which of its columns is the label\? x, id, y; rename it"):
        dataset_from_object(rows)


def test_real_data_sets_of_hugging_face() -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"img": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    )
    pairs = [Pairs()[i] for i in range(16)]
    columns = {"img": [image for image, _ in pairs], "label": [label for _, label in pairs]}
    data = datasets.Dataset.from_dict(columns, features=features)
    found = dataset_from_object(data, 8)
    assert (
        found.classes == ("cat", "dog") and found.fingerprint == dataset_from_object(Pairs(), 8).fingerprint
    )
    splits = datasets.DatasetDict(train=data.with_format("torch"), test=data.select(range(5)))
    assert len(dataset_from_object(splits, 8).test) == 5


GOOD = pictures((16, 8, 8, 3))


@pytest.mark.parametrize(
    ("data", "match"),
    [
        ((GOOD, LABELS[:-1]), "arrays: 15 labels for 16 images; give a whole number"),
        ((GOOD, np.eye(2)[LABELS]), r"labels of shape \(16, 2\); of one-hot labels give labels.argmax\(1\)"),
        ((GOOD, LABELS + 0.5), "some labels are fractions, NaN"),
        ((GOOD, np.where(LABELS == 0, np.nan, LABELS)), "some labels are fractions, NaN"),
        ((GOOD, np.array([None, *LABELS[1:]], object)), "several kinds, one is a NoneType"),
        ((GOOD, LABELS * 0), "all labels are '0'; give images of at least two classes"),
        ((GOOD, [[1], [1, 2]] * 8), "the labels are no array"),
        ((GOOD, ["a\udce9", "b"] * 8), "not valid Unicode"),
        ((GOOD[:0], LABELS[:0]), "arrays: has no images"),
        ((GOOD.astype(object), LABELS), "the images are of object values"),
        ((GOOD.astype(complex), LABELS), "the images are of complex128 values"),
        ((GOOD.reshape(16, -1), LABELS), r"images of shape \(16, 192\); give \(height, width\)"),
        ((GOOD[..., :2], LABELS), r"images of shape \(16, 8, 8, 2\)"),
        ((GOOD * np.nan, LABELS), "values that are NaN or infinite"),
        ((GOOD / 128.0 - 1, LABELS), r"values reach from -1 to 0\.\d+; give whole numbers from 0 to 255"),
        ((GOOD / 16.0, LABELS), "values reach from 0 to 13"),
        ((GOOD > 100) * 1, "cannot be of type ndarray"),
        (((GOOD > 100) * 1, LABELS), "values reach from 0 to 1; "),
        ((GOOD.astype(np.int32) * 1000, LABELS), "values reach from 0 to"),
        ((np.full_like(GOOD, 9), LABELS), "all training images show the same colour"),
        (([*GOOD[:15], "16.png"], LABELS), "arrays: the images are of <U6 values"),
        ((GOOD, LABELS, ["cat", "dog"]), r"a tuple of 3 that is not \(images, labels\)"),
        (((GOOD, LABELS), (GOOD, LABELS + 1)), "test label '2' does not occur in training; use the same"),
        (((GOOD, LABELS), (GOOD, ["a", "b"] * 8)), "test label 'a' does not occur in training"),
        ((GOOD[:6], LABELS[:6]), "class '0' has 3 training images"),
        ({"images": GOOD, "labels": LABELS}, "has no split 'train', but images, labels"),
        ((i for i in range(3)), "cannot be of type generator"),
        ([], "a list of 0 that is not"),
        (["a.png", "b.png", "c.png"], "a list of 3 that is not"),
        ([1, [2]], "a list of 2 that is not"),
        (np.ndarray, "cannot be of type type"),
        (torch.utils.data.DataLoader(Pairs()), "cannot be of type DataLoader"),  # type: ignore[arg-type]
        (torch.utils.data.Dataset(), "cannot be of type Dataset"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_said_in_one_line(data: Any, match: str) -> None:
    with pytest.raises(InputError, match=match) as caught:
        dataset_from_object(data, 8)
    assert caught.value.hint and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("item", "match"),
    [
        ("text", "item 0 of a Odd is a str, not an image and its label"),
        ((1, 2, 3), "item 0 of a Odd is a tuple"),
        (KeyError("gone"), r"Odd: item 0 cannot be read \(KeyError: 'gone'\)"),
        ((None, 1), "images are of object values"),
        ((GOOD[0], np.ones(3)), r"labels of shape \(16, 3\); of one-hot"),
    ],
)
def test_odd_items_are_said_in_one_line(item: Any, match: str) -> None:
    class Odd:
        def __len__(self) -> int:
            return 16

        def __getitem__(self, index: int) -> Any:
            if isinstance(item, Exception):
                raise item
            return item

    with pytest.raises(InputError, match=match):
        dataset_from_object(Odd(), 8)


def test_a_label_without_a_name_is_refused() -> None:
    class Unlabelled(Pairs):
        def __getitem__(self, index: int) -> tuple[Any, Any]:
            return super().__getitem__(index)[0], -(index % 2)

    with pytest.raises(DataError, match="labels reach from -1 to 0 for 3 classes"):
        dataset_from_object(Unlabelled(), 8)


def test_other_classes_in_the_test_are_refused() -> None:
    test = Pairs(6)
    test.classes = ("cat", "unicorn")
    with pytest.raises(
        DataError, match=r"training has the classes cat, dog, unicorn, the test cat, unicorn;"
    ):
        dataset_from_object((Pairs(), test), 8)


def test_a_damaged_picture_is_named() -> None:
    buffer = io.BytesIO()
    Image.fromarray(GOOD[0]).resize((99, 99)).save(buffer, "PNG")
    damaged = Image.open(io.BytesIO(buffer.getvalue()[:200]))
    with pytest.raises(DataError, match=r"^arrays: image 3: cannot be read \(\w+\); leave it out$"):
        dataset_from_object(
            ([*map(Image.fromarray, GOOD[:3]), damaged, *map(Image.fromarray, GOOD[4:])], LABELS), 8
        )


def test_progress_is_told() -> None:
    said: list[tuple[Any, ...]] = []
    dataset_from_object((GOOD, LABELS), 16, progress=lambda *told: said.append(told))
    assert said == [("reading images", 0, 16), ("reading images", 16, 16)]


def test_the_fingerprint_changes_with_any_pixel_and_any_label() -> None:
    changed, labels = GOOD.copy(), LABELS.copy()
    changed[3, 1, 2, 0] ^= 1
    labels[[0, 1]] = labels[[1, 0]]
    found = [dataset_from_object(data, 8).fingerprint for data in _variants(changed, labels)]
    assert len(set(found)) == 3 and found[0] == dataset_from_object((GOOD.copy(), LABELS), 8).fingerprint


def _variants(changed: np.ndarray, labels: np.ndarray) -> Iterator[tuple[Any, Any]]:
    yield GOOD, LABELS
    yield changed, LABELS
    yield GOOD, labels
