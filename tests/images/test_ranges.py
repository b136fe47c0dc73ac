import warnings
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgenas.images.preparation import RANGES
from edgenas.images.ranges import ranges_of


@pytest.mark.parametrize(
    ("mode", "values", "expected"),
    [
        ("I;16", np.array([[640, 3616]], np.uint16), (0, 4095)),
        ("I;16", np.array([[0, 4096]], np.uint16), (0, 16383)),
        ("I;16", np.array([[3, 200]], np.uint16), (0, 255)),
        ("I;16", np.array([[0, 65535]], np.uint16), (0, 65535)),
        ("I", np.array([[40, 226]], np.int32), (0, 255)),
        ("I", np.array([[-1000, 3000]], np.int32), (-1023, 4095)),
        ("I", np.array([[0, 1_000_000]], np.int32), (0, 1_000_000)),
        ("F", np.array([[0.15, 0.88]], np.float32), (0, 1)),
        ("F", np.array([[0, 226, np.nan, np.inf]], np.float32), (0, 255)),
        ("F", np.array([[-0.5, 0.5]], np.float32), (-1, 1)),
    ],
)
def test_the_range_follows_from_the_values(
    tmp_path: Path, mode: str, values: NDArray[np.generic], expected: tuple[float, float]
) -> None:
    Image.fromarray(values).save(tmp_path / "a.tif")
    assert ranges_of([tmp_path / "a.tif"]) == {**RANGES, mode: expected}


def test_one_range_for_all_images(tmp_path: Path) -> None:
    for number, most in enumerate((100, 900, 4000)):
        Image.fromarray(np.array([[0, most]], np.uint16)).save(tmp_path / f"{number}.tif")
    (tmp_path / "broken.tif").write_bytes(b"II*\0")
    Image.new("RGB", (2, 2)).save(tmp_path / "plain.png")
    assert ranges_of(sorted(tmp_path.iterdir()))["I;16"] == (0, 4095)


def test_every_deep_image_counts(tmp_path: Path) -> None:
    for number in range(300):
        Image.fromarray(np.array([[0, 60000 if number == 151 else 4000]], np.uint16)).save(
            tmp_path / f"{number}.png"
        )
    seen: list[float] = []
    found = ranges_of(sorted(tmp_path.iterdir()), lambda _, done, total, detail="": seen.append(done / total))
    assert found["I;16"] == (0, 65535)
    assert seen[-1] == 1


def test_nothing_is_heard_of_large_images(tmp_path: Path) -> None:
    Image.new("1", (12_000, 9_000)).save(tmp_path / "a.png")
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        ranges_of([tmp_path / "a.png"])
    assert not heard


def test_without_deep_images_the_ranges_are_the_usual(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2)).save(tmp_path / "plain.png")
    assert ranges_of([tmp_path / "plain.png"]) == RANGES
