import logging
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgenas.errors import DataError
from edgenas.images import decoding
from edgenas.images.decoding import decoded, native_resolution, supported_resolution
from edgenas.images.preparation import Preparation
from edgenas.progress import silent, unit_of


def numbered(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(path)
    return paths


@pytest.mark.parametrize("ahead", [1, 3, 500])
def test_images_come_in_the_order_of_their_files(
    ahead: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "AHEAD", ahead)
    found = decoded(numbered(tmp_path, 40), 4, Preparation(), silent)
    assert [int(image[0, 0, 0]) for image in found if not isinstance(image, str)] == list(range(40))


def test_a_few_that_cannot_be_read_give_their_reason(tmp_path: Path) -> None:
    paths = numbered(tmp_path, 60)
    paths[7].write_bytes(b"")
    found = list(decoded(paths, 4, Preparation(), silent))
    assert found[7] == "empty"
    assert sum(isinstance(image, str) for image in found) == 1


def test_too_many_are_an_error_that_names_the_first(tmp_path: Path) -> None:
    paths = numbered(tmp_path, 20)
    for path in paths[:3]:
        path.write_bytes(b"no picture")
    with pytest.raises(
        DataError, match=r"3 of 20 images cannot be read: \S+/0\.png \(not an image\), .*; remove or"
    ):
        list(decoded(paths, 4, Preparation(), silent))


def test_heic_under_another_name_is_no_broken_file(tmp_path: Path) -> None:
    paths = numbered(tmp_path, 20)
    for path in paths[:10]:
        path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(20))
    found = list(decoded(paths, 4, Preparation(), silent))
    assert found[:10] == ["HEIC"] * 10
    for path in paths[10:12]:
        path.write_bytes(b"no picture")
    with pytest.raises(
        DataError, match=r"12 of 20 .*broken files, and convert those in HEIC to JPEG; up to 2% would"
    ):
        list(decoded(paths, 4, Preparation(), silent))


def test_progress_counts_the_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "BATCH", 5)
    seen: list[tuple[float, str]] = []
    list(
        decoded(
            numbered(tmp_path, 12),
            4,
            Preparation(),
            lambda phase, done, total, detail="": seen.append((done, unit_of(phase))),
        )
    )
    assert seen == [(done, "images") for done in (0, 5, 10, 12)]


def test_what_pillow_says_of_many_images_is_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)).convert("P")
    for number in range(10):  # such palettes, turned into anything but RGBA, are warned of
        noise.save(tmp_path / f"{number}.png", transparency=bytes(range(100)))
        exif = Image.Exif()
        exif[0x0112] = 6
        data = exif.tobytes().replace(
            b"\x12\x01\x03\x00\x01", b"\x0f\x01\x02\x00\xff"
        )  # a text longer than the file
        Image.new("RGB", (8, 8)).save(tmp_path / f"{number}.jpg", exif=data)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        list(decoded(sorted(tmp_path.iterdir()), 8, Preparation(), silent))
    assert not heard
    said = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(said) <= 1
    assert all(text.startswith("Pillow warned ") and "\n" not in text for text in said)


@pytest.mark.parametrize(
    ("side", "expected"), [(3, 16), (28, 24), (95, 64), (96, 96), (150, 128), (4000, 224)]
)
def test_a_resolution_that_layouts_cover(side: int, expected: int) -> None:
    assert supported_resolution(side) == expected


def test_the_native_resolution_is_that_of_most(tmp_path: Path) -> None:
    for number, side in enumerate((40, 100, 100, 1000)):
        Image.new("RGB", (side, side + 50)).save(tmp_path / f"{number}.png")
    (tmp_path / "broken.png").write_bytes(b"")
    assert native_resolution(sorted(tmp_path.iterdir())) == 96
