from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from edgenas.images import preparing
from edgenas.images.preparation import RANGES, Preparation
from edgenas.images.reading import read_pixels


def noise(width: int, height: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (height, width, 4), np.uint8), "RGBA").convert(mode)


@given(width=st.integers(1, 90), height=st.integers(1, 90), size=st.integers(1, 40))
def test_the_middle_square_is_what_pillows_fit_gives(width: int, height: int, size: int) -> None:
    picture = noise(width, height)
    expected = np.asarray(ImageOps.fit(picture, (size, size), Image.Resampling.BILINEAR))
    assert (Preparation().pixels(picture, size) == expected).all()


@given(
    width=st.integers(1, 200), height=st.integers(1, 200), size=st.integers(1, 40),
    fit=st.sampled_from(["crop", "pad", "stretch"]), channels=st.sampled_from([1, 3]),
    mode=st.sampled_from(["1", "L", "LA", "La", "P", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "I", "F"]),
)  # fmt: skip
def test_any_picture_becomes_a_square(
    width: int, height: int, size: int, fit: str, channels: int, mode: str
) -> None:
    source = noise(width, height)
    via = {"La": "LA", "RGBa": "RGBA"}.get(mode, mode)
    picture = (source.convert("L") if mode in ("I", "F") else source).convert(via).convert(mode)
    found = Preparation(fit=fit, channels=channels).pixels(picture, size)
    assert (found.shape, found.dtype) == ((size, size, channels), np.uint8)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tiff", "webp"])
def test_a_turned_picture_is_turned_back(orientation: int, suffix: str, tmp_path: Path) -> None:
    upright = Image.fromarray(
        np.kron(np.arange(6, dtype=np.uint8).reshape(2, 3) * 40, np.ones((16, 16), np.uint8))
    )
    back = {2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
    stored = upright.transpose(preparing.TURNS[back[orientation]]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / f"a.{suffix}", exif=exif, **({"lossless": True} if suffix == "webp" else {}))
    found = read_pixels(tmp_path / f"a.{suffix}", 48, Preparation(fit="stretch", channels=1))
    expected = Preparation(fit="stretch", channels=1).pixels(upright, 48)
    assert np.abs(found[..., 0].astype(int) - expected[..., 0]).max() <= 8


def test_padding_keeps_all_of_a_picture_between_grey_margins() -> None:
    found = Preparation(fit="pad").pixels(Image.new("RGB", (40, 10), (250, 0, 0)), 20)
    assert (found[8:12] == (250, 0, 0)).mean() > 0.9
    assert (found[:7] == 128).all() and (found[13:] == 128).all()


@pytest.mark.parametrize("mode", ["LA", "RGBA", "P"])
def test_what_is_transparent_is_white(mode: str) -> None:
    picture = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    picture.paste((0, 0, 0, 255), (0, 0, 8, 4))
    found = Preparation().pixels(picture.convert(mode), 8)
    assert found[:3].max() < 10 and found[5:].min() > 245


@pytest.mark.parametrize(
    ("values", "ranges", "expected"),
    [
        (np.array([[0, 4095]], np.uint16), {"I;16": (0, 4095)}, [0, 255]),
        (np.array([[0, 65535]], np.uint16), {}, [0, 255]),
        (np.array([[-5, 100, 300]], np.int32), {"I": (0, 255)}, [0, 100, 255]),
        (np.array([[-1024, 1024]], np.int32), {"I": (-1024, 1024)}, [0, 255]),
        (np.array([[0.0, 0.5, 1.0, 7.0, np.nan, np.inf]], np.float32), {}, [0, 128, 255, 255, 0, 255]),
    ],
)
def test_deep_pixels_are_scaled_by_the_range_of_their_mode(
    values: np.ndarray, ranges: dict[str, tuple[float, float]], expected: list[int]
) -> None:
    preparation = Preparation(fit="stretch", channels=1, ranges={**RANGES, **ranges})
    scaled = preparing.eight_bit(Image.fromarray(values), preparation.ranges)
    assert np.asarray(scaled)[0].tolist() == expected


def test_a_large_jpeg_is_decoded_reduced_and_looks_the_same(tmp_path: Path) -> None:
    smooth = noise(12, 9).resize((1200, 900), Image.Resampling.BICUBIC)
    smooth.save(tmp_path / "a.jpg", quality=95)
    with Image.open(tmp_path / "a.jpg") as picture:
        found = Preparation().pixels(picture, 64)
        assert picture.size == (150, 113)
    with Image.open(tmp_path / "a.jpg") as picture:
        whole = np.asarray(ImageOps.fit(picture, (64, 64), Image.Resampling.BILINEAR))
    difference = np.abs(found.astype(int) - whole)
    assert difference.mean() <= 2 and difference.max() <= 20
