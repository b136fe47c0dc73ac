"""A file becomes pixels or one error of edgenas, whatever is in it."""

import errno
import io
import logging
import os
import random
import struct
import warnings
from pathlib import Path

import mutants
import mutated_images
import numpy as np
import pytest
from PIL import Image

from edgenas.images.preparation import Preparation
from edgenas.images.reading import (
    UnreadableImageError,
    may_pass,
    opened,
    quietly,
    read_pixels,
    read_whole_pixels,
)

SIZE = 24
AS_STORED = Preparation(channels=1)


def picture() -> Image.Image:
    """Light above, dark below: turned by a quarter, it is light on one side."""
    return Image.fromarray(np.repeat(np.uint8([[200], [20]]), SIZE // 2, 0).repeat(SIZE, 1))


def encoded(form: str, image: Image.Image | None = None) -> bytes:
    buffer = io.BytesIO()
    (image or picture()).save(buffer, form)
    return buffer.getvalue()


def jpeg_with_exif(exif: bytes) -> bytes:
    content, segment = encoded("JPEG"), b"Exif\0\0" + exif
    return content[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + content[2:]


def exif_of(*tags: tuple[int, int, int, bytes], after: bytes = b"") -> bytes:
    """A directory of tags: number, type, count, and the value or where it is."""
    entries = b"".join(struct.pack(">HHI", *tag[:3]) + tag[3].ljust(4, b"\0") for tag in tags)
    return b"MM\0*\0\0\0\x08" + struct.pack(">H", len(tags)) + entries + bytes(4) + after


TURNED = (0x0112, 3, 1, b"\0\6")
BEHIND = struct.pack(">I", 38)
"""Where values stand that follow a directory of two tags."""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"not a picture", "not an image"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (encoded("JPEG")[:-200], "damaged"),
        (encoded("PNG")[:60], "damaged"),
        (encoded("EPS"), "not an image"),  # read by another program
        (encoded("PDF", picture().convert("RGB")), "not an image"),
    ],
)
def test_an_unreadable_file_is_named_with_its_reason(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(UnreadableImageError) as caught:
        read_pixels(path, 8, Preparation())
    assert (caught.value.path, caught.value.reason) == (path, reason)
    assert str(caught.value) == f"{path}: cannot be read as an image ({reason}); give another file"


def test_what_is_not_a_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "gone.jpg")
    expected = {
        "pipe.jpg": "not a file",
        "link.jpg": "broken link",
        "gone.jpg": "not a file",
        ".": "not a file",
    }
    for name, reason in expected.items():
        with pytest.raises(UnreadableImageError) as caught:
            read_pixels(tmp_path / name, 8, Preparation())
        assert caught.value.reason == reason


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_file_that_must_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    (tmp_path / "a.png").chmod(0)
    with pytest.raises(UnreadableImageError, match="no permission"):
        read_pixels(tmp_path / "a.png", 8, Preparation())


def test_too_many_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", SIZE)
    with pytest.raises(UnreadableImageError, match="more than 104 million pixels"):
        read_pixels(tmp_path / "a.png", 8, Preparation())


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "too large for the memory"),
        (PermissionError(), "no permission"),
        (AttributeError("of a decoder"), "damaged"),
    ],
)
def test_whatever_happens_while_a_picture_is_used_is_an_error_of_its_file(
    error: Exception, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    with pytest.raises(UnreadableImageError) as caught, opened(tmp_path / "a.png"):
        raise error
    assert caught.value.reason == reason


def test_ctrl_c_is_no_error_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    with pytest.raises(KeyboardInterrupt), opened(tmp_path / "a.png"):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    "exif",
    [
        exif_of(TURNED),
        exif_of(
            TURNED, (0x011A, 10, 1, BEHIND), after=b"\xff" * 4 + bytes(4)
        ),  # -1/0: struct.error if written again
        exif_of(
            TURNED, (0x010F, 5, 1, BEHIND), after=b"\0\0\0\1\0\0\0\2"
        ),  # a fraction for text: AttributeError
        exif_of(TURNED, (0x011A, 2, 4, b"72\0\0")),
        exif_of(TURNED, (0x010F, 2, 500, b"\0\0\x23\x28")),  # longer than the file
    ],
)
def test_a_picture_is_turned_whatever_else_its_exif_says(exif: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg_with_exif(exif))
    with quietly([]):
        found = read_pixels(tmp_path / "a.jpg", SIZE, AS_STORED)[..., 0]
    assert found[:, :8].mean() < 60 < 160 < found[:, -8:].mean()


@pytest.mark.parametrize(
    "exif",
    [
        exif_of((0x0112, 3, 1, b"\0\x63")),
        exif_of((0x0112, 2, 4, b"six\0")),
        exif_of((0x0112, 5, 1, b"\0\0\xff\xff")),
        exif_of(TURNED)[:15],
        b"MM\0*\xff\xff\xff\xff",
        b"nothing of the kind",
        b"",
    ],
)
def test_a_picture_whose_orientation_is_broken_is_as_stored(exif: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg_with_exif(exif))
    with quietly([]):
        found = read_pixels(tmp_path / "a.jpg", SIZE, AS_STORED)[..., 0]
    assert found[-8:].mean() < 60 < 160 < found[:8].mean()


def test_the_content_counts_not_the_suffix(tmp_path: Path) -> None:
    for name in ("a.png", "a.tga", "a.txt", "a"):
        (tmp_path / name).write_bytes(encoded("JPEG"))
        assert read_pixels(tmp_path / name, SIZE, AS_STORED).shape == (SIZE, SIZE, 1)


def test_formats_without_signature_are_read_under_their_own_suffix_only(tmp_path: Path) -> None:
    for name in ("a.tga", "a.TGA", "a.jpg"):
        (tmp_path / name).write_bytes(encoded("TGA"))
    for name in ("a.tga", "a.TGA"):
        assert read_pixels(tmp_path / name, SIZE, AS_STORED)[:8].min() > 180
    with pytest.raises(UnreadableImageError, match="not an image"):
        read_pixels(tmp_path / "a.jpg", SIZE, AS_STORED)


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    path.write_bytes(encoded("PNG"))
    assert read_pixels(path, SIZE, AS_STORED).shape == (SIZE, SIZE, 1)
    path.write_bytes(b"nothing")
    with pytest.raises(UnreadableImageError, match="not an image"):
        read_pixels(path, SIZE, AS_STORED)


def test_what_pillow_warns_of_is_collected(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    palette = picture().convert("P")
    palette.save(tmp_path / "a.png", transparency=bytes(range(100)))
    (tmp_path / "b.jpg").write_bytes(jpeg_with_exif(exif_of(TURNED, (0x010F, 2, 500, b"\0\0\x23\x28"))))
    said: list[str] = []
    with quietly(said):
        for name in ("a.png", "b.jpg", "b.jpg"):
            read_pixels(tmp_path / name, 8, Preparation())
        logging.getLogger("PIL.TiffImagePlugin").warning("More samples\nper pixel than can be decoded")
    assert "More samples per pixel than can be decoded" in said
    assert any(text.startswith("Tag data larger than file") for text in said)
    assert not recwarn.list and not caplog.messages
    logging.getLogger("PIL.TiffImagePlugin").warning("heard again")
    assert "heard again" in caplog.text


def test_nothing_is_collected_without_a_warning_and_errors_pass() -> None:
    said: list[str] = []
    with pytest.raises(KeyError), quietly(said):
        raise KeyError
    with quietly(said):
        warnings.warn("large", Image.DecompressionBombWarning, stacklevel=1)
    assert not said


def test_a_broken_tiff_says_nothing_of_its_own(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """libtiff writes to the process's stderr itself."""
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(stream, "tiff", compression="tiff_lzw")
    content = bytearray(stream.getvalue())
    content[3000:5000] = bytes(2000)
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(UnreadableImageError, match="damaged"):
        read_pixels(tmp_path / "a.tif", SIZE, AS_STORED)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("part", range(5))
def test_mutilated_pictures_give_pixels_or_an_error_of_edgenas(part: int, tmp_path: Path) -> None:
    """A hundred each; `benchmarks/mutated_images.py` reads thousands, in processes that may die."""
    found = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(100 * part, 100 * (part + 1)):
            outcome = mutated_images.outcome_of(tmp_path, seed, *mutated_images.mutated(seed))
            assert not mutants.missed(outcome), f"seed {seed}: {outcome}"
            found.add(outcome)
    assert {"pixels", "damaged", "not an image"} <= found


def test_the_mutilated_pictures_are_the_same_each_time() -> None:
    random.seed()
    assert [mutated_images.mutated(seed) for seed in range(20)] == [
        mutated_images.mutated(seed) for seed in range(20)
    ]
    assert {suffix for suffix, _ in mutated_images.originals()} >= {
        ".jpg",
        ".png",
        ".tif",
        ".psd",
        ".webp",
        ".tga",
    }


@pytest.mark.parametrize(
    ("number", "reason", "passing"),
    [
        (errno.EIO, r"cannot be reached \(Input/output error\)", True),
        (errno.EMFILE, "cannot be reached", True),
        (errno.EINVAL, "damaged", False),
        (errno.EACCES, "no permission", True),
    ],
)
def test_what_may_pass_is_told_from_damage(
    number: int, reason: str, passing: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    monkeypatch.setattr(Image, "open", failing)
    with pytest.raises(UnreadableImageError, match=reason) as caught:
        read_pixels(tmp_path / "a.png", SIZE, AS_STORED)
    assert may_pass(caught.value.reason) == passing


def test_a_whole_picture_keeps_its_size_and_is_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (300, 200), (9, 9, 9)).save(tmp_path / "a.jpg", exif=exif)
    assert read_whole_pixels(tmp_path / "a.jpg", Preparation()).shape == (300, 200, 3)
    assert read_whole_pixels(tmp_path / "a.jpg", AS_STORED).shape == (300, 200, 1)
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    with pytest.raises(UnreadableImageError, match=r"b\.jpg: cannot be read as an image \(not an image\)"):
        read_whole_pixels(tmp_path / "b.jpg", Preparation())
