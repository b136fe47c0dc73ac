"""One picture or several, in any form, and what is refused of them."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from edgenas.api.given_pictures import given_pixels, listed
from edgenas.errors import InputError
from edgenas.images.preparation import RANGES, Preparation

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
PIXELS[0, 0, :2] = 0, 255


def pixels(picture: Any, ranges: Mapping[str, tuple[float, float]] = RANGES) -> Any:
    preparation = Preparation(ranges={**RANGES, **ranges})
    return given_pixels(picture, 8, preparation, "image 3")


@pytest.mark.parametrize(
    ("shape", "colour", "grey"),
    [
        ((8, 9), 1, 1),
        ((8, 9, 3), 1, 1),
        ((8, 9, 1), 1, 1),
        ((8, 9, 4), 1, 1),
        ((1, 8, 9), 1, 1),
        ((3, 8, 9), 1, 3),
        ((4, 8, 9), 1, 4),
        ((5, 8, 9), 5, 5),
        ((5, 8, 9, 1), 5, 5),
        ((3, 3, 8, 9), 3, 3),
    ],
)
def test_an_array_or_tensor_is_one_picture_or_several(shape: tuple[int, ...], colour: int, grey: int) -> None:
    array = np.zeros(shape, np.uint8)
    for images in (array, torch.from_numpy(array)):
        assert len(listed(images, 3)) == colour and len(listed(images, 1)) == grey


def test_what_is_no_array_is_listed_too(tmp_path: Path) -> None:
    for one in ("a.png", Path("a.png"), Image.new("L", (8, 8))):
        assert listed(one, 3) == listed([one], 3) == listed(iter([one]), 3) == [one]
    for none in (5, None, np.zeros(3), np.float32(1), torch.zeros(())):
        with pytest.raises(
            InputError, match="is not a picture; give a path, a PIL image, an array or a tensor"
        ):
            listed(none, 3)


def test_a_file_gives_the_same_pixels_opened_or_not(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "PNG")
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    for picture in (tmp_path / "a.png", str(tmp_path / "a.png"), Image.open(buffer), PIXELS):
        assert (pixels(picture) == PIXELS).all()


@pytest.mark.parametrize(
    ("kind", "mode"),
    [(np.int32, "I"), (np.int64, "I"), (np.uint16, "I;16"), (np.float16, "F"), (np.float64, "F")],
)
def test_values_are_scaled_as_in_training(kind: type, mode: str) -> None:
    array = PIXELS.astype(kind)
    for picture in (array, torch.from_numpy(array)):
        assert (pixels(picture, {mode: (0.0, 255.0)}) == PIXELS).all()


def test_an_array_of_16_bits_is_the_file_it_was_read_from(tmp_path: Path) -> None:
    Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 16).save(tmp_path / "a.png")
    ranges = {"I;16": (0.0, 4095.0)}
    expected = pixels(tmp_path / "a.png", ranges)
    assert expected.max() > 200
    with Image.open(tmp_path / "a.png") as image:
        assert (pixels(image, ranges) == expected).all()
        assert (pixels(np.asarray(image, np.uint16), ranges) == expected).all()


def test_black_is_black_in_any_range() -> None:
    for kind in (bool, np.int64, np.float32):
        assert not pixels(np.zeros((8, 8), kind)).any()


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (
            PIXELS.astype(np.float32),
            "values from 0 to 255, where 0 to 1 is expected of float32; scale them, or give",
        ),
        (PIXELS.astype(np.int64), "values from 0 to 255, where 0 to 65535 is expected of int64"),
        (PIXELS / 128 - 1, "values from -1 to 0.992188, where 0 to 1"),
        (np.full((8, 8), np.nan), "values from nan to nan, where"),
        (np.full((8, 8), np.inf), "values from inf to inf, where"),
        (np.zeros((8, 8), complex), "is of complex128 values; give numbers"),
        (np.zeros((8, 8), object), "is of object values; give numbers"),
        (np.zeros((2, 8, 8), np.uint8), r"images of shape \(2, 8, 8\); give"),
        (np.zeros((0, 8), np.uint8), r"images of shape \(0, 8\); give"),
    ],
)
def test_what_would_come_out_black_or_white_is_refused(array: Any, said: str) -> None:
    with pytest.raises(InputError, match=f"^image 3: {said}"):
        pixels(array)


@pytest.mark.parametrize("picture", [5, None, [[1, 2], [3, 4]], b"a.png"])
def test_what_is_no_picture_is_refused(picture: Any) -> None:
    with pytest.raises(InputError, match="is not a picture; give a path"):
        pixels(picture)
