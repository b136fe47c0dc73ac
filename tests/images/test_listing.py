import os
from pathlib import Path

import numpy as np
from PIL import Image

from edgenas.images.layout import listing_of
from edgenas.images.listing import passed_over_text


def fill(folder: Path, suffix: str = "png") -> None:
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(4):
            Image.new("RGB", (4, 4), (number, 0, 0)).save(folder / name / f"{number}.{suffix}")


def test_formats_go_by_content(tmp_path: Path) -> None:
    fill(tmp_path / "train")
    picture = Image.fromarray(np.zeros((4, 4, 3), np.uint8))
    picture.save(tmp_path / "train" / "cat" / "a.jfif", "jpeg")
    picture.save(tmp_path / "train" / "cat" / "b.avif")
    picture.save(tmp_path / "train" / "cat" / "no suffix", "png")
    picture.save(tmp_path / "train" / "cat" / "wrong.txt", "webp")
    picture.save(tmp_path / "train" / "cat" / "e.qoi")
    assert listing_of(tmp_path).counts == (13, 0, 0)


def test_what_is_passed_over_is_counted_and_named_with_what_to_do(tmp_path: Path) -> None:
    fill(tmp_path / "train")
    cat = tmp_path / "train" / "cat"
    for number in range(5):
        (cat / f"IMG_{number}.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(20))
    (cat / "notes.txt").write_text("sunny")
    (cat / "._0.png").write_bytes(b"resource fork")
    (cat / ".DS_Store").write_bytes(b"")
    (cat / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    (cat / "@eaDir" / "0.png").mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(cat / "@eaDir" / "0.png" / "SYNOPHOTO_THUMB_M.jpg")
    (cat / os.fsdecode(b"caf\xe9.pdf")).write_bytes(b"%PDF-1.4")
    listing = listing_of(tmp_path)
    assert listing.counts == (8, 0, 0)
    assert listing.passed_over == {
        **{f"train/cat/IMG_{number}.HEIC": "HEIC" for number in range(5)},
        "train/cat/notes.txt": "not an image",
        "train/cat/._0.png": "hidden",
        "train/cat/@eaDir": "of thumbnails",
        "train/cat/caf\\xe9.pdf": "not an image",
    }
    text = passed_over_text(listing.passed_over)
    assert "5 HEIC (train/cat/IMG_" in text
    assert " and 2 more: convert them to JPEG)" in text
    assert "1 hidden (train/cat/._0.png: rename them if they are meant)" in text
    assert "1 of thumbnails (train/cat/@eaDir)" in text


def test_random_bytes_are_no_image(tmp_path: Path) -> None:
    """Some formats have no signature, and much else passes for them."""
    fill(tmp_path / "train")
    rng = np.random.default_rng(0)
    for number in range(300):
        (tmp_path / "train" / "cat" / f"{number}.dat").write_bytes(rng.bytes(64) if number % 2 else bytes(64))
    assert listing_of(tmp_path).counts == (8, 0, 0)
