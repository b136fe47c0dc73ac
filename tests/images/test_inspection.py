from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgenas.images.inspection import Inspection

Picture = NDArray[np.uint8]


def picture(seed: int, size: int = 32) -> Picture:
    """Smooth shapes, as a photograph has them."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))


def remarks(*images: tuple[str, int, str, Picture]) -> str:
    """Of images given as name, label, part and pixels."""
    inspection = Inspection()
    for _, _, _, pixels in images:
        inspection.add(pixels)
    names, labels, parts, _ = zip(*images, strict=True)
    return "\n".join(inspection.remarks(names, labels, parts, ("cat", "dog")))


def test_different_images_are_no_matter_for_remarks() -> None:
    images = [(f"{i}", i % 2, ("training", "validation", "test")[i % 3], picture(i)) for i in range(60)]
    assert remarks(*images) == ""


def test_test_images_that_are_also_training_images_are_counted_and_named() -> None:
    found = remarks(
        ("train/cat/1.png", 0, "training", picture(1)),
        ("train/cat/2.png", 0, "validation", picture(2)),
        ("test/cat/1.png", 0, "test", picture(1)),
        ("test/cat/b.png", 0, "test", picture(2)),
        ("test/cat/c.png", 0, "test", picture(3)),
    )
    assert found == (
        "2 of 3 test images are also training images: test figures are too high "
        "(test/cat/1.png = train/cat/1.png, test/cat/b.png = train/cat/2.png)"
    )


def test_an_image_in_two_classes_has_a_wrong_label() -> None:
    found = remarks(
        ("train/cat/1.png", 0, "training", picture(1)), ("train/dog/7.png", 1, "training", picture(1))
    )
    assert (
        "2 images are in more than one class, so some of their labels are wrong (train/cat/1.png = train/dog/7.png)"
        in (found)
    )


def test_copies_within_training() -> None:
    found = remarks(*[(f"{i}.png", 0, "training", picture(i // 3)) for i in range(6)])
    assert found == "4 training images are copies of others in training: validation figures may be too high"


def test_copies_among_test_images_do_not_count_against_those_in_training() -> None:
    found = remarks(
        ("a", 0, "training", picture(1)), ("b", 0, "training", picture(1)), ("c", 0, "test", picture(2)),
        ("d", 0, "test", picture(2)), ("e", 0, "training", picture(3)), ("f", 0, "validation", picture(3)),
        ("g", 0, "test", picture(3)),
    )  # fmt: skip
    assert "1 of 3 test images is also a training image" in found
    assert "2 training images are copies of others in training" in found


@pytest.mark.parametrize("quality", [60, 85])
def test_a_test_image_that_is_a_training_image_compressed_again(quality: int) -> None:
    stream = BytesIO()
    Image.fromarray(picture(1, 96)).resize((48, 48), Image.Resampling.BILINEAR).save(
        stream, "jpeg", quality=quality
    )
    again = np.asarray(Image.open(stream).resize((96, 96), Image.Resampling.BILINEAR))
    others = [(f"{i}", 0, "training", picture(i, 96)) for i in range(1, 40)]
    found = remarks(*others, ("test/a.jpg", 1, "test", again), ("test/b.jpg", 1, "test", picture(50, 96)))
    assert found == (
        "1 of the 2 test images that are no copies can hardly be told from a training image, as if it were resized or "
        "compressed again, 1 of another class: test figures may be too high (test/a.jpg ~ 1)"
    )


def test_images_that_show_nothing_are_counted_by_class() -> None:
    flat = np.full((8, 8, 3), 7, np.uint8)
    found = remarks(
        ("a", 0, "training", flat), ("b", 0, "validation", flat), ("c", 0, "training", picture(1)),
        ("d", 1, "training", picture(2)), ("e", 1, "test", flat),
    )  # fmt: skip
    assert found == "class 'cat': 2 of 3 training images show nothing but one colour (first: a)"


def test_grey_images_have_the_same_digest_in_one_channel_and_in_three() -> None:
    grey, colour = Inspection(), Inspection()
    one = picture(1)[..., :1]
    grey.add(one)
    colour.add(np.repeat(one, 3, 2))
    assert grey.digests == colour.digests
    assert colour.grey
    colour.add(picture(2))
    assert not colour.grey
