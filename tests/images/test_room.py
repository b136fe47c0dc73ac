"""Pictures share the memory in which they are decoded."""

import threading
from pathlib import Path

import pytest
from PIL import Image

from edgenas.images import reading
from edgenas.images.preparation import Preparation
from edgenas.images.reading import UnreadableImageError, read_pixels, read_whole_pixels
from edgenas.images.room import Room, pixels_of


def test_who_wants_more_than_is_left_waits() -> None:
    room, entered = Room(10), threading.Event()

    def enter() -> None:
        with room.taking(5):
            entered.set()

    with room.taking(6):
        with room.taking(4):
            thread = threading.Thread(target=enter)
            thread.start()
            assert not entered.wait(0.05)
        assert not entered.wait(0.05)
    thread.join(10)
    assert entered.is_set()


def test_more_than_the_whole_is_all_of_it_and_an_error_gives_it_back() -> None:
    room = Room(10)
    with pytest.raises(KeyError), room.taking(99):
        raise KeyError
    with room.taking(10):
        pass


@pytest.mark.parametrize(
    ("mode", "copies"), [("RGB", 1), ("L", 1), ("CMYK", 2), ("RGBA", 4), ("LA", 4), ("I;16", 4), ("F", 4)]
)
def test_what_takes_more_memory_counts_more(mode: str, copies: int) -> None:
    assert pixels_of(Image.new(mode, (3, 5))) == 15 * copies


def test_pictures_of_too_many_pixels_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_PIXELS", 64 * 64 - 1)
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    Image.new("RGB", (64, 64)).save(tmp_path / "a.jpg")
    Image.new("RGB", (64, 64)).save(tmp_path / "b.jpg", progressive=True)
    for name in ("a.png", "b.jpg"):
        with pytest.raises(UnreadableImageError, match=r"an image \(more than 0\.00409 million pixels\)"):
            read_pixels(tmp_path / name, 8, Preparation())
    with pytest.raises(UnreadableImageError, match=r"more than 0\.00409 million pixels"):
        read_whole_pixels(tmp_path / "a.jpg", Preparation())
    assert read_pixels(tmp_path / "a.jpg", 8, Preparation()).shape == (8, 8, 3)  # decoded at an eighth
